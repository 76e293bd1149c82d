//! `acequia explain`: what became of one event, from every row that the ledger has of it.

mod unknown;

use std::fmt::Write as _;

use acequia_core::delivery::ledger::Status;
use acequia_core::id::{EventId, SinkId, TenantId};
use acequia_core::outcome::Reason;
use acequia_core::port::Clock as _;
use acequia_operations::explain::{self, Delivery, Explanation, Route};
use acequia_operations::paused::Paused;
use acequia_operations::{OperationError, time};
use jiff::Timestamp;

use self::unknown::unknown;
use super::story::story;
use crate::args::ExplainArgs;
use crate::context::{Context, SystemClock};
use crate::failure::Failure;
use crate::output::{Report, clean, count};

pub(super) async fn run(context: &Context, arguments: &ExplainArgs) -> Result<Report, Failure> {
    let event = event_of(arguments)?;
    match explain::run(context, &arguments.tenant, &event).await {
        Ok(explanation) => Ok(report(&explanation, SystemClock.now())),
        Err(OperationError::NothingRecorded { tenant, event, paused }) => {
            Err(unknown(&tenant, &event, &context.stage, &paused))
        }
        Err(error) => Err(error.into()),
    }
}

fn event_of(arguments: &ExplainArgs) -> Result<EventId, Failure> {
    match (&arguments.event, &arguments.source, &arguments.id) {
        (Some(event), ..) => Ok(event.clone()),
        (None, Some(source), Some(id)) => EventId::new(source, id).map_err(|error| Failure::Usage(error.to_string())),
        _ => Err(Failure::Usage("name the event: SOURCE|ID, or --source and --id".to_owned())),
    }
}

fn report(explanation: &Explanation, now: Timestamp) -> Report {
    Report::new(explanation, narrate(explanation, now))
}

/// A paused sink in one sentence, with what ends that.
fn told(paused: &Paused, tenant: &TenantId) -> String {
    let Paused { sink, delayed } = paused;
    let delayed = delayed.map(|delayed| format!(", {} so far", count(delayed, "delayed message", "delayed messages")));
    format!(
        "{sink} is paused, and its deliveries wait{}: acequia tenant resume {tenant} {sink} ends that",
        delayed.unwrap_or_default()
    )
}

/// The same in words. Writing to a String cannot fail, so its results are dropped.
fn narrate(explained: &Explanation, now: Timestamp) -> String {
    let mut text = format!("Event {} of {}\n", clean(explained.event.as_str()), explained.tenant);
    if let Some(trace) = &explained.trace_id {
        let _ = writeln!(text, "  Trace {}", clean(trace));
    }
    match &explained.route {
        None => text.push_str("  Where it was routed is not recorded.\n"),
        Some(route) => {
            let Route { config_version, accepted_at, routed_at, via, .. } = route;
            let via = via.as_deref().map(came).unwrap_or_default();
            let _ = writeln!(
                text,
                "  {} accepted {}{via}, routed {} with version {config_version}",
                clean(&route.r#type),
                time::text(*accepted_at),
                time::text(*routed_at)
            );
            match (route.reason, route.unmatched) {
                (Some(reason), _) => {
                    let _ = writeln!(text, "  quarantined: {reason}; {}", reason.advice());
                    let _ = writeln!(
                        text,
                        "  acequia dlq show {} '{}' shows it",
                        explained.tenant,
                        clean(explained.event.as_str())
                    );
                }
                (None, true) => text.push_str("  unmatched: no sink takes this event\n"),
                (None, false) => _ = writeln!(text, "  goes to {}", names(&route.taken)),
            }
            if !route.filtered.is_empty() {
                let _ = writeln!(text, "  not wanted by {}", unwanted(route));
            }
        }
    }
    for delivery in &explained.deliveries {
        let replay = delivery.replay.as_ref().map(|replay| format!(", replay {replay}")).unwrap_or_default();
        let _ = writeln!(text, "\n{} ({}{replay}) {}", delivery.sink, delivery.kind, standing(delivery, now));
        let _ = writeln!(text, "  delivery {}, version {}", delivery.delivery_id, delivery.config_version);
        let due_at = delivery.due_at.filter(|_| delivery.status == Status::Retry);
        for line in story(&delivery.attempts, &delivery.redriven_at, due_at) {
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
        let _ = writeln!(text, "\n{}", told(paused, &explained.tenant));
    }
    text
}

fn standing(delivery: &Delivery, now: Timestamp) -> String {
    let at = time::text(delivery.updated_at);
    match delivery.status {
        Status::Delivered => {
            let receipt = delivery.receipt.as_ref();
            let status = receipt.and_then(|receipt| receipt.status).map(|status| format!(" with {status}"));
            let id = receipt.and_then(|receipt| receipt.id.as_ref()).map(|id| format!(", receipt {}", clean(id)));
            format!("was delivered {at}{}{}", status.unwrap_or_default(), id.unwrap_or_default())
        }
        Status::Claimed => {
            let until = delivery.lease_until.map_or_else(|| "?".to_owned(), time::text);
            let over = delivery.lease_until.is_some_and(|until| until < now);
            let hint = if over { "; the lease is over, so an invocation died on the way" } else { "" };
            format!("is being delivered, with a lease until {until}{hint}")
        }
        Status::Retry => {
            let due = delivery.due_at.map_or_else(|| "soon".to_owned(), time::text);
            format!("will be tried again {due}")
        }
        Status::Expired => format!("expired {at} and was not sent"),
        Status::Shadowed => format!("was made {at} and not sent: the sink is in shadow mode"),
        Status::Quarantined => {
            let reason = delivery.reason.map_or("for a reason that is not recorded", Reason::as_str);
            format!("is in the dead-letter queue: {reason}")
        }
    }
}

/// How an event came in, and by whom.
fn came(via: &str) -> String {
    match via.split_once(' ') {
        Some((way, who)) => format!(" over {} ({})", clean(way), clean(who)),
        None => format!(" over {}", clean(via)),
    }
}

/// The sinks that do not take an event, each with the clause of its rules that the event does not meet.
fn unwanted(route: &Route) -> String {
    let told = |sink: &SinkId| match route.clauses.get(sink) {
        Some(clause) => format!("{sink} ({})", clean(clause)),
        None => sink.to_string(),
    };
    route.filtered.iter().map(told).collect::<Vec<_>>().join(", ")
}

fn names(sinks: &[SinkId]) -> String {
    sinks.iter().map(SinkId::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::ledger::Receipt;
    use acequia_core::id::DeliveryId;
    use acequia_core::kind::SinkKind;
    use acequia_operations::explain::Attempt;
    use acequia_testkit::build;

    use super::*;

    fn explained() -> Report {
        explained_with(Vec::new())
    }

    fn delivery(sink: &str, status: Status) -> Delivery {
        Delivery {
            sink: build::sink_id(sink),
            replay: None,
            kind: SinkKind::Email,
            delivery_id: DeliveryId::derive(&build::tenant_id("acme"), &build::sink_id(sink), &build::event_id("1")),
            status,
            attempts_used: 0,
            attempts_used_before: 0,
            attempts: Vec::new(),
            redriven_at: Vec::new(),
            receipt: None,
            due_at: None,
            lease_until: None,
            reason: None,
            advice: None,
            config_version: 1,
            accepted_at: build::start(),
            updated_at: build::start(),
        }
    }

    fn explained_with(paused: Vec<Paused>) -> Report {
        let route = Route {
            r#type: "action.signed".to_owned(),
            taken: ["crm", "late", "mail"].map(build::sink_id).into(),
            filtered: vec![build::sink_id("analytics")],
            clauses: [(build::sink_id("analytics"), "pattern.data.country".to_owned())].into(),
            via: Some("sqs AROA:shop".to_owned()),
            unmatched: false,
            reason: None,
            advice: None,
            config_version: 3,
            accepted_at: build::start(),
            routed_at: build::at(1),
        };
        let attempt = Attempt {
            number: 1,
            at: build::at(2),
            outcome: "retry".to_owned(),
            duration_ms: 12,
            detail: "the endpoint answered 500".to_owned(),
            content: None,
            stages: None,
            fault: None,
        };
        let crm = Delivery {
            reason: Some(Reason::AttemptsExhausted),
            attempts: vec![attempt],
            redriven_at: vec![build::at(1)],
            ..delivery("crm", Status::Quarantined)
        };
        let receipt = Some(Receipt { id: Some("0100-ses".to_owned()), status: None });
        let mail = Delivery { receipt, ..delivery("mail", Status::Delivered) };
        let explanation = Explanation {
            tenant: build::tenant_id("acme"),
            event: build::event_id("1"),
            route: Some(route),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
            deliveries: vec![crm, mail],
            paused,
        };
        report(&explanation, build::at(100))
    }

    #[test]
    fn an_event_is_told_in_words_with_attempts_reason_and_advice() {
        assert_eq!(
            explained().text(),
            "Event /tests|1 of acme
  Trace 4bf92f3577b34da6a3ce929d0e0e4736
  action.signed accepted 2026-01-01T00:00:00.000Z over sqs (AROA:shop), routed 2026-01-01T00:00:01.000Z with version 3
  goes to crm, late, mail
  not wanted by analytics (pattern.data.country)

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
    fn a_pause_is_told_with_what_waits_and_what_ends_it() {
        let told = |delayed| told(&Paused { sink: build::sink_id("crm"), delayed }, &build::tenant_id("acme"));
        let end = ": acequia tenant resume acme crm ends that";
        assert_eq!(told(None), format!("crm is paused, and its deliveries wait{end}"));
        assert_eq!(told(Some(1)), format!("crm is paused, and its deliveries wait, 1 delayed message so far{end}"));
    }
}
