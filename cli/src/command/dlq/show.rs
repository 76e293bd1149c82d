//! `acequia dlq show`: an event's dead letters whole, with what the ledger and the journal of redriving know of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use acequia_core::delivery::ledger::{Record, Status};
use acequia_core::delivery::redrive::{Filter, Letter, Received, Standing};
use acequia_core::id::{EventId, TenantId};
use acequia_core::message::{Attribute, AttributeValue};
use acequia_core::outcome::Reason;
use acequia_core::port::{Ledger as _, RedriveJournal as _};
use serde::Serialize;

use super::progress::Progress;
use super::{Place, look, places};
use crate::args::ShowArgs;
use crate::command::story::{Attempt, story};
use crate::context::{Context, time};
use crate::exit::Failure;
use crate::output::{Report, clean, clean_lines, count, or_dash};

/// The most bytes of a body that a terminal gets.
const SHOWN: usize = 16 * 1024;

#[derive(Serialize)]
struct Shown<'a> {
    tenant: &'a TenantId,
    /// What was asked for; null where a message was.
    event: Option<String>,
    letters: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    queue: String,
    message_id: String,
    /// Null where none can be read.
    event: Option<String>,
    sink: Option<String>,
    r#type: Option<String>,
    reason: String,
    detail: String,
    advice: Option<&'static str>,
    attempts: Option<u32>,
    quarantined_at: Option<String>,
    sent_at: String,
    receive_count: u32,
    redriven_from: Option<String>,
    redrive: Option<&'static str>,
    attributes: BTreeMap<String, Shape>,
    status: Option<Status>,
    history: Vec<Attempt>,
    /// The same in words, with the redrives between them.
    #[serde(skip)]
    story: Vec<String>,
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
    let ShowArgs { tenant, event, message, place, body } = arguments;
    let letters = message.iter().cloned().collect();
    let letters = message.is_some().then_some(letters);
    let filter = Filter { event: event.clone(), sink: place.sink.clone(), letters, ..Filter::default() };
    let places = places(context, tenant, place).await?;
    let watch = Progress::new(places.iter().map(Place::total).sum());
    // Of a message there is one.
    let most = if message.is_some() { 1 } else { usize::MAX };
    let keep = |place, one: Received, letter: Letter| (place, one, letter);
    let found = look(&context.operator(), &places, &filter, most, &watch, keep).await?;
    super::unless_stopped(&watch)?;
    let found: Vec<(&Place, _, _)> = found.into_iter().flat_map(|found| found.letters).collect();
    if found.is_empty() {
        return Err(Failure::NotFound(missing(tenant, event.as_ref(), message.as_deref())));
    }
    let (ledger, journal) = (context.ledger(), context.journal());
    let mut records: BTreeMap<EventId, Vec<Record>> = BTreeMap::new();
    let mut letters = Vec::with_capacity(found.len());
    for (place, one, letter) in found {
        if let Some(event) = &letter.event
            && !records.contains_key(event)
        {
            records.insert(event.clone(), ledger.explain(tenant, event).await?);
        }
        let known = letter.event.as_ref().and_then(|event| records.get(event));
        let standing = journal.look(tenant, &place.queue, &one.message.message_id).await?;
        letters.push(row(place, one, letter, standing, known.map_or(&[], Vec::as_slice), *body));
    }
    Ok(report(tenant, event.as_ref(), letters))
}

fn missing(tenant: &TenantId, event: Option<&EventId>, message: Option<&str>) -> String {
    match (event, message) {
        (Some(event), _) => format!(
            "no dead letter of event {event} can be seen; acequia explain {tenant} '{event}' says what became of it"
        ),
        (None, message) => format!(
            "no dead letter {} can be seen; acequia dlq list {tenant} shows which there are. A message that comes back to a \
             dead-letter queue has another id there",
            message.unwrap_or_default()
        ),
    }
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
        event: letter.event.map(|event| event.to_string()),
        sink: letter.sink.map(|sink| sink.to_string()),
        r#type: letter.event_type,
        advice: serde_json::from_value::<Reason>(letter.reason.clone().into()).ok().map(Reason::advice),
        reason: letter.reason,
        detail: letter.detail,
        attempts: letter.attempts,
        quarantined_at: letter.quarantined_at.map(time),
        sent_at: time(message.sent_at),
        receive_count: message.receive_count,
        redriven_from: letter.redriven_from,
        redrive: standing.map(|standing| match standing {
            Standing::Sent => "sent",
            Standing::Mine | Standing::Begun(_) => "unsure",
        }),
        attributes: message.attributes.into_iter().map(|(name, attribute)| (name, shape(attribute))).collect(),
        status: record.map(|record| record.status),
        story: record.map(|record| story(&record.attempts, &record.redrives, None)).unwrap_or_default(),
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
fn report(tenant: &TenantId, event: Option<&EventId>, letters: Vec<Row>) -> Report {
    let shown = Shown { tenant, event: event.map(ToString::to_string), letters };
    let mut text = String::new();
    for row in &shown.letters {
        let what = row.event.as_deref().map_or_else(|| "What is no readable event,".to_owned(), clean);
        let _ = writeln!(text, "{what} in the dead-letter queue of {}", row.queue);
        let times = count(row.receive_count, "time", "times");
        let _ = writeln!(text, "  message    {}, received {times}", row.message_id);
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
        for line in &row.story {
            let _ = writeln!(text, "  {line}");
        }
        match &row.body {
            Some(body) => _ = writeln!(text, "\n{}", bounded(body)),
            None => _ = writeln!(text, "  body       {} bytes (--body shows them)", row.body_bytes),
        }
        text.push('\n');
    }
    Report::new(&shown, text)
}

/// As much of a body as a terminal is to show. Its own line ends stay, and what else does not show is written out.
fn bounded(body: &str) -> String {
    let end = body.floor_char_boundary(SHOWN);
    let (shown, rest) = body.split_at_checked(end).unwrap_or((body, ""));
    let shown = clean_lines(shown);
    if rest.is_empty() {
        shown
    } else {
        format!("{shown}\n... and {} bytes more: --output json has all of it", rest.len())
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::ledger::AttemptNote;
    use acequia_core::kind::SinkKind;
    use acequia_core::message::Incoming;
    use acequia_core::queue::{Depth, QueueName, QueueRole};
    use acequia_core::wire::quarantined;
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
        record.note(AttemptNote { number: 1, at: build::at(8), outcome, duration_ms: 12, detail, content: None });
        let place = Place { name, queue, depth: Depth::default() };
        let letter = Letter::read(&one.message);
        let records = [Record::Delivery(Box::new(record))];
        let row = row(&place, one, letter, Some(Standing::Begun(build::at(20))), &records, body);
        report(&build::tenant_id("acme"), Some(&build::event_id("1")), vec![row])
    }

    #[test]
    fn a_dead_letter_is_shown_whole_as_it_was_agreed() {
        let golden = include_str!("../../../tests/golden/dlq-show.json");
        assert_eq!(shown(false).json(), golden.trim_end());
        let text = shown(false).text().to_owned();
        for part in [
            "http-status",
            "what to do find out from the receiver",
            "attempt 1  2026-01-01T00:00:08.000Z  failed for good after 12 ms: the endpoint answered 400",
            "may have arrived",
        ] {
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

    #[test]
    fn what_is_no_event_is_shown_by_its_message_with_a_body_that_is_bounded_and_cannot_steer_the_terminal() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake).dead_letter();
        let queue = build::named_queue(&name);
        let body = format!("not\u{1b}[2Jjson\u{202e}\n{}", "\u{e9}".repeat(SHOWN));
        let before = build::incoming(&queue, "m-1", &body);
        let dead = quarantined(&before, Reason::NotJson, "line 1, column 2", 0, build::at(9)).unwrap();
        let one = Received { message: Incoming { attributes: dead.attributes, ..before }, group: None };
        let place = Place { name, queue, depth: Depth::default() };
        let letter = Letter::read(&one.message);
        let report = report(&build::tenant_id("acme"), None, vec![row(&place, one, letter, None, &[], true)]);
        let text = report.text();
        for part in
            ["What is no readable event, in the dead-letter queue of intake", "message    m-1, received 1 time\n"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(text.contains("not\\u{1b}[2Jjson\\u{202e}\n") && text.len() < SHOWN + 2_000, "{} bytes", text.len());
        assert!(text.contains("bytes more: --output json has all of it"));
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!((&json["event"], &json["letters"][0]["body"]), (&serde_json::Value::Null, &body.into()));
        let hint = missing(&build::tenant_id("acme"), None, Some("m-9"));
        assert!(hint.contains("no dead letter m-9") && hint.contains("acequia dlq list acme"), "{hint}");
    }
}
