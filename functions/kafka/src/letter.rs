//! Dead letters of records that can never be events: in the intake's dead-letter queue, as what the router refuses.
//!
//! The body is the value where it is a text that SQS takes, else its base64 behind `base64:`; `null` of a tombstone. A
//! value that does not fit stays in Kafka, at the place that the attributes name.

use acequia_core::delivery::order::{group, to_intake};
use acequia_core::event::envelope::Envelope;
use acequia_core::message::{Attribute, Attributes, Incoming, Outgoing};
use acequia_core::outcome::{Cause, Reason};
use acequia_core::queue::Queue;
use acequia_core::wire::{self, VIA};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::event::Record;

/// The attributes that say where the record is.
pub(crate) const TOPIC: &str = "kafka-topic";
pub(crate) const PARTITION: &str = "kafka-partition";
pub(crate) const OFFSET: &str = "kafka-offset";

/// The dead letter of a record. `envelope` is what could be read of it.
pub(crate) fn of(
    record: &Record,
    envelope: Option<&Envelope>,
    intake: &Queue,
    (reason, cause): (Reason, &Cause),
    now: Timestamp,
) -> Outgoing {
    let attributes: Attributes = [
        (TOPIC.to_owned(), Attribute::text(record.topic.as_str())),
        (PARTITION.to_owned(), Attribute::number(record.partition)),
        (OFFSET.to_owned(), Attribute::number(record.offset)),
    ]
    .into();
    let value = record.value();
    let body = match value.as_deref().map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => "null".to_owned(),
        Some((_, Ok(text))) if !text.is_empty() && text.chars().all(is_taken) => text.to_owned(),
        Some((bytes, _)) => format!("base64:{}", STANDARD.encode(bytes)),
    };
    let mut message = Incoming {
        message_id: record.place().to_string(),
        receipt_handle: String::new(),
        body,
        attributes,
        receive_count: 1,
        sent_at: now,
        queue: intake.arn.clone(),
        // Of one that is no event its own, so that nothing waits for it when it goes back.
        group: intake.arn.is_fifo().then(|| envelope.map_or_else(|| deduplication(record), group)),
        sender: None,
    };
    let detail = cause.to_string();
    let quarantined = |message: &Incoming| wire::quarantined(message, reason, &detail, 1, now);
    let letter = quarantined(&message).unwrap_or_else(|| {
        let bytes = value.map_or(0, |value| value.len());
        message.body =
            format!("the value has {bytes} bytes and does not fit a message: it is in Kafka at {}", record.place());
        quarantined(&message).unwrap_or_default()
    });
    Outgoing { deduplication: intake.arn.is_fifo().then(|| deduplication(record)), ..letter }
}

/// What SQS knows a record by for five minutes. Its time is part of it: a topic that was made anew begins at 0 again.
pub(crate) fn deduplication(record: &Record) -> String {
    let text = format!("{}/{}", record.place(), record.timestamp);
    if text.len() <= 128 { text } else { acequia_core::id::digest(text.as_bytes()) }
}

/// The message of an event.
pub(crate) fn of_event(record: &Record, envelope: &Envelope, intake: &Queue) -> Outgoing {
    let mut message = to_intake(&intake.arn, envelope);
    message.attributes.insert(VIA.to_owned(), Attribute::text(format!("kafka {}", record.place())));
    // What SQS knows it by is the record: two records with the same bytes are two.
    Outgoing { deduplication: intake.arn.is_fifo().then(|| deduplication(record)), ..message }
}

/// Whether SQS takes a character in a body
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
fn is_taken(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
