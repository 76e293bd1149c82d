//! A dead letter as an operator sees it, and the message that it was.

use jiff::Timestamp;

use crate::outcome::RECEIVED_TOO_OFTEN;
use crate::wire::{ATTEMPTS, DETAIL, QUARANTINE_ATTRIBUTES, QUARANTINED_AT, REASON, REDRIVEN, RETURNED, SINK};

use crate::event::envelope::Named;
use crate::id::{EventId, SinkId};
use crate::message::{Attribute, Incoming, Outgoing};

const BY_SQS: &str = "SQS moved it after too many receives: an invocation crashed or ran out of time again and again";
/// SQS takes ten attributes and 1 MiB with a message; quarantining needs four of these, and this much at most.
const ROOM: usize = 10 - QUARANTINE_ATTRIBUTES.len();
const BYTES: usize = 1024 * 1024 - 4 * 1024;

/// A message as a dead-letter queue hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message.
    pub message: Incoming,
    /// The group in which a FIFO queue keeps it.
    pub group: Option<String>,
}

/// What can be told of a dead letter. Its body may be anything: what cannot be read from it is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// SQS's id of it.
    pub id: String,
    /// The event.
    pub event: Option<EventId>,
    /// The event's type.
    pub event_type: Option<String>,
    /// The sink whose delivery it is; none in an intake's dead-letter queue.
    pub sink: Option<SinkId>,
    /// The code of the reason.
    pub reason: String,
    /// What was wrong, in words.
    pub detail: String,
    /// How many attempts were made.
    pub attempts: Option<u32>,
    /// When it was quarantined, where the message says so.
    pub quarantined_at: Option<Timestamp>,
    /// When it was quarantined, or else sent.
    pub at: Timestamp,
    /// The id that it had in the dead-letter queue before this time.
    pub redriven_from: Option<String>,
}

impl Letter {
    /// Reads a message of a dead-letter queue.
    pub fn read(message: &Incoming) -> Self {
        let text = |name: &str| message.attributes.get(name).and_then(Attribute::as_text);
        let Named { event, event_type } = Named::read(&message.body);
        let quarantined_at = text(QUARANTINED_AT)
            .and_then(|text| text.parse().ok())
            .and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let reason = text(REASON);
        Self {
            id: message.message_id.clone(),
            event,
            event_type,
            sink: text(SINK).and_then(|text| text.parse().ok()),
            reason: reason.unwrap_or(RECEIVED_TOO_OFTEN).to_owned(),
            detail: text(DETAIL).unwrap_or(if reason.is_none() { BY_SQS } else { "" }).to_owned(),
            attempts: text(ATTEMPTS).and_then(|text| text.parse().ok()),
            quarantined_at,
            at: quarantined_at.unwrap_or(message.sent_at),
            redriven_from: text(REDRIVEN).map(str::to_owned),
        }
    }
}

/// The message as it was before it was quarantined, with [`REDRIVEN`] where that leaves room for another quarantine.
pub fn restored(received: &Received) -> Outgoing {
    let Received { message, group } = received;
    let mut attributes = message.attributes.clone();
    for name in QUARANTINE_ATTRIBUTES.into_iter().chain([REDRIVEN, RETURNED]) {
        attributes.remove(name);
    }
    let fifo = message.queue.is_fifo();
    let mut outgoing = Outgoing {
        body: message.body.clone(),
        attributes,
        group: fifo.then(|| group.clone().unwrap_or_else(|| "redrive".to_owned())),
        deduplication: fifo.then(|| message.message_id.clone()),
    };
    if outgoing.attributes.len() < ROOM && outgoing.bytes() < BYTES {
        outgoing.attributes.insert(REDRIVEN.to_owned(), Attribute::text(&message.message_id));
    }
    outgoing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Attributes;
    use crate::message::received;
    use crate::outcome::Reason;
    use crate::wire::quarantined;

    fn message(queue: &str, body: &str, attributes: Attributes) -> Incoming {
        received(queue, body, attributes)
    }

    fn own(count: usize) -> Attributes {
        (0..count).map(|n| (format!("own-{n}"), Attribute::text("x"))).collect()
    }

    fn dead(before: &Incoming) -> Received {
        let attributes = quarantined(before, Reason::NotJson, "why", 2, Timestamp::UNIX_EPOCH).unwrap().attributes;
        Received { message: Incoming { attributes, ..before.clone() }, group: Some("g".to_owned()) }
    }

    #[test]
    fn a_redriven_message_is_what_it_was_and_names_the_dead_letter_it_was() {
        let before = message("webhook-dlq", "x", own(2));
        let mut back = restored(&dead(&before));
        assert_eq!(back.attributes.remove(REDRIVEN), Some(Attribute::text("m-1")));
        assert_eq!((back.body, back.attributes, back.group), (before.body, before.attributes, None));
    }

    #[test]
    fn a_message_of_a_fifo_queue_keeps_its_group_and_is_deduplicated_by_its_id_as_a_dead_letter() {
        let back = restored(&dead(&message("out-dlq.fifo", "x", own(0))));
        assert_eq!((back.group.as_deref(), back.deduplication.as_deref()), (Some("g"), Some("m-1")));
    }

    #[test]
    fn without_room_for_another_quarantine_the_mark_is_left_out() {
        let marked =
            |count| restored(&dead(&message("webhook-dlq", "x", own(count)))).attributes.contains_key(REDRIVEN);
        assert!(marked(5) && !marked(6));
    }

    #[test]
    fn what_can_be_read_of_a_broken_event_is_told() {
        let letter = Letter::read(&message("intake-dlq", r#"{"source":"/a","id":"1","type":"t","x":3}"#, own(0)));
        assert_eq!((letter.event.unwrap().to_string(), letter.event_type.as_deref()), ("/a|1".to_owned(), Some("t")));
        assert_eq!(letter.reason, RECEIVED_TOO_OFTEN);
        let letter = Letter::read(&message("intake-dlq", "not json", own(0)));
        assert_eq!((letter.event, letter.event_type), (None, None));
    }
}
