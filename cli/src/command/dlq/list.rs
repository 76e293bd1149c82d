//! `acequia dlq list`: what is there and why. Messages are received and shown again at once; nothing is deleted.

use std::time::Duration;

use acequia_aws::operator::OperatorQueues;
use acequia_core::delivery::{ATTEMPTS, Incoming, QUARANTINED_AT, SINK};
use acequia_core::envelope::Envelope;
use acequia_core::id::TenantId;
use acequia_core::port::{Clock as _, Queues as _};
use acequia_core::queue::{QueueArn, QueueName};
use jiff::Timestamp;
use serde::Serialize;

use super::{detail, queues, reason, text, wanted};
use crate::args::DlqFilter;
use crate::context::{Context, SystemClock, time};
use crate::exit::Failure;
use crate::output::{Report, note, or_dash, table};

/// How long a message that was looked at stays hidden, if it cannot be shown again at once.
const HIDDEN: Duration = Duration::from_secs(30);

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
    sink: Option<String>,
    reason: String,
    detail: String,
    attempts: Option<u32>,
    quarantined_at: Option<String>,
    age_s: u64,
}

pub(crate) async fn run(
    context: &Context,
    tenant: &TenantId,
    filter: &DlqFilter,
    limit: usize,
) -> Result<Report, Failure> {
    let queues = queues(context, tenant, filter).await?;
    let now = SystemClock.now();
    let mut messages = Vec::new();
    for (name, arn) in &queues {
        let received = look(&context.operator(), arn, filter, limit.saturating_sub(messages.len())).await?;
        let handles: Vec<_> = received.iter().map(|m| (m.receipt_handle.clone(), Duration::ZERO)).collect();
        if context.queues().hide(arn, &handles).await.iter().any(Result::is_err) {
            note(&format!(
                "note: looking hides messages; some of {name} can be received again in {} s",
                HIDDEN.as_secs()
            ));
        }
        messages.extend(received.iter().filter(|m| wanted(m, filter)).map(|m| describe(tenant, name, m, now)));
    }
    messages.truncate(limit);
    Ok(report(&Listed { count: messages.len(), messages }))
}

/// Receives until nothing more comes, or enough has come.
async fn look(
    operator: &OperatorQueues,
    queue: &QueueArn,
    filter: &DlqFilter,
    limit: usize,
) -> Result<Vec<Incoming>, Failure> {
    let mut received: Vec<Incoming> = Vec::new();
    while received.iter().filter(|message| wanted(message, filter)).count() < limit {
        let some = operator.receive(queue, HIDDEN).await?;
        let known = some.iter().any(|message| received.iter().any(|seen| seen.message_id == message.message_id));
        // One that comes a second time was hidden and is visible again: the walk is around.
        if some.is_empty() || known {
            break;
        }
        received.extend(some);
    }
    Ok(received)
}

fn describe(tenant: &TenantId, queue: &QueueName, message: &Incoming, now: Timestamp) -> Row {
    let event = Envelope::parse(tenant, message.sent_at, message.body.as_bytes()).ok();
    let at = text(message, QUARANTINED_AT).and_then(|text| text.parse().ok());
    let at = at.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let age = now.as_second() - at.unwrap_or(message.sent_at).as_second();
    Row {
        queue: queue.role.to_string(),
        message_id: message.message_id.clone(),
        event: event.map(|envelope| envelope.event.to_string()),
        sink: text(message, SINK).map(str::to_owned),
        reason: reason(message).to_owned(),
        detail: detail(message),
        attempts: text(message, ATTEMPTS).and_then(|text| text.parse().ok()),
        quarantined_at: at.map(time),
        age_s: u64::try_from(age).unwrap_or_default(),
    }
}

fn report(listed: &Listed) -> Report {
    if listed.messages.is_empty() {
        return Report::new(
            &listed,
            "No message can be seen. Looking hides messages for up to 30 s: others may be looking.",
        );
    }
    let row = |message: &Row| {
        [
            message.queue.clone(),
            or_dash(message.event.as_deref()),
            or_dash(message.sink.as_deref()),
            message.reason.clone(),
            or_dash(message.attempts),
            age(message.age_s),
            message.detail.clone(),
        ]
    };
    let header = ["QUEUE", "EVENT", "SINK", "REASON", "ATTEMPTS", "AGE", "DETAIL"];
    let text = format!(
        "{}\n\n{} messages. Looking hid them for a moment (at most 30 s); none was deleted.",
        table(header, listed.messages.iter().map(row)),
        listed.count
    );
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
    use acequia_core::delivery::quarantined;
    use acequia_core::outcome::Reason;
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;

    fn message(body: &str) -> Incoming {
        build::incoming(&build::dead_letter_queue("acme", QueueRole::Intake), "m-1", body)
    }

    fn listed(message: &Incoming) -> serde_json::Value {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake).dead_letter();
        let described = describe(&build::tenant_id("acme"), &name, message, build::at(100));
        let report = report(&Listed { messages: vec![described], count: 1 });
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
            serde_json::json!({"messages": [{"queue": "intake", "message_id": "m-1", "event": "/tests|1",
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
