//! What became of one event, from every row that the ledger has of it.

mod hold;

use std::collections::BTreeMap;

use acequia_core::delivery::ledger::{AttemptNote, DeliveryRecord, Receipt, Record, RouteRecord, Stages, Status};
use acequia_core::delivery::route::Routed;
use acequia_core::id::{DeliveryId, EventId, ReplayId, SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Reason;
use acequia_core::outcome::fault::Fault;
use acequia_core::port::Ledger as _;
use acequia_core::wire::{ReplayIds, Replayed};
use jiff::Timestamp;
use serde::Serialize;

use self::hold::paused_among;
use crate::paused::Paused;
use crate::{OperationError, Ports, time};

/// What is recorded of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Whose event.
    pub tenant: TenantId,
    /// The event.
    pub event: EventId,
    /// Where it was routed; null where that is not recorded: none of its deliveries has a row.
    pub route: Option<Route>,
    /// The id of the trace that it belongs to; null where it belongs to none.
    pub trace_id: Option<String>,
    /// Its deliveries, as far as they are recorded.
    pub deliveries: Vec<Delivery>,
    /// The paused ones of the sinks that are to get it still.
    pub paused: Vec<Paused>,
}

/// Where an event was routed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The event's type.
    pub r#type: String,
    /// The sinks that take it.
    pub taken: Vec<SinkId>,
    /// The sinks that do not.
    pub filtered: Vec<SinkId>,
    /// The clause of a sink's rules that the event does not meet, of each of these where it is recorded: `types`, or
    /// `pattern.data.country`.
    pub clauses: BTreeMap<SinkId, String>,
    /// How the event came in, and by whom: `sqs`, `http` or `kafka`, and the sender that SQS names, the API key or the
    /// token's issuer and subject, or the record's place; null where that is not recorded.
    pub via: Option<String>,
    /// Whether no sink takes it.
    pub unmatched: bool,
    /// Why it was quarantined, where it was.
    pub reason: Option<Reason>,
    /// What to do about that.
    pub advice: Option<&'static str>,
    /// The version of the configuration by which it was routed.
    pub config_version: u64,
    /// When SQS took it.
    #[serde(serialize_with = "time::one")]
    pub accepted_at: Timestamp,
    /// When it was routed.
    #[serde(serialize_with = "time::one")]
    pub routed_at: Timestamp,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivery {
    /// Where to.
    pub sink: SinkId,
    /// The replay that makes it, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayId>,
    /// The sink's kind.
    pub kind: SinkKind,
    /// Its id: the same on every attempt.
    pub delivery_id: DeliveryId,
    /// Where it stands.
    pub status: Status,
    /// Attempts since the last redrive.
    pub attempts_used: u32,
    /// Attempts before it.
    pub attempts_used_before: u32,
    /// The attempts that are remembered, the first one first.
    pub attempts: Vec<Attempt>,
    /// When it was redriven, the first time first.
    #[serde(serialize_with = "time::all")]
    pub redriven_at: Vec<Timestamp>,
    /// The sink's proof.
    pub receipt: Option<Receipt>,
    /// When the next attempt is due.
    #[serde(serialize_with = "time::maybe")]
    pub due_at: Option<Timestamp>,
    /// Until when an invocation has the right to make it.
    #[serde(serialize_with = "time::maybe")]
    pub lease_until: Option<Timestamp>,
    /// Why it was quarantined, where it was.
    pub reason: Option<Reason>,
    /// What to do about that.
    pub advice: Option<&'static str>,
    /// The version of the configuration by which it was made.
    pub config_version: u64,
    /// When SQS took the event.
    #[serde(serialize_with = "time::one")]
    pub accepted_at: Timestamp,
    /// When this was recorded.
    #[serde(serialize_with = "time::one")]
    pub updated_at: Timestamp,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Its number, from 1 again after a redrive.
    pub number: u32,
    /// When it ended.
    #[serde(serialize_with = "time::one")]
    pub at: Timestamp,
    /// What it came to: `delivered`, `retry`, `quarantined` ...
    pub outcome: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What was wrong, in words; empty where nothing was.
    pub detail: String,
    /// The digest of the content, where it is another one of the same id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What its request spent its time on, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stages: Option<RequestStages>,
    /// Where the cause of its failure is to be looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// What one request spent its time on, each in milliseconds; null where it did not come to that, or went over a
/// connection that stood already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RequestStages {
    /// To find the addresses of the host's name.
    pub dns_ms: Option<u32>,
    /// To connect to one of them.
    pub connect_ms: Option<u32>,
    /// To agree on TLS.
    pub tls_ms: Option<u32>,
    /// From the connection to the first byte of the answer.
    pub first_byte_ms: Option<u32>,
}

impl From<Stages> for RequestStages {
    fn from(Stages { dns_ms, connect_ms, tls_ms, first_byte_ms }: Stages) -> Self {
        Self { dns_ms, connect_ms, tls_ms, first_byte_ms }
    }
}

impl From<AttemptNote> for Attempt {
    fn from(note: AttemptNote) -> Self {
        let AttemptNote { number, at, outcome, duration_ms, detail, content, stages, fault } = note;
        Self { number, at, outcome, duration_ms, detail, content, stages: stages.map(RequestStages::from), fault }
    }
}

/// Reads what is recorded of an event.
///
/// # Errors
/// [`OperationError::NothingRecorded`] where nothing is, or when the ledger does not answer.
pub async fn run(ports: &impl Ports, tenant: &TenantId, event: &EventId) -> Result<Explanation, OperationError> {
    let rows = ports.ledger().explain(tenant, event).await?;
    if rows.is_empty() {
        let paused = paused_among(ports, tenant, |_| true).await;
        return Err(OperationError::NothingRecorded { tenant: tenant.clone(), event: event.clone(), paused });
    }
    let mut explanation = Explanation::of(tenant, event, rows);
    let open = explanation.open();
    if !open.is_empty() {
        explanation.paused = paused_among(ports, tenant, |sink| open.contains(sink)).await;
    }
    Ok(explanation)
}

/// What rows that were read already say of an event, and which of the sinks that are to get it still are among the
/// paused ones; `None` where nothing is recorded. It asks nobody, so how many messages wait is not told.
pub fn recorded(tenant: &TenantId, event: &EventId, rows: Vec<Record>, paused: &[SinkId]) -> Option<Explanation> {
    if rows.is_empty() {
        return None;
    }
    let mut explanation = Explanation::of(tenant, event, rows);
    let open = explanation.open();
    let holding = paused.iter().filter(|sink| open.contains(sink));
    explanation.paused = holding.map(|sink| Paused { sink: sink.clone(), delayed: None }).collect();
    Some(explanation)
}

impl Explanation {
    fn of(tenant: &TenantId, event: &EventId, rows: Vec<Record>) -> Self {
        let (tenant, event) = (tenant.clone(), event.clone());
        let mut explanation =
            Self { tenant, event, route: None, trace_id: None, deliveries: Vec::new(), paused: Vec::new() };
        for row in rows {
            match row {
                Record::Route(mut row) => {
                    explanation.trace_id = row.trace_id.take().or(explanation.trace_id);
                    explanation.route = Some(Route::of(*row));
                }
                Record::Delivery(mut row) => {
                    explanation.trace_id = explanation.trace_id.or(row.trace_id.take());
                    let carried = row.route.as_deref().and_then(Routed::read);
                    let carried = carried.map(|routed| Route::carried(routed, row.accepted_at));
                    explanation.route = explanation.route.or(carried);
                    explanation.deliveries.push(Delivery::of(&explanation.tenant, *row));
                }
            }
        }
        explanation
    }

    /// The sinks that take it, and of which nothing is recorded.
    pub fn unrecorded(&self) -> Vec<SinkId> {
        let taken = self.route.iter().flat_map(|route| &route.taken);
        taken
            .filter(|sink| !self.deliveries.iter().any(|delivery| delivery.sink == **sink && delivery.replay.is_none()))
            .cloned()
            .collect()
    }

    /// The sinks that are to get it still.
    fn open(&self) -> Vec<SinkId> {
        let waiting = self.deliveries.iter().filter(|delivery| delivery.status == Status::Retry);
        waiting.map(|delivery| delivery.sink.clone()).chain(self.unrecorded()).collect()
    }
}

impl Route {
    fn of(row: RouteRecord) -> Self {
        Self {
            r#type: row.event_type,
            taken: row.taken,
            clauses: clauses(&row.filtered, row.clauses),
            filtered: row.filtered,
            via: row.via,
            unmatched: row.unmatched,
            reason: row.reason,
            advice: row.reason.map(Reason::advice),
            config_version: row.config_version,
            accepted_at: row.accepted_at,
            routed_at: row.updated_at,
        }
    }

    /// What a delivery's row says of its event.
    fn carried(routed: Routed, accepted_at: Timestamp) -> Self {
        Self {
            r#type: routed.event_type,
            taken: routed.taken,
            clauses: clauses(&routed.filtered, routed.clauses),
            filtered: routed.filtered,
            via: routed.via,
            unmatched: false,
            reason: None,
            advice: None,
            config_version: routed.config_version,
            accepted_at,
            routed_at: routed.routed_at,
        }
    }
}

fn clauses(filtered: &[SinkId], clauses: Vec<String>) -> BTreeMap<SinkId, String> {
    filtered.iter().cloned().zip(clauses).collect()
}

impl Delivery {
    fn of(tenant: &TenantId, row: DeliveryRecord) -> Self {
        let first = DeliveryId::derive(tenant, &row.sink, &row.event);
        Self {
            delivery_id: match &row.replay {
                Some(Replayed { id, ids: ReplayIds::Fresh, .. }) => first.anew(id),
                _ => first,
            },
            replay: row.replay.map(|replay| replay.id),
            sink: row.sink,
            kind: row.kind,
            status: row.status,
            attempts_used: row.attempts_used,
            attempts_used_before: row.attempts_used_before,
            attempts: row.attempts.into_iter().map(Attempt::from).collect(),
            redriven_at: row.redrives.iter().map(|redrive| redrive.at).collect(),
            receipt: row.receipt,
            due_at: row.due_at,
            lease_until: row.lease_until,
            reason: row.reason,
            advice: row.reason.map(Reason::advice),
            config_version: row.config_version,
            accepted_at: row.accepted_at,
            updated_at: row.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::wire::Redrive;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    /// The event was taken by `crm`, where it was quarantined, and by `late`, of which nothing is recorded.
    async fn world() -> World {
        let world = World::default();
        let route = RouteRecord {
            event: build::event_id("1"),
            event_type: "action.signed".to_owned(),
            taken: vec![build::sink_id("crm"), build::sink_id("late")],
            filtered: vec![build::sink_id("analytics")],
            clauses: vec!["types".to_owned()],
            via: Some("sqs AROA:shop".to_owned()),
            unmatched: false,
            reason: None,
            config_version: 3,
            accepted_at: build::start(),
            updated_at: build::at(1),
            expires_at: build::at(9),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        };
        let mut crm = build::record("1", "crm", Status::Quarantined);
        crm.reason = Some(Reason::AttemptsExhausted);
        crm.note(AttemptNote {
            number: 1,
            at: build::at(2),
            outcome: "retry".to_owned(),
            duration_ms: 12,
            detail: "the endpoint answered 500".to_owned(),
            content: None,
            stages: None,
            fault: None,
        });
        crm.redrives.push(Redrive { id: "m-1".to_owned(), at: build::at(1) });
        let rows = [Record::Route(Box::new(route)), Record::Delivery(Box::new(crm))];
        assert!(world.ledger.write(&build::tenant_id("acme"), &rows).await.iter().all(Result::is_ok));
        world
    }

    #[tokio::test]
    async fn an_event_is_told_with_its_route_and_each_delivery() {
        let explanation = run(&world().await, &build::tenant_id("acme"), &build::event_id("1")).await.unwrap();
        assert_eq!(explanation.unrecorded(), [build::sink_id("late")]);
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!((&json["tenant"], &json["event"]), (&"acme".into(), &"/tests|1".into()));
        assert_eq!(json["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(json["route"]["taken"], serde_json::json!(["crm", "late"]));
        assert_eq!(json["route"]["routed_at"], "2026-01-01T00:00:01.000Z");
        let delivery = &json["deliveries"][0];
        assert_eq!((&delivery["status"], &delivery["reason"]), (&"quarantined".into(), &"attempts-exhausted".into()));
        assert_eq!(delivery["redriven_at"], serde_json::json!(["2026-01-01T00:00:01.000Z"]));
        assert_eq!(
            delivery["attempts"][0],
            serde_json::json!({"number": 1, "at": "2026-01-01T00:00:02.000Z",
            "outcome": "retry", "duration_ms": 12, "detail": "the endpoint answered 500"})
        );
    }

    #[tokio::test]
    async fn a_paused_sink_is_named_where_it_is_to_get_the_event_still() {
        let (world, tenant) = (world().await, build::tenant_id("acme"));
        let sink = |id: &str| format!(r#"{{"id":"{id}","kind":"forward","types":["*"],"queue":"out","paused":true}}"#);
        let sinks = ["crm", "late", "other"].map(sink).join(",");
        world.tenants.put(&tenant, format!(r#"{{"tenant":"acme","name":"Acme","sinks":[{sinks}]}}"#));
        let explanation = run(&world, &tenant, &build::event_id("1")).await.unwrap();
        assert_eq!(
            serde_json::to_value(&explanation.paused).unwrap(),
            serde_json::json!([{"sink": "late", "delayed": 0}])
        );
        let unknown = run(&world, &tenant, &build::event_id("2")).await.unwrap_err();
        let OperationError::NothingRecorded { paused, .. } = unknown else { panic!("{unknown:?}") };
        assert_eq!(paused.len(), 3, "any of them may hold it");
    }
}
