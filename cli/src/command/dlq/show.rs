//! `acequia dlq show`: an event's dead letters whole, with what the ledger and the journal of redriving know of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use acequia_core::delivery::{Attribute, AttributeValue};
use acequia_core::id::{EventId, TenantId};
use acequia_core::ledger::{Record, Status};
use acequia_core::outcome::Reason;
use acequia_core::port::Ledger as _;
use acequia_core::redrive::{Filter, Letter, Received, RedriveJournal as _, Standing, walk};
use serde::Serialize;

use super::progress::Progress;
use super::{Place, places};
use crate::args::ShowArgs;
use crate::command::explain::Attempt;
use crate::context::{Context, time};
use crate::exit::Failure;
use crate::output::{Report, clean, or_dash};

#[derive(Serialize)]
struct Shown<'a> {
    tenant: &'a TenantId,
    event: String,
    letters: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    queue: String,
    message_id: String,
    sink: Option<String>,
    r#type: Option<String>,
    reason: String,
    detail: String,
    advice: Option<&'static str>,
    attempts: Option<u32>,
    quarantined_at: Option<String>,
    sent_at: String,
    receives: u32,
    redriven_from: Option<String>,
    redrive: Option<&'static str>,
    attributes: BTreeMap<String, Shape>,
    status: Option<Status>,
    history: Vec<Attempt>,
    body_bytes: usize,
    body: Option<String>,
}

#[derive(Serialize)]
struct Shape {
    r#type: String,
    /// Text; of a binary one its size alone.
    value: String,
}

pub(super) async fn run(context: &Context, arguments: &ShowArgs) -> Result<Report, Failure> {
    let ShowArgs { tenant, event, place, body } = arguments;
    let filter = Filter { event: Some(event.clone()), sink: place.sink.clone(), ..Filter::default() };
    let mut found = Vec::new();
    let places = places(context, tenant, place).await?;
    let (operator, watch) = (context.operator(), Progress::new(places.iter().map(Place::total).sum()));
    // Those that look empty too: SQS estimates depths.
    for place in &places {
        let take = |one: Received, letter: Letter| {
            found.push((place, one, letter));
            true
        };
        walk(&operator, &place.queue, place.total(), &filter, &watch, take).await?;
    }
    watch.finish();
    if found.is_empty() {
        return Err(Failure::NotFound(format!(
            "no dead letter of event {event} can be seen; acequia explain {tenant} '{event}' says what became of it"
        )));
    }
    let (records, journal) = (context.ledger().explain(tenant, event).await?, context.journal());
    let mut letters = Vec::with_capacity(found.len());
    for (place, one, letter) in found {
        let standing = journal.look(tenant, &place.queue, &one.message.message_id).await?;
        letters.push(row(place, one, letter, standing, &records, *body));
    }
    Ok(report(tenant, event, letters))
}

fn row(
    place: &Place,
    one: Received,
    letter: Letter,
    standing: Option<Standing>,
    records: &[Record],
    body: bool,
) -> Row {
    let message = one.message;
    let record = records.iter().find_map(|record| match record {
        Record::Delivery(record) if Some(&record.sink) == letter.sink.as_ref() => Some(record),
        _ => None,
    });
    Row {
        queue: place.name.role.to_string(),
        message_id: message.message_id,
        sink: letter.sink.map(|sink| sink.to_string()),
        r#type: letter.kind,
        advice: serde_json::from_value::<Reason>(letter.reason.clone().into()).ok().map(Reason::advice),
        reason: letter.reason,
        detail: letter.detail,
        attempts: letter.attempts,
        quarantined_at: letter.quarantined_at.map(time),
        sent_at: time(message.sent_at),
        receives: message.receives,
        redriven_from: letter.redriven_from,
        redrive: standing.map(|standing| match standing {
            Standing::Sent => "sent",
            Standing::Mine | Standing::Begun(_) => "unsure",
        }),
        attributes: message.attributes.into_iter().map(|(name, attribute)| (name, shape(attribute))).collect(),
        status: record.map(|record| record.status),
        history: record.into_iter().flat_map(|record| record.attempts.clone()).map(Attempt::from).collect(),
        body_bytes: message.body.len(),
        body: body.then_some(message.body),
    }
}

fn shape(attribute: Attribute) -> Shape {
    let value = match attribute.value {
        AttributeValue::Text(text) => text,
        AttributeValue::Binary(bytes) => format!("{} bytes", bytes.len()),
    };
    Shape { r#type: attribute.data_type, value }
}

/// The same in words. Writing to a String cannot fail, so its results are dropped.
fn report(tenant: &TenantId, event: &EventId, letters: Vec<Row>) -> Report {
    let shown = Shown { tenant, event: event.to_string(), letters };
    let mut text = String::new();
    for row in &shown.letters {
        let _ = writeln!(text, "{} in the dead-letter queue of {}", clean(&shown.event), row.queue);
        let _ = writeln!(text, "  message    {}, received {} times", row.message_id, row.receives);
        let _ = writeln!(text, "  type       {}", clean(&or_dash(row.r#type.as_deref())));
        let _ = writeln!(text, "  sink       {}", or_dash(row.sink.as_deref()));
        let _ = writeln!(text, "  reason     {}: {}", clean(&row.reason), clean(&row.detail));
        let _ = writeln!(
            text,
            "  what to do {}",
            row.advice.unwrap_or("find the crash in the function's log, then redrive")
        );
        let at = row.quarantined_at.as_deref().unwrap_or("(moved by SQS)");
        let _ = writeln!(text, "  sent {}, quarantined {at}", row.sent_at);
        match row.redrive {
            Some("sent") => text.push_str("  a redrive has sent it; the next one deletes it here\n"),
            Some(_) => text.push_str("  a redrive was stopped while it sent this one: it may have arrived\n"),
            None => {}
        }
        for (name, Shape { r#type, value }) in &row.attributes {
            let _ = writeln!(text, "  attribute  {} ({}) = {}", clean(name), clean(r#type), clean(value));
        }
        for attempt in &row.history {
            let _ = writeln!(text, "  attempt    {}", attempt.line());
        }
        match &row.body {
            Some(body) => _ = writeln!(text, "\n{}", clean_lines(body)),
            None => _ = writeln!(text, "  body       {} bytes (--body shows them)", row.body_bytes),
        }
        text.push('\n');
    }
    Report::new(&shown, text)
}

/// A body's own line ends stay; other control characters do not reach the terminal.
fn clean_lines(body: &str) -> String {
    body.lines().map(clean).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use acequia_aws::operator::Depth;
    use acequia_core::config::SinkKind;
    use acequia_core::delivery::{Incoming, quarantined};
    use acequia_core::ledger::AttemptNote;
    use acequia_core::queue::{QueueName, QueueRole};
    use acequia_testkit::build;

    use super::*;

    fn shown(body: bool) -> Report {
        let role = QueueRole::Sink(SinkKind::Webhook);
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), role).dead_letter();
        let queue = build::named_queue(&name);
        let envelope = build::envelope("acme", "1", "t", r#"{"secret":"x"}"#);
        let before = build::incoming_delivery(&queue, "m-1", "crm", &envelope);
        let dead = quarantined(&before, Reason::HttpStatus, "the endpoint answered 400", 1, build::at(9)).unwrap();
        let one = Received { message: Incoming { attributes: dead.attributes, ..before }, group: None };
        let mut record = build::record("1", "crm", Status::Quarantined);
        let detail = "the endpoint answered 400".to_owned();
        let outcome = "quarantined".to_owned();
        record.note(AttemptNote { number: 1, at: build::at(8), outcome, duration_ms: 12, detail });
        let place = Place { name, queue, depth: Depth::default() };
        let letter = Letter::read(&one.message);
        let records = [Record::Delivery(Box::new(record))];
        let row = row(&place, one, letter, Some(Standing::Begun(build::at(20))), &records, body);
        report(&build::tenant_id("acme"), &build::event_id("1"), vec![row])
    }

    #[test]
    fn a_dead_letter_is_shown_whole_as_it_was_agreed() {
        let golden = include_str!("../../../tests/golden/dlq-show.json");
        assert_eq!(shown(false).json(), golden.trim_end());
        let text = shown(false).text().to_owned();
        for part in
            ["http-status", "what to do find out from the receiver", "1. 2026-01-01T00:00:08.000Z", "may have arrived"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn the_body_is_shown_only_when_it_is_asked_for() {
        let with = |body| {
            let report = shown(body);
            (report.json().contains("secret"), report.text().contains("secret"))
        };
        assert_eq!((with(false), with(true)), ((false, false), (true, true)));
    }
}
