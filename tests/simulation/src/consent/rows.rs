//! What a change of consent owes, by the states that it leaves and enters; and what the rows of the outbox ask for.

use std::time::Duration;

use acequia_core::consent::{Action, ActionState, Change, Consent, OutboxRow, OutboxTask, Snapshot, SubjectState};
use acequia_core::event::own_type::{CONFIRMING, EMAIL_STATUS, REJECTED, SOURCE};
use acequia_core::id::{DeliveryId, EventId, TenantId};
use acequia_core::mail::{MailKind, MailRef, OWN_SINKS};
use acequia_core::port::Clock as _;
use acequia_core::time::after;
use acequia_testkit::build;

use super::scenario::{GOVERNED, TenantPlan};
use super::seen::Seen;

/// Clocks differ by so much.
const SKEW: Duration = Duration::from_secs(4);
/// Questions are so far apart, and so many at most.
const APART: Duration = Duration::from_mins(10);
const MOST_ASKS: usize = 10;

/// One event on its way to one sink of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parcel {
    /// Whose.
    pub tenant: TenantId,
    /// The event.
    pub event: EventId,
    /// The sink: the tenant's, or one of the platform's own mails.
    pub sink: String,
}

impl Parcel {
    /// The id of the delivery.
    pub fn delivery_id(&self) -> DeliveryId {
        DeliveryId::derive(&self.tenant, &build::sink_id(&self.sink), &self.event)
    }

    /// Whether it is a mail of ours.
    pub fn is_mail(&self) -> bool {
        self.sink.starts_with(OWN_SINKS)
    }

    /// Whether it is a mail to a subject whose action may still wait.
    pub fn is_question(&self) -> bool {
        self.is_mail() && !self.sink.contains("thanks")
    }

    /// Whether it is a mail that is void once there is an answer.
    pub fn is_asking(&self) -> bool {
        MailRef::of(&build::sink_id(&self.sink)).is_some_and(|mail| mail.kind.asks())
    }
}

/// What must be in the queues in the end: one of these at each of the sinks.
#[derive(Debug, Clone)]
pub struct Consequence {
    /// Why.
    pub what: String,
    /// The parcels: of each entry, one.
    pub parcels: Vec<Vec<Parcel>>,
}

impl TenantPlan {
    fn parcels(&self, kind: &str, event: &EventId) -> Vec<Parcel> {
        let taking = self.sinks.iter().filter(|sink| sink.takes(kind));
        taking.map(|sink| Parcel { tenant: self.id.clone(), event: event.clone(), sink: sink.id.clone() }).collect()
    }

    /// The mail that thanks, where there is one.
    fn thanks(&self, repeat: bool) -> Option<String> {
        if repeat && self.duplicate {
            return Some(format!("{OWN_SINKS}duplicate-2"));
        }
        self.thanks.then(|| format!("{OWN_SINKS}thanks-1"))
    }

    /// What a row asks for.
    pub fn asked_for(&self, row: &OutboxRow, event: &EventId) -> Vec<Parcel> {
        let own = |sink: String| Parcel { tenant: self.id.clone(), event: event.clone(), sink };
        match row.task {
            OutboxTask::Deliver { repeat } => {
                let mut parcels = self.parcels(GOVERNED, event);
                parcels.extend(self.thanks(repeat).map(own));
                parcels
            }
            OutboxTask::Mail { mail } => vec![own(mail.to_string())],
            OutboxTask::Moderate => self.parcels(CONFIRMING, &moderation_of(row)),
            OutboxTask::Notify => {
                let body: serde_json::Value = serde_json::from_str(&row.body).unwrap_or_default();
                let text = |name: &str| body.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
                EventId::new(SOURCE, &text("id")).map(|id| self.parcels(&text("type"), &id)).unwrap_or_default()
            }
        }
    }
}

fn moderation_of(row: &OutboxRow) -> EventId {
    let id = format!("{}-{}-{}-confirming", row.key.subject, row.key.list, row.action);
    EventId::new(SOURCE, &id).unwrap_or_else(|_| build::event_id("none"))
}

impl Seen {
    /// A change was written: `before` is what stood there.
    ///
    /// # Errors
    /// Where it must not have been.
    pub fn commit(&mut self, who: u64, tenant: &TenantId, before: &Snapshot, change: &Change) -> Result<(), String> {
        for row in &change.outbox {
            let event = self.action(tenant, &row.action).map(|plan| plan.event.clone());
            let plan = self.scenario.tenant(tenant);
            let parcels = event.zip(plan).map(|(event, plan)| plan.asked_for(row, &event)).unwrap_or_default();
            self.rows.push((tenant.clone(), row.clone(), parcels));
        }
        if self.looks.contains(&who) {
            return Err("a look at a link changed something".to_owned());
        }
        let (first, consent) = (Consent::new(&change.consent.list, change.consent.created_at), &change.consent);
        let earlier = before.consent.as_ref().unwrap_or(&first);
        self.owe_subject(tenant, earlier, change);
        self.subject(tenant, earlier.state, change)?;
        for action in &change.actions {
            let state = before.actions.get(&action.id).map_or(ActionState::New, |known| known.state);
            self.owe_action(tenant, state, action, change);
            self.moved(tenant, state, action, change)?;
        }
        if consent.version != earlier.version + 1 {
            return Err(format!("version {} follows {}", consent.version, earlier.version));
        }
        self.once(tenant, change)?;
        self.asks(tenant, earlier, change)
    }

    /// An action is released once, and taken back once.
    fn once(&mut self, tenant: &TenantId, change: &Change) -> Result<(), String> {
        for row in &change.outbox {
            let what = match row.task {
                OutboxTask::Deliver { .. } => "released",
                OutboxTask::Notify if row.body.contains(REJECTED) => "taken back",
                OutboxTask::Notify | OutboxTask::Moderate | OutboxTask::Mail { .. } => continue,
            };
            if !self.once.insert((tenant.clone(), row.action, what)) {
                return Err(format!("an action is {what} a second time: {row:?}"));
            }
        }
        Ok(())
    }

    /// Which steps a subject may make.
    fn subject(&mut self, tenant: &TenantId, from: SubjectState, change: &Change) -> Result<(), String> {
        use SubjectState as S;
        let (key, to) = ((tenant.clone(), change.key), change.consent.state);
        if from != to && matches!(to, S::Accepted | S::Rejected) {
            self.answered.entry(key.clone()).or_insert_with(|| self.clock.now());
        }
        let holds = match (from, to) {
            _ if from == to => true,
            (S::New, S::Confirming) => change.consent.list != "open",
            (S::New | S::Confirming, S::Accepted) => change.consent.list == "open" || self.agreed.contains(&key),
            (S::New | S::Confirming | S::Accepted, S::Rejected) => self.declined.contains(&key),
            _ => false,
        };
        if holds { Ok(()) } else { Err(format!("a subject goes from {from:?} to {to:?}, and nobody asked for it")) }
    }

    /// Which steps an action may make.
    fn moved(&mut self, tenant: &TenantId, from: ActionState, action: &Action, change: &Change) -> Result<(), String> {
        let to = action.state;
        let id = (tenant.clone(), action.id);
        let moderated = self.action(tenant, &action.id).is_some_and(super::scenario::EventPlan::asks_moderator);
        let key = (tenant.clone(), change.key);
        let subject = change.consent.state;
        let holds = if to == from {
            true
        } else if to.is_released() {
            from.is_open() && subject == SubjectState::Accepted && (!moderated || self.approved.contains(&id))
        } else {
            match to {
                ActionState::New => false,
                ActionState::Confirming => moderated && from == ActionState::New,
                ActionState::Accepted => from.is_open() && self.approved.contains(&id),
                _ => self.declined.contains(&key) || (from.is_open() && self.turned_down.contains(&id)),
            }
        };
        if to.is_released() {
            self.released.insert(id);
        }
        if holds { Ok(()) } else { Err(format!("an action goes from {from:?} to {to:?} with its subject {subject:?}")) }
    }

    /// Mails that ask are apart, and not too many.
    fn asks(&mut self, tenant: &TenantId, earlier: &Consent, change: &Change) -> Result<(), String> {
        let now = self.clock.now();
        let most = self.scenario.tenant(tenant).and_then(|plan| plan.reminders).map_or(0, |(_, most)| most);
        let asked = self.asked.entry((tenant.clone(), change.key)).or_default();
        for row in &change.outbox {
            let OutboxTask::Mail { mail } = row.task else { continue };
            if mail.kind == MailKind::Reminder {
                if mail.number > most || mail.number <= earlier.reminded {
                    return Err(format!("reminder {} of {most}, after {}", mail.number, earlier.reminded));
                }
                continue;
            }
            if asked.last().is_some_and(|last| after(*last, APART) > after(now, SKEW)) || asked.len() >= MOST_ASKS {
                return Err(format!("the subject is asked again, {} times", asked.len()));
            }
            asked.push(now);
        }
        Ok(())
    }

    fn owe(&mut self, what: String, parcels: Vec<Vec<Parcel>>) {
        self.consequences.push(Consequence { what, parcels });
    }

    fn owe_subject(&mut self, tenant: &TenantId, earlier: &Consent, change: &Change) {
        let consent = &change.consent;
        let told = earlier.email != consent.email
            || (earlier.state != consent.state && consent.state == SubjectState::Rejected);
        if told {
            self.owe_notice(tenant, change);
        }
        if earlier.state == SubjectState::New && consent.state == SubjectState::Confirming {
            let events = change.actions.iter().map(|action| action.event.clone());
            let sink = format!("{OWN_SINKS}confirm-1");
            let any = events.map(|event| Parcel { tenant: tenant.clone(), event, sink: sink.clone() }).collect();
            self.owe("a subject is asked".to_owned(), vec![any]);
        }
    }

    fn owe_action(&mut self, tenant: &TenantId, from: ActionState, action: &Action, change: &Change) {
        let Some(plan) = self.scenario.tenant(tenant).cloned() else { return };
        let one = |parcels: Vec<Parcel>| parcels.into_iter().map(|parcel| vec![parcel]).collect();
        match action.state {
            to if to.is_released() && from.is_open() => {
                self.owe(format!("{} is released", action.event), one(plan.parcels(GOVERNED, &action.event)));
            }
            ActionState::Confirming if from == ActionState::New => {
                let id = format!("{}-{}-{}-confirming", change.key.subject, change.key.list, action.id);
                let asked = EventId::new(SOURCE, &id).map(|id| plan.parcels(CONFIRMING, &id)).unwrap_or_default();
                self.owe(format!("a moderator is asked about {}", action.event), one(asked));
            }
            ActionState::Rejected if from.is_released() => self.owe_notice(tenant, change),
            _ => {}
        }
    }

    /// One of the two notices of this version, at each sink that takes it.
    fn owe_notice(&mut self, tenant: &TenantId, change: &Change) {
        let Some(plan) = self.scenario.tenant(tenant).cloned() else { return };
        let notice = |kind: &str| {
            let short = kind.rsplit('.').next().unwrap_or_default();
            let id = format!("{}-{}-{}-{short}", change.key.subject, change.key.list, change.consent.version);
            EventId::new(SOURCE, &id).map(|id| plan.parcels(kind, &id)).unwrap_or_default()
        };
        // All rules here take both or none.
        let either = notice(REJECTED).into_iter().zip(notice(EMAIL_STATUS)).map(|(one, other)| vec![one, other]);
        let either = either.collect();
        self.owe(format!("the sinks are told of version {}", change.consent.version), either);
    }
}
