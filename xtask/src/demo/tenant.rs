//! The demo's tenants: their stacks, their sinks with what each must take, and their configurations made local.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::event::Event;
use super::warehouse::{self, Warehouse};
use crate::host;
use crate::local::Local;
use crate::receiver::Receiver;
use crate::stack::{AUDIENCE, TenantStack};

/// The tenants and their stacks' parameters.
pub(crate) const STACKS: [TenantStack; 3] = [
    TenantStack {
        tenant: "acme",
        parameters: &[
            "Webhook=enabled",
            "Email=enabled",
            "SenderDomains=acme.example",
            "Archive=enabled",
            "ArchiveBatchWindow=5",
            "Table=enabled",
            "TableBatchWindow=5",
            // The port is found when the demo starts the database.
            "ForwardTargets=postgresql://acequia@localhost:*/warehouse",
        ],
    },
    TenantStack {
        tenant: "bona",
        parameters: &[
            "Webhook=enabled",
            "Forward=enabled",
            "OutQueue=standard",
            "Eventbridge=enabled",
            "ForwardTargets=arn:aws:events:us-east-1:000000000000:event-bus/bona",
            "Archive=enabled",
            "ArchiveBatchWindow=5",
        ],
    },
    TenantStack { tenant: "cedar", parameters: &["Webhook=enabled", "Archive=enabled", "ArchiveBatchWindow=5"] },
];

/// How a tenant's events come in.
#[derive(Debug, Clone)]
pub(super) enum Door {
    /// Over HTTP, by a token of the platform's issuer or by an API key of the tenant.
    Http(String),
    /// Through a topic of Kafka's at this broker; and each tenth into the intake queue, by AWS credentials.
    Topic(String),
}

/// The topic that feeds [`BROKEN`].
pub(super) const TOPIC: &str = "actions";

/// How the events of each tenant come in; `broker` has the topic.
pub(super) fn doors(local: &Local, broker: &str) -> Result<BTreeMap<&'static str, Door>> {
    let [issuer, _] = Receiver::issuer(local.receiver_address());
    let ends = host::since_epoch().as_secs() + 3600;
    let claims =
        json!({"iss": issuer, "aud": AUDIENCE, "sub": "demo", "exp": ends, "tenant": "acme", "scope": "events:write"});
    let token = local.receiver.token(&claims)?;
    let key = local.acequia.make_key("bona")?;
    Ok([("acme", Door::Http(token)), ("bona", Door::Http(key)), (BROKEN, Door::Topic(broker.to_owned()))].into())
}

/// The tenant whose events are replayed. Those of all are archived: the demo adds that sink to each example.
pub(super) const ARCHIVED: &str = "bona";
/// The tenant whose events become rows, where there is a database: the demo adds that sink to its example, too.
pub(super) const TABULATED: &str = "acme";

/// The tenant whose endpoint breaks.
pub(super) const BROKEN: &str = "cedar";

/// Values of headers that the configurations name.
const HEADERS: [(&str, &str, &str); 1] = [("acme", "crm-token", "Bearer demo-token")];

/// The domain of the senders in the examples.
const SENDER_DOMAIN: &str = "acme.example";

/// Where a sink delivers, which is where the demo counts what arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Far {
    /// The receiver.
    Webhook,
    /// The mails that SES took.
    Email,
    /// The tenant's queue `out`.
    Queue,
    /// A queue behind the tenant's event bus.
    Bus,
}

impl Far {
    /// The queue before it, by its role.
    pub(super) fn queue(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
            Self::Queue => "forward",
            Self::Bus => "eventbridge",
        }
    }
}

/// One sink of the demo.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) tenant: &'static str,
    pub(super) id: &'static str,
    pub(super) far: Far,
    /// Whether it may deliver an event twice that was sent twice.
    pub(super) may_repeat: bool,
    /// What its configuration says, once more and independent of Acequia: which events it must take.
    pub(super) takes: fn(&Event) -> bool,
}

impl Sink {
    /// The name of its endpoint at the receiver.
    pub(super) fn endpoint(&self) -> String {
        format!("{}-{}", self.tenant, self.id)
    }
}

/// All sinks of examples/tenants.
pub(super) static SINKS: [Sink; 6] = [
    Sink {
        tenant: "acme",
        id: "crm",
        far: Far::Webhook,
        may_repeat: true,
        takes: |event| event.kind.starts_with("action.") || event.kind == "supporter.updated",
    },
    Sink {
        tenant: "acme",
        id: "thanks",
        far: Far::Email,
        may_repeat: false,
        takes: |event| event.kind == "action.signed",
    },
    Sink {
        tenant: "bona",
        id: "analytics",
        far: Far::Queue,
        may_repeat: false,
        takes: |event| event.kind.starts_with("action."),
    },
    Sink {
        tenant: "bona",
        id: "updates",
        far: Far::Bus,
        may_repeat: true,
        takes: |event| event.kind == "supporter.updated",
    },
    Sink {
        tenant: "bona",
        id: "partner",
        far: Far::Webhook,
        may_repeat: true,
        takes: |event| event.kind == "action.signed" && ["FR", "DE"].contains(&event.country),
    },
    Sink {
        tenant: "cedar",
        id: "hook",
        far: Far::Webhook,
        may_repeat: true,
        takes: |event| event.kind.starts_with("action."),
    },
];

/// Makes the endpoints, writes the secrets, and applies the examples with the receiver's addresses in them.
pub(super) fn configure(local: &Local, warehouse: Option<&Warehouse>) -> Result<()> {
    local.verify_domain(SENDER_DOMAIN)?;
    for (tenant, name, value) in HEADERS {
        local.acequia.put_secret(tenant, "header", name, value)?;
    }
    for stack in STACKS {
        let file = derive(local, stack.tenant, warehouse.filter(|_| stack.tenant == TABULATED))?;
        local.acequia.apply(&file)?;
    }
    Ok(())
}

/// The queue that a rule leads all events of a tenant's bus to.
pub(super) fn behind_bus(tenant: &str) -> String {
    format!("behind-bus-of-{tenant}")
}

/// The file that was applied for a tenant.
pub(super) fn applied(tenant: &str) -> PathBuf {
    host::scratch(&format!("tenants/{tenant}.toml"))
}

fn derive(local: &Local, tenant: &str, warehouse: Option<&Warehouse>) -> Result<PathBuf> {
    let example = host::path(&format!("examples/tenants/{tenant}.toml"));
    let text = fs::read_to_string(&example).with_context(|| format!("cannot read {}", example.display()))?;
    let mut document: toml::Table = text.parse().with_context(|| format!("{} is not TOML", example.display()))?;
    let sinks = document.get_mut("sinks").and_then(toml::Value::as_array_mut).context("an example without sinks")?;
    for sink in sinks.iter_mut().filter_map(toml::Value::as_table_mut) {
        let text = |name: &str| sink.get(name).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        match text("kind").as_str() {
            "webhook" => {}
            "eventbridge" => {
                sink.insert("bus".to_owned(), local.make_bus(tenant, &behind_bus(tenant))?.into());
                continue;
            }
            _ => continue,
        }
        let endpoint = format!("{tenant}-{}", text("id"));
        let secret = local.receiver.define(&endpoint, false)?;
        let names = sink.get("secrets").and_then(toml::Value::as_array).context("a webhook without secrets")?;
        for name in names.iter().filter_map(toml::Value::as_str) {
            local.acequia.put_secret(tenant, "webhook", name, &secret)?;
        }
        sink.insert("url".to_owned(), local.receiver.url(&endpoint).into());
        if tenant == BROKEN {
            // The default schedule takes days, too long for a demo.
            sink.insert("retry".to_owned(), toml::Value::Array(vec!["1s".into(), "2s".into()]));
            // Its breaker would hold the deliveries back, and the demo shows what becomes of the deliveries that fail
            // to the end.
            sink.insert("breaker".to_owned(), false.into());
        }
    }
    let types = toml::Value::Array(vec!["*".into()]);
    // One of them as Parquet: `DuckDB` reads both forms.
    let format = if tenant == BROKEN { "parquet" } else { "ndjson" };
    let archive = [("id", "archive".into()), ("kind", "archive".into()), ("types", types), ("format", format.into())];
    sinks.push(toml::Table::from_iter(archive.map(|(name, value)| (name.to_owned(), value))).into());
    if let Some(warehouse) = warehouse {
        local.acequia.put_secret(tenant, "database", warehouse::SECRET, warehouse.password())?;
        sinks.push(warehouse.sink()?.into());
    }
    let file = applied(tenant);
    fs::create_dir_all(host::scratch("tenants")).context("cannot make .local/tenants")?;
    fs::write(&file, document.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
