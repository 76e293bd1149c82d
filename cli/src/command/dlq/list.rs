//! `acequia dlq list`: what is there and why. Messages are received and shown again at once; nothing is deleted.

use acequia_core::delivery::redrive::{Letter, Received};
use acequia_core::id::TenantId;
use acequia_core::port::Clock as _;
use acequia_core::queue::QueueName;
use jiff::Timestamp;
use serde::Serialize;

use super::progress::Progress;
use super::{Place, look, nothing, places};
use crate::args::DlqFilter;
use crate::context::{Context, SystemClock, time};
use crate::exit::Failure;
use crate::output::{Report, count, or_dash, table};

#[derive(Serialize)]
struct Listed {
    messages: Vec<Row>,
    count: usize,
}

#[derive(Serialize)]
struct Row {
    queue: String,
    message_id: String,
    event: Option<String>,
    r#type: Option<String>,
    sink: Option<String>,
    reason: String,
    detail: String,
    attempts: Option<u32>,
    quarantined_at: Option<String>,
    age_s: u64,
}

pub(super) async fn run(
    context: &Context,
    tenant: &TenantId,
    filter: &DlqFilter,
    limit: usize,
) -> Result<Report, Failure> {
    let conditions = filter.conditions()?;
    let places = places(context, tenant, &filter.place).await?;
    let watch = Progress::new(places.iter().map(Place::total).sum());
    let now = SystemClock.now();
    let keep = |place: &Place, one: Received, letter: Letter| describe(&place.name, &one, &letter, now);
    let found = look(&context.operator(), &places, &conditions, limit, &watch, keep).await?;
    let messages: Vec<Row> = found.into_iter().flat_map(|found| found.letters).take(limit).collect();
    let empty = nothing(tenant, &conditions, &places);
    let report = report(tenant, &Listed { count: messages.len(), messages }, &empty);
    let Some(exit) = watch.stopped() else { return Ok(report) };
    watch.say(&format!("stopped after {}; none was changed", count(watch.so_far(), "message", "messages")));
    Ok(report.ending(exit))
}

fn describe(queue: &QueueName, one: &Received, letter: &Letter, now: Timestamp) -> Row {
    let age = now.as_second() - letter.at.as_second();
    Row {
        queue: queue.role.to_string(),
        message_id: one.message.message_id.clone(),
        event: letter.event.as_ref().map(ToString::to_string),
        r#type: letter.event_type.clone(),
        sink: letter.sink.as_ref().map(ToString::to_string),
        reason: letter.reason.clone(),
        detail: letter.detail.clone(),
        attempts: letter.attempts,
        quarantined_at: letter.quarantined_at.map(time),
        age_s: u64::try_from(age).unwrap_or_default(),
    }
}

fn report(tenant: &TenantId, listed: &Listed, empty: &str) -> Report {
    if listed.messages.is_empty() {
        return Report::new(&listed, empty);
    }
    let row = |message: &Row| {
        [
            message.queue.clone(),
            message.message_id.clone(),
            or_dash(message.event.as_deref()),
            or_dash(message.sink.as_deref()),
            message.reason.clone(),
            or_dash(message.attempts),
            age(message.age_s),
            message.detail.clone(),
        ]
    };
    let header = ["QUEUE", "MESSAGE", "EVENT", "SINK", "REASON", "ATTEMPTS", "AGE", "DETAIL"];
    let mut text = format!(
        "{}\n\n{}. Looking hid them for a moment; none was deleted.",
        table(header, listed.messages.iter().map(row)),
        count(listed.count, "message", "messages")
    );
    if listed.messages.iter().any(|message| message.event.is_none()) {
        text = format!(
            "{text} `acequia dlq show {tenant} --message MESSAGE --body` shows one of which no event can be read."
        );
    }
    Report::new(listed, text)
}

/// A time in its two largest units, such as `3d 4h`.
fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::message::Incoming;
    use acequia_core::outcome::Reason;
    use acequia_core::queue::QueueRole;
    use acequia_core::wire::quarantined;
    use acequia_testkit::build;

    use super::*;

    fn message(body: &str) -> Incoming {
        build::incoming(&build::dead_letter_queue("acme", QueueRole::Intake), "m-1", body)
    }

    fn listed(message: &Incoming) -> serde_json::Value {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake).dead_letter();
        let one = Received { message: message.clone(), group: None };
        let described = describe(&name, &one, &Letter::read(message), build::at(100));
        let report = report(&build::tenant_id("acme"), &Listed { messages: vec![described], count: 1 }, "");
        assert!(
            report.text().contains("  m-1  ") && report.text().contains("\n1 message. Looking"),
            "{}",
            report.text()
        );
        let is_event = report.text().contains("/tests|1");
        assert_ne!(is_event, report.text().contains("acequia dlq show acme --message"), "{}", report.text());
        serde_json::from_str(report.json()).unwrap()
    }

    #[test]
    fn an_age_shows_its_two_largest_units() {
        assert_eq!([59, 61, 3_660, 90_000].map(age), ["59s", "1m 1s", "1h 1m", "1d 1h"]);
    }

    #[test]
    fn a_quarantined_message_shows_its_event_and_reason() {
        let plain = message(&build::body("1", "t", "{}"));
        let dead = quarantined(&plain, Reason::UnknownTenant, "no configuration", 2, build::at(40)).unwrap();
        let json = listed(&Incoming { attributes: dead.attributes, ..plain });
        assert_eq!(
            json,
            serde_json::json!({"messages": [{"queue": "intake", "message_id": "m-1", "event": "/tests|1", "type": "t",
            "sink": null, "reason": "unknown-tenant", "detail": "no configuration", "attempts": 2,
            "quarantined_at": "2026-01-01T00:00:40.000Z", "age_s": 60}], "count": 1})
        );
    }

    #[test]
    fn a_message_that_sqs_moved_says_so_and_one_that_is_no_event_has_none() {
        let json = listed(&message("not json"));
        let shown = &json["messages"][0];
        assert_eq!((&shown["event"], &shown["reason"]), (&serde_json::Value::Null, &"received-too-often".into()));
        assert_eq!(shown["age_s"], 100);
    }
}
