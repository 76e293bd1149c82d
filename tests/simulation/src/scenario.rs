//! What a run begins with: tenants with their sinks, and the events that their producers send.
//!
//! The simulator keeps its own, simpler idea of configurations and matching, so that it does not check the code by
//! itself.

use std::time::Duration;

use acequia_core::id::{EventId, SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::table::{Authentication, Database, InvalidAddress};
use acequia_testkit::build;
use jiff::Timestamp;

use crate::dice::Dice;
use crate::limit::PerMinute;

/// The sink that keeps events in the archive, where its tenant has one.
pub const ARCHIVED: &str = "queue-strict";

/// The tenants, in their order.
pub const TENANTS: [&str; 3] = ["acme", "bona", "cora"];

/// Where a tenant's database is.
pub fn address(tenant: &str) -> String {
    format!("postgresql://acequia@db.{tenant}.example:5432/events")
}

/// A tenant's database.
///
/// # Errors
/// Where a tenant's name is none that a host can have.
pub fn database(tenant: &str) -> Result<Database, InvalidAddress> {
    Ok(Database { address: address(tenant).parse()?, authentication: Authentication::Iam, authorities: None })
}

/// The types of events.
pub const TYPES: [&str; 3] = ["action.signed", "action.shared", "order.placed"];
const COUNTRIES: [&str; 3] = ["FR", "DE", "PL"];
const RULES: [&str; 4] = ["*", "action.*", "action.signed", "order.placed"];
/// One has a wait above the 15 minutes for which a message is hidden.
pub(crate) const SCHEDULES: [&[u64]; 6] = [&[5], &[5, 60], &[10, 20, 120], &[2, 300], &[30], &[20, 1200]];

/// What may change of a sink from one version of the configuration to the next.
#[derive(Debug, Clone)]
pub struct SinkVersion {
    /// Which types it takes: one rule.
    pub rule: &'static str,
    /// The country that its pattern asks for.
    pub country: Option<&'static str>,
    /// Whether it is on.
    pub enabled: bool,
    /// Whether it is held back.
    pub paused: bool,
    /// The waits between attempts, in seconds.
    pub waits: &'static [u64],
}

/// What stays.
#[derive(Debug, Clone)]
pub struct SinkPlan {
    /// Its id.
    pub id: SinkId,
    /// Its kind.
    pub kind: SinkKind,
    /// Whether it claims.
    pub claims: bool,
    /// Of e-mail: whether mails that may have been sent are quarantined.
    pub quarantines_ambiguous: bool,
    /// Of forward: whether the target keeps order.
    pub fifo: bool,
}

/// A tenant with all versions of its configuration; version n stands at index n - 1.
#[derive(Debug, Clone)]
pub struct TenantPlan {
    /// Its id.
    pub id: TenantId,
    /// Its sinks.
    pub sinks: Vec<SinkPlan>,
    /// By version, for each sink.
    pub versions: Vec<Vec<SinkVersion>>,
    /// Whether its stack keeps order.
    pub ordered: bool,
}

/// Why an event cannot be delivered as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// None.
    None,
    /// Not JSON.
    NotJson,
    /// It names another tenant than its queue.
    Foreign,
    /// It has no address: mails of it cannot be written.
    NoAddress,
    /// The router dies of it as soon as it sends a delivery of it.
    KillsRouter,
    /// Every sink function dies of it.
    KillsSinks,
    /// The queue or the bus outside refuses it for good.
    Refused,
}

impl Flaw {
    /// Whether the function that handles it dies: of the router, or (`in_sink`) of a sink.
    pub fn kills(self, in_sink: bool) -> bool {
        self == if in_sink { Self::KillsSinks } else { Self::KillsRouter }
    }
}

/// One event as a producer sends it.
#[derive(Debug, Clone)]
pub struct EventPlan {
    /// Whose it is.
    pub tenant: usize,
    /// Its identity: the same for events of one id of one tenant.
    pub identity: usize,
    /// Its id.
    pub event: EventId,
    /// The group in which it is sent, where its tenant's stack keeps order.
    pub group: Option<String>,
    /// Its type.
    pub kind: &'static str,
    /// Its country.
    pub country: &'static str,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// Until when it is to be delivered, where it says so.
    pub expires_at: Option<Timestamp>,
    /// What is sent.
    pub body: String,
    /// After how long, and how often, it is sent.
    pub sendings: Vec<Duration>,
}

/// All that a run begins with.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// The tenants.
    pub tenants: Vec<TenantPlan>,
    /// The events.
    pub events: Vec<EventPlan>,
    /// How many partitions the topic of each tenant has; none where producers send to the intakes themselves.
    pub partitions: usize,
}

impl SinkPlan {
    /// Whether its target knows a delivery by its id alone, and drops another content of the same.
    pub fn goes_by_id(&self) -> bool {
        self.fifo || self.kind == SinkKind::Table
    }

    /// The rate at which it is served, where it has one. No chance decides it, so that a seed stays the seed it was.
    pub fn rate(&self) -> Option<PerMinute> {
        matches!(self.id.as_str(), "crm-strict" | "queue").then_some(PerMinute(1))
    }
}

impl TenantPlan {
    /// How many requests to the endpoint of a sink may be under way at once in one instance, and how long each takes at
    /// the least. By the tenant and not by chance, so that a seed of earlier days tells the same story of the others.
    pub fn narrow(&self, sink: &SinkId) -> Option<(usize, Duration)> {
        (self.id.as_str() == "bona" && sink.as_str() == "crm").then_some((1, Duration::from_secs(6)))
    }
}

impl SinkVersion {
    fn of(dice: &mut Dice) -> Self {
        Self {
            rule: dice.pick(&RULES).copied().unwrap_or("*"),
            country: if dice.happens(0.2) { dice.pick(&COUNTRIES).copied() } else { None },
            enabled: true,
            paused: false,
            waits: dice.pick(&SCHEDULES).copied().unwrap_or(&[5]),
        }
    }

    /// Whether the sink takes the event.
    pub fn takes(&self, event: &EventPlan) -> bool {
        let of_type = match self.rule.strip_suffix('*') {
            Some(prefix) => event.kind.starts_with(prefix),
            None => event.kind == self.rule,
        };
        of_type && self.country.is_none_or(|country| country == event.country)
    }
}

impl TenantPlan {
    /// Returns its queue of a role: the queues of an ordered stack keep order where order is promised.
    pub fn queue(&self, role: QueueRole) -> QueueArn {
        build::named_queue(&self.queue_name(role))
    }

    /// The dead-letter queue behind it.
    pub fn dead_letter_queue(&self, role: QueueRole) -> QueueArn {
        build::named_queue(&self.queue_name(role).dead_letter())
    }

    fn queue_name(&self, role: QueueRole) -> QueueName {
        let keeps = matches!(role, QueueRole::Intake | QueueRole::Sink(SinkKind::Forward) | QueueRole::Out);
        QueueName { fifo: self.ordered && keeps, ..QueueName::new(&build::stage(), &self.id, role) }
    }

    fn of(dice: &mut Dice, index: usize) -> Self {
        let plan = |id: &str, kind, claims, quarantines_ambiguous, fifo| SinkPlan {
            id: build::sink_id(id),
            kind,
            claims,
            quarantines_ambiguous,
            fifo,
        };
        // By the tenant and not by chance, so that a seed of earlier days tells the same story of the other tenants.
        let (outside, kept) = match index {
            1 => (SinkKind::Table, SinkKind::Forward),
            2 => (SinkKind::Eventbridge, SinkKind::Archive),
            _ => (SinkKind::Forward, SinkKind::Forward),
        };
        let mut all = vec![
            plan("mail", SinkKind::Email, true, dice.happens(0.5), false),
            plan("crm", SinkKind::Webhook, false, false, false),
            plan("crm-strict", SinkKind::Webhook, true, false, false),
            plan("queue", outside, false, false, false),
            plan(ARCHIVED, kept, true, false, false),
            plan("ordered", SinkKind::Forward, false, false, true),
        ];
        let mut sinks = Vec::new();
        for _ in 0..=dice.below(3) {
            sinks.extend(dice.draw(&mut all));
        }
        sinks.sort_by(|one, other| one.id.cmp(&other.id));
        let first = sinks.iter().map(|_| SinkVersion::of(dice)).collect();
        Self {
            id: build::tenant_id(TENANTS.get(index).unwrap_or(&"zeta")),
            sinks,
            versions: vec![first],
            ordered: false,
        }
    }

    /// Adds a version in which one sink is another.
    pub fn change(&mut self, dice: &mut Dice) -> usize {
        let mut next = self.versions.last().cloned().unwrap_or_default();
        let index = dice.below(next.len());
        if let Some(sink) = next.get_mut(index) {
            match if self.ordered { 1 + 2 * dice.below(2) } else { dice.below(5) } {
                0 => sink.enabled = !sink.enabled,
                1 => sink.paused = !sink.paused,
                2 => sink.rule = dice.pick(&RULES).copied().unwrap_or("*"),
                _ => sink.waits = dice.pick(&SCHEDULES).copied().unwrap_or(&[5]),
            }
        }
        self.versions.push(next);
        index
    }

    /// Adds a version in which every sink is on.
    pub fn mend(&mut self) {
        let mut next = self.versions.last().cloned().unwrap_or_default();
        for sink in &mut next {
            sink.enabled = true;
            sink.paused = false;
        }
        self.versions.push(next);
    }

    /// The current version as the JSON that the store holds.
    pub fn document(&self) -> String {
        let current = self.versions.last().into_iter().flatten();
        let sinks: Vec<_> = self.sinks.iter().zip(current).map(|(plan, version)| self.sink(plan, version)).collect();
        serde_json::json!({ "tenant": self.id.as_str(), "name": self.id.as_str(), "sinks": sinks }).to_string()
    }

    fn sink(&self, plan: &SinkPlan, version: &SinkVersion) -> serde_json::Value {
        let waits: Vec<String> = version.waits.iter().map(|wait| format!("{wait}s")).collect();
        let mut sink = serde_json::json!({ "id": plan.id.as_str(), "kind": plan.kind.as_str(), "types": [version.rule],
            "enabled": version.enabled, "paused": version.paused, "retry": waits });
        if let (Some(PerMinute(rate)), Some(fields)) = (plan.rate(), sink.as_object_mut()) {
            fields.insert("rate".to_owned(), format!("{rate}/m").into());
            fields.insert("burst".to_owned(), 1.into());
        }
        let tenant = &self.id;
        let own = match plan.kind {
            SinkKind::Webhook => {
                serde_json::json!({ "url": format!("https://{tenant}.example/{}", plan.id), "secrets": ["key"],
                "strict": plan.claims, "breaker": { "of": 2, "failures": "50%", "cool_down": "150s" },
                "concurrency": self.narrow(&plan.id).map_or(16, |(most, _)| most) })
            }
            SinkKind::Email => serde_json::json!({ "from": format!("hello@{tenant}.example"), "to": "{{ data.email }}",
                "subject": "for {{ data.tenant }}", "text": "{{ data.number }}",
                "ambiguous": if plan.quarantines_ambiguous { "quarantine" } else { "resend" } }),
            SinkKind::Forward => {
                serde_json::json!({ "queue": if plan.fifo { "out.fifo" } else { "out" }, "strict": plan.claims })
            }
            SinkKind::Eventbridge => {
                let bus = format!("arn:aws:events:us-east-1:123456789012:event-bus/{tenant}.{}", plan.id);
                serde_json::json!({ "bus": bus, "strict": plan.claims })
            }
            // In one form or the other, and in both where the configuration changes.
            SinkKind::Archive => {
                let format = if version.waits.len().is_multiple_of(2) { "ndjson" } else { "parquet" };
                serde_json::json!({ "strict": plan.claims, "format": format })
            }
            SinkKind::Table => {
                serde_json::json!({ "strict": plan.claims, "database": address(tenant.as_str()), "iam": true,
                "table": "events", "columns": { "event": "$event" } })
            }
        };
        let pattern =
            version.country.map(|country| serde_json::json!({ "pattern": { "data": { "country": [country] } } }));
        if let Some(fields) = sink.as_object_mut() {
            for more in [Some(own), pattern].into_iter().flatten() {
                fields.extend(more.as_object().cloned().unwrap_or_default());
            }
        }
        sink
    }
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of(dice: &mut Dice) -> Self {
        let tenants: Vec<_> = (0..=1 + dice.below(2)).map(|index| TenantPlan::of(dice, index)).collect();
        let mut events: Vec<EventPlan> = Vec::new();
        for number in 0..4 + dice.below(14) {
            let tenant = dice.below(tenants.len());
            // Another content under an id that was there, now and then. Ids repeat across tenants on purpose.
            let earlier = events.iter().rfind(|event| event.tenant == tenant).map(|event| event.identity);
            let identity = match earlier {
                Some(earlier) if dice.happens(0.08) => earlier,
                _ => events.iter().filter(|event| event.tenant == tenant).count() * tenants.len() + tenant,
            };
            events.push(event(dice, &tenants, tenant, identity, number));
        }
        Self { tenants, events, partitions: 0 }
    }
}

fn event(dice: &mut Dice, tenants: &[TenantPlan], tenant: usize, identity: usize, number: usize) -> EventPlan {
    let id = format!("e{}", identity / tenants.len().max(1));
    let (kind, country) =
        (dice.pick(&TYPES).copied().unwrap_or("action.signed"), dice.pick(&COUNTRIES).copied().unwrap_or("FR"));
    let flaw = match dice.below(25) {
        0 => Flaw::NotJson,
        1 => Flaw::Foreign,
        2 => Flaw::NoAddress,
        3 => Flaw::KillsRouter,
        4 => Flaw::KillsSinks,
        _ => Flaw::None,
    };
    let owner = tenants.get(tenant).map(|tenant| tenant.id.to_string()).unwrap_or_default();
    let address = (flaw != Flaw::NoAddress).then(|| format!("{id}@{owner}.example"));
    let named = if flaw == Flaw::Foreign { "another" } else { owner.as_str() };
    let mut body = serde_json::json!({ "specversion": "1.0", "id": id, "source": build::SOURCE, "type": kind, "acequiatenant": named,
        "data": { "tenant": owner, "country": country, "number": number, "email": address } });
    // Some want to be delivered by a time within the chaos. No chance decides it, so that a seed stays the seed it was.
    let expires_at = (number % 7 == 3).then(|| build::at(180 + 40 * u64::try_from(number).unwrap_or_default()));
    if let (Some(at), Some(fields)) = (expires_at, body.as_object_mut()) {
        fields.insert("expirytime".to_owned(), at.to_string().into());
    }
    let body = if flaw == Flaw::NotJson { format!("{{ {owner} {id} {number}") } else { body.to_string() };
    let first = dice.between(Duration::ZERO, Duration::from_mins(4));
    let mut sendings = vec![first];
    if dice.happens(0.1) {
        sendings.push(first.saturating_add(dice.between(Duration::ZERO, Duration::from_secs(400))));
    }
    EventPlan {
        tenant,
        identity,
        event: build::event_id(&id),
        group: None,
        kind,
        country,
        flaw,
        expires_at,
        body,
        sendings,
    }
}
