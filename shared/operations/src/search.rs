//! What failed for good of a tenant's, found by its sink, reason, type and time: by an index that has nothing else in it.
//!
//! What is to be tried again is not among it (`status` and `delayed` show that), nor what was delivered: who looks for
//! one event has its name (`explain`), and who looks through all has the archive.

use std::ops::RangeInclusive;

use acequia_core::delivery::ledger::{Record, Status};
use acequia_core::delivery::route::Routed;
use acequia_core::id::{EventId, SinkId, TenantId};
use acequia_core::outcome::Reason;
use acequia_core::outcome::fault::Fault;
use acequia_core::port::Ledger as _;
use acequia_core::routing::TypeRule;
use jiff::Timestamp;
use serde::Serialize;

use crate::{OperationError, Ports, time};

/// What is looked for; what is not named may be anything.
#[derive(Debug, Clone)]
pub struct Search {
    /// When it failed.
    pub within: RangeInclusive<Timestamp>,
    /// The sink that it was for.
    pub sink: Option<SinkId>,
    /// Whether it is quarantined or expired.
    pub outcome: Option<Outcome>,
    /// Why it is quarantined.
    pub reason: Option<Reason>,
    /// The event's type.
    pub types: Option<TypeRule>,
}

/// How something failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is, or was, in a dead-letter queue.
    Quarantined,
    /// Its time was over before it could be delivered.
    Expired,
}

impl Outcome {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Quarantined, Self::Expired];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Expired => "expired",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Whose it is.
    pub tenant: TenantId,
    /// Each, those last that failed first.
    pub found: Vec<Failure>,
    /// Whether there is more than was asked for.
    pub more: bool,
}

/// One delivery, or one event, that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// When it failed.
    #[serde(serialize_with = "time::one")]
    pub failed_at: Timestamp,
    /// The event.
    pub event: EventId,
    /// Its type; null where the record does not have it.
    pub r#type: Option<String>,
    /// The sink; null of an event that was not routed.
    pub sink: Option<SinkId>,
    /// How it failed.
    pub outcome: Outcome,
    /// Why it is quarantined.
    pub reason: Option<Reason>,
    /// What was wrong at the last attempt, in words; empty where nothing was attempted.
    pub detail: String,
    /// Where the cause is to be looked for, where that is known.
    pub fault: Option<Fault>,
    /// Attempts since the last redrive.
    pub attempts: u32,
}

/// Finds at most `limit`.
///
/// # Errors
/// When the ledger does not answer.
pub async fn run(
    ports: &impl Ports,
    tenant: &TenantId,
    search: &Search,
    limit: usize,
) -> Result<Findings, OperationError> {
    let ledger = ports.ledger();
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = ledger.failed(tenant, &search.within, from).await?;
        found.extend(page.records.into_iter().filter_map(Failure::of).filter(|failure| search.takes(failure)));
        from = page.next;
        if found.len() > limit || from.is_none() {
            let more = found.len() > limit;
            found.truncate(limit);
            return Ok(Findings { tenant: tenant.clone(), found, more });
        }
    }
}

impl Search {
    fn takes(&self, failure: &Failure) -> bool {
        let is_of = |rule: &TypeRule| failure.r#type.as_deref().is_some_and(|kind| rule.takes(kind));
        self.sink.as_ref().is_none_or(|sink| failure.sink.as_ref() == Some(sink))
            && self.outcome.is_none_or(|outcome| failure.outcome == outcome)
            && self.reason.is_none_or(|reason| failure.reason == Some(reason))
            && self.types.as_ref().is_none_or(is_of)
    }
}

impl Failure {
    fn of(record: Record) -> Option<Self> {
        let failed_at = record.failed_at()?;
        Some(match record {
            Record::Route(route) => Self {
                failed_at,
                event: route.event,
                r#type: Some(route.event_type),
                sink: None,
                outcome: Outcome::Quarantined,
                reason: route.reason,
                detail: route.reason.map(Reason::advice).unwrap_or_default().to_owned(),
                fault: None,
                attempts: 0,
            },
            Record::Delivery(delivery) => {
                let last = delivery.attempts.last();
                Self {
                    failed_at,
                    r#type: delivery.route.as_deref().and_then(Routed::read).map(|routed| routed.event_type),
                    outcome: if delivery.status == Status::Expired { Outcome::Expired } else { Outcome::Quarantined },
                    detail: last.map(|attempt| attempt.detail.clone()).unwrap_or_default(),
                    fault: last.and_then(|attempt| attempt.fault),
                    reason: delivery.reason,
                    attempts: delivery.attempts_used,
                    event: delivery.event,
                    sink: Some(delivery.sink),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    fn everything() -> Search {
        Search { within: build::start()..=build::at(1000), sink: None, outcome: None, reason: None, types: None }
    }

    async fn world() -> World {
        let world = World::default();
        let row = |event: &str, sink: &str, status, second: u64, reason| {
            let mut row = build::record(event, sink, status);
            (row.updated_at, row.reason) = (build::at(second), reason);
            row.route = Some(Arc::from(format!(r#"{{"type":"action.{event}","at":0,"version":1,"to":["{sink}"]}}"#)));
            Record::Delivery(Box::new(row))
        };
        let mut rows: Vec<_> = (1..=12)
            .map(|n| row(&n.to_string(), "crm", Status::Quarantined, n, Some(Reason::AttemptsExhausted)))
            .collect();
        rows.push(row("20", "mail", Status::Expired, 20, None));
        rows.push(row("21", "mail", Status::Retry, 21, None));
        rows.push(row("22", "mail", Status::Quarantined, 22, Some(Reason::Rejected)));
        assert!(world.ledger.write(&build::tenant_id("acme"), &rows).await.iter().all(Result::is_ok));
        world
    }

    #[tokio::test]
    async fn what_failed_for_good_is_found_by_sink_outcome_reason_type_and_time() {
        let world = world().await;
        let ask = async |search: Search, limit| run(&world, &build::tenant_id("acme"), &search, limit).await.unwrap();
        let all = ask(everything(), 100).await;
        assert_eq!((all.found.len(), all.more), (14, false));
        assert_eq!(
            (&all.found[0].event, all.found[0].sink.clone()),
            (&build::event_id("22"), Some(build::sink_id("mail")))
        );
        let some = ask(everything(), 3).await;
        assert_eq!((some.found.len(), some.more), (3, true));
        for (search, count) in [
            (Search { sink: Some(build::sink_id("mail")), ..everything() }, 2),
            (Search { outcome: Some(Outcome::Expired), ..everything() }, 1),
            (Search { reason: Some(Reason::Rejected), ..everything() }, 1),
            (Search { types: Some("action.7".parse().unwrap()), ..everything() }, 1),
            (Search { types: Some("action.*".parse().unwrap()), ..everything() }, 14),
            (Search { within: build::at(3)..=build::at(5), ..everything() }, 3),
        ] {
            assert_eq!(ask(search.clone(), 100).await.found.len(), count, "{search:?}");
        }
        let json = serde_json::to_value(&ask(everything(), 1).await).unwrap();
        assert_eq!((&json["found"][0]["reason"], &json["found"][0]["type"]), (&"rejected".into(), &"action.22".into()));
    }
}
