//! `acequia explain`: what became of one event, from every row that the ledger has of it.

use std::fmt::Write as _;

use acequia_core::config::SinkKind;
use acequia_core::id::{DeliveryId, EventId, SinkId, Stage, TenantId};
use acequia_core::ledger::{AttemptNote, DeliveryRecord, Receipt, Record, RouteRecord, Status};
use acequia_core::outcome::Reason;
use acequia_core::port::{Clock as _, Ledger as _};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::ExplainArgs;
use crate::context::{Context, SystemClock, time};
use crate::exit::Failure;
use crate::output::{Report, clean};

#[derive(Serialize)]
struct Explained<'a> {
    tenant: &'a TenantId,
    event: String,
    route: Option<Route>,
    deliveries: Vec<DeliveryRow>,
}

#[derive(Serialize)]
struct Route {
    r#type: String,
    taken: Vec<SinkId>,
    filtered: Vec<SinkId>,
    unmatched: bool,
    reason: Option<Reason>,
    advice: Option<&'static str>,
    config_version: u64,
    accepted_at: String,
    routed_at: String,
}

#[derive(Serialize)]
struct DeliveryRow {
    sink: SinkId,
    kind: SinkKind,
    delivery_id: DeliveryId,
    status: Status,
    spent: u32,
    attempts: Vec<Attempt>,
    receipt: Option<Receipt>,
    due_at: Option<String>,
    lease_until: Option<String>,
    reason: Option<Reason>,
    advice: Option<&'static str>,
    config_version: u64,
    accepted_at: String,
    updated_at: String,
}

/// One attempt, as scripts read it.
#[derive(Serialize)]
pub(super) struct Attempt {
    number: u32,
    at: String,
    outcome: String,
    duration_ms: u64,
    detail: String,
}

impl From<AttemptNote> for Attempt {
    fn from(note: AttemptNote) -> Self {
        let AttemptNote { number, at, outcome, duration_ms, detail } = note;
        Self { number, at: time(at), outcome, duration_ms, detail }
    }
}

impl Attempt {
    /// In one line.
    pub(super) fn line(&self) -> String {
        let Self { number, at, outcome, duration_ms, detail } = self;
        let detail = if detail.is_empty() { String::new() } else { format!(": {}", clean(detail)) };
        format!("{number}. {at} {outcome} in {duration_ms} ms{detail}")
    }
}

pub(super) async fn run(context: &Context, arguments: &ExplainArgs) -> Result<Report, Failure> {
    let tenant = &arguments.tenant;
    let event = event_of(arguments)?;
    let rows = context.ledger().explain(tenant, &event).await?;
    if rows.is_empty() {
        return Err(unknown(tenant, &event, &context.stage));
    }
    Ok(report(tenant, &event, rows, SystemClock.now()))
}

/// What may have become of an event of which nothing is recorded.
fn unknown(tenant: &TenantId, event: &EventId, stage: &Stage) -> Failure {
    Failure::NotFound(format!(
        "the ledger has nothing of event {event} of tenant {tenant} in stage {stage}. It may not have been routed yet \
         (acequia status {tenant}), be quarantined before it could be read (acequia dlq list {tenant} --queue intake), or be \
         older than 30 days. Where the tenant has trace = \"failures\", it may also have gone well, or merely wait: its sink is \
         paused or has a rate (acequia tenant show {tenant}), or the circuit of its endpoint is open (acequia status {tenant} shows \
         the circuits, and how much waits in the queues and parked)"
    ))
}

fn event_of(arguments: &ExplainArgs) -> Result<EventId, Failure> {
    match (&arguments.event, &arguments.source, &arguments.id) {
        (Some(event), ..) => Ok(event.clone()),
        (None, Some(source), Some(id)) => EventId::new(source, id).map_err(|error| Failure::Usage(error.to_string())),
        _ => Err(Failure::Usage("name the event: SOURCE|ID, or --source and --id".to_owned())),
    }
}

fn report(tenant: &TenantId, event: &EventId, rows: Vec<Record>, now: Timestamp) -> Report {
    let mut explained = Explained { tenant, event: event.to_string(), route: None, deliveries: Vec::new() };
    for row in rows {
        match row {
            Record::Route(row) => explained.route = Some(route(row)),
            Record::Delivery(row) => explained.deliveries.push(delivery(tenant, *row)),
        }
    }
    let text = narrate(&explained, now);
    Report::new(&explained, text)
}

fn route(row: RouteRecord) -> Route {
    Route {
        r#type: row.event_type,
        taken: row.taken,
        filtered: row.filtered,
        unmatched: row.unmatched,
        reason: row.reason,
        advice: row.reason.map(Reason::advice),
        config_version: row.config_version,
        accepted_at: time(row.accepted_at),
        routed_at: time(row.updated_at),
    }
}

fn delivery(tenant: &TenantId, row: DeliveryRecord) -> DeliveryRow {
    DeliveryRow {
        delivery_id: DeliveryId::derive(tenant, &row.sink, &row.event),
        sink: row.sink,
        kind: row.kind,
        status: row.status,
        spent: row.spent,
        attempts: row.attempts.into_iter().map(Attempt::from).collect(),
        receipt: row.receipt,
        due_at: row.due_at.map(time),
        lease_until: row.lease_until.map(time),
        reason: row.reason,
        advice: row.reason.map(Reason::advice),
        config_version: row.config_version,
        accepted_at: time(row.accepted_at),
        updated_at: time(row.updated_at),
    }
}

/// The same in words. Writing to a String cannot fail, so its results are dropped.
fn narrate(explained: &Explained<'_>, now: Timestamp) -> String {
    let mut text = format!("Event {} of {}\n", clean(&explained.event), explained.tenant);
    match &explained.route {
        None => text.push_str("  Where it was routed is not recorded (the tenant has trace = \"failures\").\n"),
        Some(route) => {
            let Route { config_version, accepted_at, routed_at, .. } = route;
            let _ = writeln!(
                text,
                "  {} accepted {accepted_at}, routed {routed_at} with version {config_version}",
                clean(&route.r#type)
            );
            match (route.reason, route.unmatched) {
                (Some(reason), _) => _ = writeln!(text, "  quarantined: {reason}; {}", reason.advice()),
                (None, true) => text.push_str("  unmatched: no sink takes this event\n"),
                (None, false) => _ = writeln!(text, "  goes to {}", names(&route.taken)),
            }
            if !route.filtered.is_empty() {
                let _ = writeln!(text, "  not wanted by {}", names(&route.filtered));
            }
        }
    }
    for delivery in &explained.deliveries {
        let _ = writeln!(text, "\n{} ({}) {}", delivery.sink, delivery.kind, standing(delivery, now));
        let _ = writeln!(text, "  delivery {}, version {}", delivery.delivery_id, delivery.config_version);
        for attempt in &delivery.attempts {
            let Attempt { number, at, outcome, duration_ms, detail } = attempt;
            let detail = if detail.is_empty() { String::new() } else { format!(": {}", clean(detail)) };
            let _ = writeln!(text, "  attempt {number}  {at}  {outcome} in {duration_ms} ms{detail}");
        }
        if let Some(reason) = delivery.reason {
            let _ = writeln!(text, "  {}", reason.advice());
        }
    }
    let undone = |sink: &&SinkId| !explained.deliveries.iter().any(|delivery| delivery.sink == **sink);
    let waiting: Vec<SinkId> = explained.route.iter().flat_map(|route| &route.taken).filter(undone).cloned().collect();
    if !waiting.is_empty() {
        let _ =
            writeln!(text, "\nNothing is recorded of {} yet: see acequia status {}", names(&waiting), explained.tenant);
    }
    text
}

fn standing(delivery: &DeliveryRow, now: Timestamp) -> String {
    match delivery.status {
        Status::Delivered => {
            let receipt = delivery.receipt.as_ref();
            let status = receipt.and_then(|receipt| receipt.status).map(|status| format!(" with {status}"));
            let id = receipt.and_then(|receipt| receipt.id.as_ref()).map(|id| format!(", receipt {}", clean(id)));
            format!("was delivered {}{}{}", delivery.updated_at, status.unwrap_or_default(), id.unwrap_or_default())
        }
        Status::Claimed => {
            let until = delivery.lease_until.as_deref().unwrap_or("?");
            let over = delivery.lease_until.as_deref().is_some_and(|until| until < time(now).as_str());
            let hint = if over { "; the lease is over, so an invocation died on the way" } else { "" };
            format!("is being delivered, with a lease until {until}{hint}")
        }
        Status::Retry => format!("will be tried again {}", delivery.due_at.as_deref().unwrap_or("soon")),
        Status::Expired => format!("expired {} and was not sent", delivery.updated_at),
        Status::Quarantined => {
            let reason = delivery.reason.map_or("for a reason that is not recorded", Reason::as_str);
            format!("is in the dead-letter queue: {reason}")
        }
    }
}

fn names(sinks: &[SinkId]) -> String {
    sinks.iter().map(SinkId::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    fn explained() -> Report {
        let route = RouteRecord {
            event: build::event_id("1"),
            event_type: "action.signed".to_owned(),
            taken: vec![build::sink_id("crm"), build::sink_id("late"), build::sink_id("mail")],
            filtered: vec![build::sink_id("analytics")],
            unmatched: false,
            reason: None,
            config_version: 3,
            accepted_at: build::start(),
            updated_at: build::at(1),
            expires_at: build::at(9),
        };
        let mut crm = build::record("1", "crm", Status::Quarantined);
        crm.reason = Some(Reason::AttemptsExhausted);
        crm.note(AttemptNote {
            number: 1,
            at: build::at(2),
            outcome: "retry".to_owned(),
            duration_ms: 12,
            detail: "the endpoint answered 500".to_owned(),
        });
        let mut mail = build::record("1", "mail", Status::Delivered);
        mail.receipt = Some(Receipt { id: Some("0100-ses".to_owned()), status: None });
        let rows = vec![Record::Route(route), Record::Delivery(Box::new(crm)), Record::Delivery(Box::new(mail))];
        report(&build::tenant_id("acme"), &build::event_id("1"), rows, build::at(100))
    }

    #[test]
    fn an_event_is_told_in_words_with_attempts_reason_and_advice() {
        assert_eq!(
            explained().text(),
            "Event /tests|1 of acme
  action.signed accepted 2026-01-01T00:00:00.000Z, routed 2026-01-01T00:00:01.000Z with version 3
  goes to crm, late, mail
  not wanted by analytics

crm (email) is in the dead-letter queue: attempts-exhausted
  delivery dlv_a1, version 1
  attempt 1  2026-01-01T00:00:02.000Z  retry in 12 ms: the endpoint answered 500
  mend the endpoint, then redrive

mail (email) was delivered 2026-01-01T00:00:00.000Z, receipt 0100-ses
  delivery dlv_a2, version 1

Nothing is recorded of late yet: see acequia status acme
"
            .replace(
                "dlv_a1",
                DeliveryId::derive(&build::tenant_id("acme"), &build::sink_id("crm"), &build::event_id("1")).as_str()
            )
            .replace(
                "dlv_a2",
                DeliveryId::derive(&build::tenant_id("acme"), &build::sink_id("mail"), &build::event_id("1")).as_str()
            )
        );
    }

    #[test]
    fn of_an_event_that_is_not_recorded_all_that_may_hold_it_is_named_with_the_command_that_shows_it() {
        let failure = unknown(&build::tenant_id("acme"), &build::event_id("1"), &build::stage());
        let Failure::NotFound(text) = failure else { panic!("{failure:?}") };
        for part in ["paused", "a rate", "circuit", "acequia status acme", "acequia tenant show acme", "--queue intake"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn the_json_for_scripts_has_the_route_and_each_delivery() {
        let json: serde_json::Value = serde_json::from_str(explained().json()).unwrap();
        assert_eq!((&json["tenant"], &json["event"]), (&"acme".into(), &"/tests|1".into()));
        assert_eq!(json["route"]["taken"], serde_json::json!(["crm", "late", "mail"]));
        let delivery = &json["deliveries"][0];
        assert_eq!((&delivery["status"], &delivery["reason"]), (&"quarantined".into(), &"attempts-exhausted".into()));
        assert_eq!(
            delivery["attempts"][0],
            serde_json::json!({"number": 1, "at": "2026-01-01T00:00:02.000Z",
            "outcome": "retry", "duration_ms": 12, "detail": "the endpoint answered 500"})
        );
    }
}
