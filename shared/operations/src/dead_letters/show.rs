//! Dead letters whole, with what the ledger and the journal of redriving know of them.

use std::collections::BTreeMap;

use acequia_core::delivery::ledger::{Record, Status};
use acequia_core::delivery::redrive::{Filter, Letter, Received, Standing};
use acequia_core::flow::redrive::Observer;
use acequia_core::id::{EventId, SinkId, TenantId};
use acequia_core::message::{Attribute, AttributeValue};
use acequia_core::outcome::Reason;
use acequia_core::port::{Ledger as _, RedriveJournal as _};
use acequia_core::queue::{QueueName, QueueRole};
use jiff::Timestamp;
use serde::Serialize;

use super::{Found, Place, look};
use crate::explain::Attempt;
use crate::{OperationError, Ports, time};

/// Which dead letters are asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Those of this event.
    pub event: Option<EventId>,
    /// The one of this `MessageId`.
    pub message: Option<String>,
    /// Only those to this sink.
    pub sink: Option<SinkId>,
    /// Whether their bodies are told too, which may hold personal data.
    pub body: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownDeadLetters {
    /// Whose.
    pub tenant: TenantId,
    /// What was asked for; null where a message was.
    pub event: Option<EventId>,
    /// The letters.
    pub letters: Vec<DeadLetter>,
    /// The queues of which some messages could not be shown again.
    #[serde(skip)]
    pub hidden_in: Vec<QueueName>,
}

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetter {
    /// The queue in front of the dead-letter queue.
    #[serde(serialize_with = "crate::text::shown")]
    pub queue: QueueRole,
    /// SQS's id of it.
    pub message_id: String,
    /// Null where none can be read.
    pub event: Option<EventId>,
    /// Null in an intake's dead-letter queue.
    pub sink: Option<SinkId>,
    /// The event's type; null where none can be read.
    pub r#type: Option<String>,
    /// The code of the reason.
    pub reason: String,
    /// What was wrong, in words.
    pub detail: String,
    /// What to do about it; null for a reason that is not known here.
    pub advice: Option<&'static str>,
    /// How many attempts were made.
    pub attempts: Option<u32>,
    /// When it was quarantined; null where SQS moved it.
    #[serde(serialize_with = "time::maybe")]
    pub quarantined_at: Option<Timestamp>,
    /// When SQS took the message.
    #[serde(serialize_with = "time::one")]
    pub sent_at: Timestamp,
    /// How often it was received.
    pub receive_count: u32,
    /// The id that it had in the dead-letter queue before this time.
    pub redriven_from: Option<String>,
    /// How far a redrive came with it.
    pub redrive: Option<RedriveStanding>,
    /// Its attributes, by name.
    pub attributes: BTreeMap<String, ShownAttribute>,
    /// Where its delivery stands; null where that is not recorded.
    pub status: Option<Status>,
    /// The attempts of its delivery that are remembered, the first one first.
    pub history: Vec<Attempt>,
    /// When its delivery was redriven.
    #[serde(skip)]
    pub redriven_at: Vec<Timestamp>,
    /// How large its body is.
    pub body_bytes: usize,
    /// Its body; null where it was not asked for.
    pub body: Option<String>,
}

/// How far a redrive came with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RedriveStanding {
    /// It has sent it; the next one deletes it here.
    Sent,
    /// It was stopped while it sent it: it may have arrived.
    Unsure,
}

/// An attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownAttribute {
    /// Its type as SQS has it.
    pub r#type: String,
    /// Its text; of a binary one its size alone.
    pub value: String,
}

impl From<Attribute> for ShownAttribute {
    fn from(attribute: Attribute) -> Self {
        let value = match attribute.value {
            AttributeValue::Text(text) => text,
            AttributeValue::Binary(bytes) => format!("{} bytes", bytes.len()),
        };
        Self { r#type: attribute.data_type, value }
    }
}

/// Shows what is asked for.
///
/// # Errors
/// [`OperationError::NoDeadLetter`] where none can be seen, [`OperationError::Ended`] where the observer ended it, or
/// when a service does not answer.
pub async fn run(
    ports: &impl Ports,
    tenant: &TenantId,
    places: &[Place],
    asked: &Asked,
    watch: &impl Observer,
) -> Result<ShownDeadLetters, OperationError> {
    let Asked { event, message, sink, body } = asked;
    let letters = message.as_ref().map(|message| [message.clone()].into());
    let filter = Filter { event: event.clone(), sink: sink.clone(), letters, ..Filter::default() };
    // Of a message there is one.
    let most = if message.is_some() { 1 } else { usize::MAX };
    let keep = |place, one: Received, letter: Letter| (place, one, letter);
    let Found { letters: found, hidden_in } = look(ports, places, &filter, most, watch, keep).await?;
    if watch.ends() {
        return Err(OperationError::Ended);
    }
    if found.is_empty() {
        let (tenant, event, message) = (tenant.clone(), event.clone(), message.clone());
        return Err(OperationError::NoDeadLetter { tenant, event, message });
    }
    let (ledger, journal) = (ports.ledger(), ports.journal());
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
        let known = known.map_or(&[][..], Vec::as_slice);
        letters.push(DeadLetter::of(place.name.role, one, letter, standing, known, *body));
    }
    Ok(ShownDeadLetters { tenant: tenant.clone(), event: event.clone(), letters, hidden_in })
}

impl DeadLetter {
    fn of(
        queue: QueueRole,
        one: Received,
        letter: Letter,
        standing: Option<Standing>,
        records: &[Record],
        body: bool,
    ) -> Self {
        let message = one.message;
        let record = records.iter().find_map(|record| match record {
            Record::Delivery(record) if Some(&record.sink) == letter.sink.as_ref() => Some(record),
            _ => None,
        });
        Self {
            queue,
            message_id: message.message_id,
            event: letter.event,
            sink: letter.sink,
            r#type: letter.event_type,
            advice: serde_json::from_value::<Reason>(letter.reason.clone().into()).ok().map(Reason::advice),
            reason: letter.reason,
            detail: letter.detail,
            attempts: letter.attempts,
            quarantined_at: letter.quarantined_at,
            sent_at: message.sent_at,
            receive_count: message.receive_count,
            redriven_from: letter.redriven_from,
            redrive: standing.map(|standing| match standing {
                Standing::Sent => RedriveStanding::Sent,
                Standing::Mine | Standing::Begun(_) => RedriveStanding::Unsure,
            }),
            attributes: message.attributes.into_iter().map(|(name, attribute)| (name, attribute.into())).collect(),
            status: record.map(|record| record.status),
            history: record.into_iter().flat_map(|record| record.attempts.clone()).map(Attempt::from).collect(),
            redriven_at: record.into_iter().flat_map(|record| &record.redrives).map(|redrive| redrive.at).collect(),
            body_bytes: message.body.len(),
            body: body.then_some(message.body),
        }
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::ledger::AttemptNote;
    use acequia_core::kind::SinkKind;
    use acequia_core::message::Incoming;
    use acequia_core::wire::quarantined;
    use acequia_testkit::build;

    use super::super::places;
    use super::super::tests::{Ended, Unwatched, world};
    use super::*;

    fn letter(body: bool) -> DeadLetter {
        let role = QueueRole::Sink(SinkKind::Webhook);
        let queue = build::dead_letter_queue("acme", role);
        let envelope = build::envelope("acme", "1", "t", r#"{"secret":"x"}"#);
        let before = build::incoming_delivery(&queue, "m-1", "crm", &envelope);
        let dead = quarantined(&before, Reason::HttpStatus, "the endpoint answered 400", 1, build::at(9)).unwrap();
        let one = Received { message: Incoming { attributes: dead.attributes, ..before }, group: None };
        let mut record = build::record("1", "crm", Status::Quarantined);
        let detail = "the endpoint answered 400".to_owned();
        let outcome = "quarantined".to_owned();
        record.note(AttemptNote {
            number: 1,
            at: build::at(8),
            outcome,
            duration_ms: 12,
            detail,
            content: None,
            stages: None,
            fault: None,
        });
        let letter = Letter::read(&one.message);
        let records = [Record::Delivery(Box::new(record))];
        DeadLetter::of(role, one, letter, Some(Standing::Begun(build::at(20))), &records, body)
    }

    #[test]
    fn a_dead_letter_is_told_whole_as_it_was_agreed() {
        let (tenant, event) = (build::tenant_id("acme"), Some(build::event_id("1")));
        let shown = ShownDeadLetters { tenant, event, letters: vec![letter(false)], hidden_in: Vec::new() };
        let golden = include_str!("../../tests/golden/dead-letter.json");
        assert_eq!(serde_json::to_string_pretty(&shown).unwrap(), golden.trim_end());
    }

    #[test]
    fn the_body_is_told_only_when_it_is_asked_for() {
        let with = |body| serde_json::to_string(&letter(body)).unwrap().contains("secret");
        assert_eq!((with(false), with(true)), (false, true));
    }

    #[tokio::test]
    async fn letters_are_found_by_their_event_or_their_message_and_none_is_an_error() {
        let (world, _) = world(3).await;
        let tenant = build::tenant_id("acme");
        let found = places(&world, &tenant, None).await.unwrap();
        let event = Asked { event: Some(build::event_id("1")), ..Asked::default() };
        let shown = run(&world, &tenant, &found, &event, &Unwatched).await.unwrap();
        assert_eq!((shown.letters.len(), shown.event.as_ref()), (1, event.event.as_ref()));
        let message = Some(shown.letters[0].message_id.clone());
        let message = Asked { message, body: true, ..Asked::default() };
        let shown = run(&world, &tenant, &found, &message, &Unwatched).await.unwrap();
        assert_eq!(shown.letters[0].body.as_deref(), Some(build::body("1", "t", "{}").as_str()));
        let other = Asked { message: Some("m-9".to_owned()), ..Asked::default() };
        let missing = run(&world, &tenant, &found, &other, &Unwatched).await.unwrap_err();
        assert_eq!(missing.to_string(), "tenant acme has no dead letter m-9 that can be seen");
        let ended = run(&world, &tenant, &found, &event, &Ended).await.unwrap_err();
        assert!(matches!(ended, OperationError::Ended), "{ended:?}");
    }
}
