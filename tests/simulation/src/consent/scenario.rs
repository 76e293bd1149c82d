//! What a run begins with: tenants that ask for consent, people with a temper each, and what they sign.
//!
//! As in [`crate::scenario`], the simulator has its own, simpler idea of a configuration.

use std::time::Duration;

use acequia_core::consent::{ActionId, ConsentKey, ListId, SubjectId};
use acequia_core::id::{EventId, TenantId};
use acequia_testkit::build;
use serde_json::json;

use crate::dice::Dice;

/// The name of the key of links, and the key.
pub const KEY_NAME: &str = "links";
/// The key itself.
pub const KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// Where links lead.
pub const BASE: &str = "https://confirm.example.org";

/// The lists: one asks as the tenant does, one never asks, one also asks a moderator.
const LISTS: [&str; 4] = ["plain", "plain", "open", "moderated"];
/// The type that needs consent, and one that needs none.
pub const GOVERNED: &str = "action.signed";
const FREE: &str = "order.placed";
/// What a sink may want to hear of.
const RULES: [&str; 4] = ["acequia.*", "*", "action.*", "acequia.*"];
/// What the types of the platform's own events begin with: rules for everything leave them out.
const OWN: &str = "acequia.";

/// A tenant's own sink: a forward sink to the tenant's queue.
#[derive(Debug, Clone)]
pub struct SinkPlan {
    /// Its id.
    pub id: String,
    /// Which types it takes.
    pub rule: &'static str,
    /// Whether it claims.
    pub strict: bool,
}

impl SinkPlan {
    /// Whether it takes events of this type.
    pub fn takes(&self, kind: &str) -> bool {
        match self.rule.strip_suffix('*') {
            None => self.rule == kind,
            Some("") => !kind.starts_with(OWN),
            Some(start) => kind.starts_with(start),
        }
    }
}

/// A tenant.
#[derive(Debug, Clone)]
pub struct TenantPlan {
    /// Its id.
    pub id: TenantId,
    /// Its sinks.
    pub sinks: Vec<SinkPlan>,
    /// Whether it has a template for thanks.
    pub thanks: bool,
    /// Whether it has a template for subjects who sign again.
    pub duplicate: bool,
    /// After how many minutes it reminds, and how often at most.
    pub reminders: Option<(u64, u32)>,
    /// Whether its stack has no queue for mails until all is mended, though its configuration asks by mail.
    pub lacks_email: bool,
}

/// How a person takes mails that ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// Agrees.
    Accepts,
    /// Agrees, and wants the newsletter.
    OptsIn,
    /// Agrees, and presses the button twice.
    DoubleClicks,
    /// Declines.
    Rejects,
    /// Agrees and declines at the same moment.
    Races,
    /// Agrees, and takes it back later.
    Regrets,
    /// Has the mail program end the mails.
    Unsubscribes,
    /// Has no such address.
    Bounces,
    /// Calls it spam, perhaps after agreeing.
    Complains,
    /// Does nothing.
    Ignores,
}

const TEMPERS: [Temper; 11] = [
    Temper::Accepts,
    Temper::Accepts,
    Temper::OptsIn,
    Temper::DoubleClicks,
    Temper::Rejects,
    Temper::Races,
    Temper::Regrets,
    Temper::Unsubscribes,
    Temper::Bounces,
    Temper::Complains,
    Temper::Ignores,
];

/// One event as a producer sends it.
#[derive(Debug, Clone)]
pub struct EventPlan {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub event: EventId,
    /// Its type.
    pub kind: &'static str,
    /// The address of the person who signed.
    pub address: String,
    /// How that person takes mails.
    pub temper: Temper,
    /// Under what.
    pub list: &'static str,
    /// The action that it is.
    pub action: ActionId,
    /// Whose consent it needs.
    pub key: ConsentKey,
    /// What is sent.
    pub body: String,
    /// After how long, and how often, it is sent.
    pub sendings: Vec<Duration>,
    /// Whether the outbox dies of it, until all is mended.
    pub kills: bool,
}

impl EventPlan {
    /// Whether it needs consent.
    pub fn is_governed(&self) -> bool {
        self.kind == GOVERNED
    }

    /// Whether its subject is asked.
    pub fn asks_subject(&self) -> bool {
        self.list != "open"
    }

    /// Whether a moderator is asked.
    pub fn asks_moderator(&self) -> bool {
        self.list == "moderated"
    }
}

/// All that a run begins with.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// The tenants.
    pub tenants: Vec<TenantPlan>,
    /// The events.
    pub events: Vec<EventPlan>,
}

impl TenantPlan {
    fn of(dice: &mut Dice, name: &str) -> Self {
        let sinks = (0..=dice.below(3)).map(|number| SinkPlan {
            id: format!("s{number}"),
            rule: if number == 0 { "*" } else { dice.pick(&RULES).copied().unwrap_or("*") },
            strict: dice.happens(0.4),
        });
        Self {
            id: build::tenant_id(name),
            sinks: sinks.collect(),
            thanks: dice.happens(0.5),
            duplicate: dice.happens(0.5),
            reminders: dice.happens(0.6).then(|| (5 + dice.below(40) as u64, 1 + u32::from(dice.happens(0.5)))),
            lacks_email: dice.happens(0.1),
        }
    }

    /// Its configuration, as the store holds it.
    pub fn document(&self) -> String {
        // Which links a mail has, its test reads from its text.
        let text = "{{ links.accept }} {{ links.accept_opt_in }} {{ links.reject }} {{ links.unsubscribe }}";
        let mail = |kind: &str| json!({ "en": { "subject": format!("{kind} of {}", self.id), "text": text } });
        let mut templates = json!({ "confirm": mail("confirm") });
        let mut consent = json!({ "types": ["action.*"], "subject": "{{ data.email }}", "list": "{{ data.list }}",
            "supporter_confirm": true, "keys": [KEY_NAME], "valid_for": "1h", "asks_per_day": 1000,
            "lists": { "open": { "supporter_confirm": false }, "moderated": { "action_confirm": true } } });
        if let Some(templates) = templates.as_object_mut() {
            for (has, kind) in [(self.thanks, "thanks"), (self.duplicate, "duplicate")] {
                if has {
                    templates.insert(kind.to_owned(), mail(kind));
                }
            }
        }
        if let (Some((after, most)), Some(fields)) = (self.reminders, consent.as_object_mut()) {
            fields.insert("reminders".to_owned(), json!({ "after": format!("{after}m"), "most": most }));
        }
        let sink = |sink: &SinkPlan| {
            json!({ "id": sink.id, "kind": "forward", "types": [sink.rule], "queue": "out", "strict": sink.strict,
                "retry": ["5s", "60s"] })
        };
        let sinks: Vec<_> = self.sinks.iter().map(sink).collect();
        json!({ "tenant": self.id.as_str(), "name": self.id.as_str(), "consent": consent,
            "mail": { "from": format!("hello@{}.example", self.id), "to": "{{ data.email }}", "default_locale": "en",
                "daily_cap": 1000 },
            "templates": templates, "sinks": sinks })
        .to_string()
    }
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of(dice: &mut Dice) -> Self {
        let names = if dice.happens(0.3) { &["acme", "bona"][..] } else { &["acme"] };
        let tenants: Vec<_> = names.iter().map(|name| TenantPlan::of(dice, name)).collect();
        let mut events = Vec::new();
        for tenant in &tenants {
            for person in 0..=dice.below(3) {
                let temper = dice.pick(&TEMPERS).copied().unwrap_or(Temper::Accepts);
                // The same names at every tenant, on purpose: no function may take one for the other.
                let address = format!("p{person}@people.example");
                for _ in 0..=dice.below(3) {
                    let number = events.len();
                    events.push(event(dice, &tenant.id, &address, temper, number));
                }
            }
        }
        Self { tenants, events }
    }

    /// The plan of a tenant.
    pub fn tenant(&self, id: &TenantId) -> Option<&TenantPlan> {
        self.tenants.iter().find(|tenant| tenant.id == *id)
    }
}

fn event(dice: &mut Dice, tenant: &TenantId, address: &str, temper: Temper, number: usize) -> EventPlan {
    let kind = if dice.happens(0.1) { FREE } else { GOVERNED };
    let list = dice.pick(&LISTS).copied().unwrap_or("plain");
    let id = format!("e{number}");
    let event = build::event_id(&id);
    let body = json!({ "specversion": "1.0", "id": id, "source": build::SOURCE, "type": kind,
        "data": { "email": address, "list": list, "tenant": tenant.as_str() } });
    let latest = Duration::from_mins(if dice.happens(0.3) { 60 } else { 5 });
    let first = dice.between(Duration::ZERO, latest);
    let mut sendings = vec![first];
    while dice.happens(0.15) {
        sendings.push(first.saturating_add(dice.between(Duration::ZERO, Duration::from_mins(10))));
    }
    EventPlan {
        action: ActionId::derive(tenant, &event),
        key: ConsentKey { subject: SubjectId::derive(tenant, address), list: ListId::derive(tenant, list) },
        tenant: tenant.clone(),
        event,
        kind,
        address: address.to_owned(),
        temper,
        list,
        body: body.to_string(),
        sendings,
        kills: dice.happens(0.02),
    }
}
