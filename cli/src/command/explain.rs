//! `acequia explain`: what became of one event, from every row that the ledger has of it.

mod unknown;

use std::fmt::Write as _;

use acequia_core::delivery::ledger::{DeliveryRecord, Receipt, Record, RouteRecord, Status};
use acequia_core::id::{DeliveryId, EventId, SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Reason;
use acequia_core::port::{Clock as _, Ledger as _};
use jiff::Timestamp;
use serde::Serialize;

use self::unknown::unknown;
use super::paused::{Paused, paused};
use super::story::{Attempt, story};
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
    /// The paused ones of the sinks that are to get it still.
    paused: Vec<Paused>,
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
    attempts_used: u32,
    attempts_used_before: u32,
    attempts: Vec<Attempt>,
    redriven_at: Vec<String>,
    /// Attempts and redrives in words.
    #[serde(skip)]
    story: Vec<String>,
    receipt: Option<Receipt>,
    due_at: Option<String>,
    lease_until: Option<String>,
    reason: Option<Reason>,
    advice: Option<&'static str>,
    config_version: u64,
    accepted_at: String,
    updated_at: String,
}

pub(super) async fn run(context: &Context, arguments: &ExplainArgs) -> Result<Report, Failure> {
    let tenant = &arguments.tenant;
    let event = event_of(arguments)?;
    let rows = context.ledger().explain(tenant, &event).await?;
    if rows.is_empty() {
        let paused = paused(context, tenant, |_| true).await;
        return Err(unknown(tenant, &event, &context.stage, &paused));
    }
    let mut explained = Explained::of(tenant, &event, rows);
    let open = explained.open();
    if !open.is_empty() {
        explained.paused = paused(context, tenant, |sink| open.contains(sink)).await;
    }
    Ok(report(&explained, SystemClock.now()))
}

fn event_of(arguments: &ExplainArgs) -> Result<EventId, Failure> {
    match (&arguments.event, &arguments.source, &arguments.id) {
        (Some(event), ..) => Ok(event.clone()),
        (None, Some(source), Some(id)) => EventId::new(source, id).map_err(|error| Failure::Usage(error.to_string())),
        _ => Err(Failure::Usage("name the event: SOURCE|ID, or --source and --id".to_owned())),
    }
}

impl<'a> Explained<'a> {
    fn of(tenant: &'a TenantId, event: &EventId, rows: Vec<Record>) -> Self {
        let event = event.to_string();
        let mut explained = Self { tenant, event, route: None, deliveries: Vec::new(), paused: Vec::new() };
        for row in rows {
            match row {
                Record::Route(row) => explained.route = Some(route(row)),
                Record::Delivery(row) => explained.deliveries.push(delivery(tenant, *row)),
            }
        }
        explained
    }

    /// The sinks that take it, and of which nothing is recorded.
    fn unrecorded(&self) -> Vec<SinkId> {
        let taken = self.route.iter().flat_map(|route| &route.taken);
        taken.filter(|sink| !self.deliveries.iter().any(|delivery| delivery.sink == **sink)).cloned().collect()
    }

    /// The sinks that are to get it still.
    fn open(&self) -> Vec<SinkId> {
        let waiting = self.deliveries.iter().filter(|delivery| delivery.status == Status::Retry);
        waiting.map(|delivery| delivery.sink.clone()).chain(self.unrecorded()).collect()
    }
}

fn report(explained: &Explained<'_>, now: Timestamp) -> Report {
    Report::new(explained, narrate(explained, now))
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
    let due_at = row.due_at.filter(|_| row.status == Status::Retry);
    DeliveryRow {
        story: story(&row.attempts, &row.redrives, due_at),
        redriven_at: row.redrives.iter().map(|redrive| time(redrive.at)).collect(),
        attempts_used_before: row.attempts_used_before,
        delivery_id: DeliveryId::derive(tenant, &row.sink, &row.event),
        sink: row.sink,
        kind: row.kind,
        status: row.status,
        attempts_used: row.attempts_used,
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
                (Some(reason), _) => {
                    let _ = writeln!(text, "  quarantined: {reason}; {}", reason.advice());
                    let _ = writeln!(
                        text,
                        "  acequia dlq show {} '{}' shows it",
                        explained.tenant,
                        clean(&explained.event)
                    );
                }
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
        for line in &delivery.story {
            let _ = writeln!(text, "  {line}");
        }
        if let Some(reason) = delivery.reason {
            let _ = writeln!(text, "  {}", reason.advice());
        }
    }
    let mut unrecorded = explained.unrecorded();
    unrecorded.retain(|sink| !explained.paused.iter().any(|paused| paused.sink == *sink));
    if !unrecorded.is_empty() {
        let _ = writeln!(
            text,
            "\nNothing is recorded of {} yet: see acequia status {}",
            names(&unrecorded),
            explained.tenant
        );
    }
    for paused in &explained.paused {
        let _ = writeln!(text, "\n{}", paused.told(explained.tenant));
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
    use acequia_core::delivery::ledger::AttemptNote;
    use acequia_core::wire::Redrive;
    use acequia_testkit::build;

    use super::*;

    fn explained() -> Report {
        explained_with(Vec::new())
    }

    fn explained_with(paused: Vec<Paused>) -> Report {
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
            content: None,
        });
        crm.redrives.push(Redrive { id: "m-1".to_owned(), at: build::at(1) });
        let mut mail = build::record("1", "mail", Status::Delivered);
        mail.receipt = Some(Receipt { id: Some("0100-ses".to_owned()), status: None });
        let rows = vec![Record::Route(route), Record::Delivery(Box::new(crm)), Record::Delivery(Box::new(mail))];
        let tenant = build::tenant_id("acme");
        report(&Explained { paused, ..Explained::of(&tenant, &build::event_id("1"), rows) }, build::at(100))
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
  redriven   2026-01-01T00:00:01.000Z  its attempts are counted from 1 again
  attempt 1  2026-01-01T00:00:02.000Z  failed after 12 ms: the endpoint answered 500
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
    fn a_paused_sink_that_is_to_get_it_is_named_with_what_waits_and_what_ends_that() {
        let paused = vec![Paused { sink: build::sink_id("late"), delayed: Some(1) }];
        let report = explained_with(paused);
        let wanted = "\nlate is paused, and its deliveries wait, 1 delayed message so far: acequia tenant resume acme late ends that\n";
        assert!(report.text().ends_with(wanted) && !report.text().contains("Nothing is recorded"), "{}", report.text());
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(json["paused"], serde_json::json!([{"sink": "late", "delayed": 1}]));
    }

    #[test]
    fn the_json_for_scripts_has_the_route_and_each_delivery() {
        let json: serde_json::Value = serde_json::from_str(explained().json()).unwrap();
        assert_eq!((&json["tenant"], &json["event"]), (&"acme".into(), &"/tests|1".into()));
        assert_eq!(json["route"]["taken"], serde_json::json!(["crm", "late", "mail"]));
        let delivery = &json["deliveries"][0];
        assert_eq!((&delivery["status"], &delivery["reason"]), (&"quarantined".into(), &"attempts-exhausted".into()));
        assert_eq!(delivery["redriven_at"], serde_json::json!(["2026-01-01T00:00:01.000Z"]));
        assert_eq!(
            delivery["attempts"][0],
            serde_json::json!({"number": 1, "at": "2026-01-01T00:00:02.000Z",
            "outcome": "retry", "duration_ms": 12, "detail": "the endpoint answered 500"})
        );
    }
}
