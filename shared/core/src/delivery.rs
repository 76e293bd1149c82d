//! The intent to bring one envelope to one sink, and the form in which messages carry it between the functions.
//!
//! A delivery travels as the event's own bytes with two attributes beside them, so that a queue shows what will be sent.
//! A quarantined message keeps its body and attributes and gets the reason as further ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::envelope::Envelope;
use crate::id::{DeliveryId, SinkId, TenantId};
use crate::ledger::Round;
use crate::order;
use crate::outcome::{Cause, Reason};
use crate::parking::{RETURNED, entered_at};
use crate::queue::QueueArn;
use crate::redrive::REDRIVEN;

/// The attribute that names the sink of a delivery.
pub const SINK: &str = "acequia-sink";
/// The attribute with the time of acceptance, in milliseconds since 1970.
pub const ACCEPTED_AT: &str = "acequia-accepted-at";
/// The attribute with the code of a quarantined message's [`Reason`].
pub const REASON: &str = "acequia-reason";
/// The attribute that says in words what was wrong.
pub const DETAIL: &str = "acequia-detail";
/// The attribute with the number of attempts that were made.
pub const ATTEMPTS: &str = "acequia-attempts";
/// The attribute with the time of quarantining, in milliseconds since 1970.
pub const QUARANTINED_AT: &str = "acequia-quarantined-at";
/// What quarantining adds; redriving takes it off again.
pub const QUARANTINE_ATTRIBUTES: [&str; 4] = [REASON, DETAIL, ATTEMPTS, QUARANTINED_AT];

/// The longest mark that is kept, in characters: SQS's ids have 36.
const MAX_ROUND: usize = 100;
/// SQS takes ten attributes with a message.
pub(crate) const MAX_ATTRIBUTES: usize = 10;
/// SQS takes 1 MiB with a message, attributes included.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// One attribute of an SQS message: its data type (`String`, `Number`, `Binary`, or one of these with `.custom`) and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The data type, as SQS has it.
    pub data_type: String,
    /// The value.
    pub value: AttributeValue,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Of `String` and `Number` attributes.
    Text(String),
    /// Of `Binary` attributes.
    Binary(Vec<u8>),
}

impl Attribute {
    /// A `String` attribute.
    pub fn text(value: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), value: AttributeValue::Text(value.into()) }
    }

    /// A `Number` attribute.
    pub fn number(value: i64) -> Self {
        Self { data_type: "Number".to_owned(), value: AttributeValue::Text(value.to_string()) }
    }

    /// The value as text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            AttributeValue::Text(text) => Some(text),
            AttributeValue::Binary(_) => None,
        }
    }

    fn bytes(&self) -> usize {
        self.data_type.len()
            + match &self.value {
                AttributeValue::Text(text) => text.len(),
                AttributeValue::Binary(bytes) => bytes.len(),
            }
    }
}

/// A message's attributes by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// A message as a queue hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// SQS's id of the message. It names the message in the answer, and nothing else: a redriven message gets a new one.
    pub message_id: String,
    /// What deleting and hiding it takes.
    pub receipt_handle: String,
    /// The body.
    pub body: String,
    /// The attributes.
    pub attributes: Attributes,
    /// How often SQS has handed it out, this time included.
    pub receives: u32,
    /// When it entered the queue.
    pub sent_at: Timestamp,
    /// The queue it came from.
    pub queue: QueueArn,
    /// The group in which a FIFO queue keeps order.
    pub group: Option<String>,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    /// The body.
    pub body: String,
    /// The attributes.
    pub attributes: Attributes,
    /// The group in which a FIFO queue keeps order.
    pub group: Option<String>,
    /// What a FIFO queue knows duplicates by, for five minutes.
    pub deduplication: Option<String>,
}

impl Outgoing {
    /// How much of SQS's 1 MiB it takes: the body, and each attribute's name, type and value.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.attributes.iter().map(|(name, attribute)| name.len() + attribute.bytes()).sum::<usize>()
    }
}

/// The intent to bring one envelope to one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its identity, the same on every attempt.
    pub id: DeliveryId,
    /// Where it goes.
    pub sink: SinkId,
    /// What is delivered; all deliveries of an event share it.
    pub envelope: Arc<Envelope>,
}

impl Delivery {
    /// The delivery of an envelope to a sink of its tenant.
    pub fn new(sink: SinkId, envelope: impl Into<Arc<Envelope>>) -> Self {
        let envelope = envelope.into();
        let id = DeliveryId::derive(&envelope.tenant, &sink, &envelope.event);
        Self { id, sink, envelope }
    }

    /// The message that carries it to the sink's queue: a copy of the event's bytes, so that it is made when it is sent.
    pub fn to_message(&self) -> Outgoing {
        Outgoing { body: self.envelope.body.clone(), attributes: self.attributes(), ..Outgoing::default() }
    }

    /// How much of SQS's 1 MiB that message takes.
    pub fn message_bytes(&self) -> usize {
        self.envelope.body.len() + Outgoing { attributes: self.attributes(), ..Outgoing::default() }.bytes()
    }

    fn attributes(&self) -> Attributes {
        let attributes = [
            (SINK.to_owned(), Attribute::text(self.sink.as_str())),
            (ACCEPTED_AT.to_owned(), Attribute::number(self.envelope.accepted_at.as_millisecond())),
        ];
        attributes.into()
    }

    /// The message that carries it to the sink's FIFO queue.
    pub fn to_ordered_message(&self) -> Outgoing {
        let group = Some(order::group_of(&self.sink, &self.envelope));
        Outgoing { group, deduplication: Some(self.id.as_str().to_owned()), ..self.to_message() }
    }

    /// Reads it back from a message of a sink's queue of `tenant`.
    ///
    /// # Errors
    /// A permanent [`Cause`] where the message is no delivery of the router's, or its body no event.
    pub fn from_message(tenant: &TenantId, message: &Incoming) -> Result<Self, Cause> {
        let text = |name: &str| message.attributes.get(name).and_then(Attribute::as_text);
        let sink = text(SINK)
            .and_then(|text| text.parse::<SinkId>().ok())
            .ok_or(Cause::NotADelivery("the attribute acequia-sink is missing or no sink id"))?;
        let accepted_at = text(ACCEPTED_AT)
            .and_then(|text| text.parse::<i64>().ok())
            .and_then(|millis| Timestamp::from_millisecond(millis).ok())
            .ok_or(Cause::NotADelivery("the attribute acequia-accepted-at is missing or no time"))?;
        Ok(Self::new(sink, Envelope::parse_text(tenant, accepted_at, &message.body)?))
    }
}

/// The mark that a message has when it was moved out of a dead-letter queue, and when that was; `None` on a message that never
/// was in one.
///
/// `acequia dlq redrive` leaves the dead letter's id on it. A move by SQS itself (the console, `StartMessageMoveTask`) leaves the
/// time of quarantining, which our own redrive takes off. What SQS dead-lettered by itself and moved back by itself has none.
pub fn round(message: &Incoming) -> Option<Round> {
    let text = |name: &str| message.attributes.get(name).and_then(Attribute::as_text);
    let moved_by_sqs = text(QUARANTINED_AT).map(|at| format!("{QUARANTINED_AT}={at}"));
    let mark = moved_by_sqs.or_else(|| text(REDRIVEN).map(str::to_owned))?;
    Some(Round { mark: mark.chars().take(MAX_ROUND).collect(), at: entered_at(message) })
}

/// The message that goes to the dead-letter queue in place of `message`: the same, with the reason beside it.
///
/// The reason comes first, then as much of the rest as there is room for; `None` where there is no room even for the reason
/// (ten attributes of the producer's own, or a body of the full 1 MiB). Such a message is left to the queue's own redrive.
pub fn quarantined(message: &Incoming, reason: Reason, detail: &str, attempts: u32, at: Timestamp) -> Option<Outgoing> {
    // Its own, so that what goes back later waits for its own group alone.
    let group = message.queue.is_fifo().then(|| message.group.clone().unwrap_or_else(|| "quarantine".to_owned()));
    // Of this receive: a letter of an earlier one may have been redriven since, and SQS would take the new one for it and drop it.
    let deduplication = message.queue.is_fifo().then(|| format!("{}/{}", message.message_id, message.receives));
    let mut outgoing =
        Outgoing { body: message.body.clone(), attributes: message.attributes.clone(), group, deduplication };
    for name in QUARANTINE_ATTRIBUTES.into_iter().chain([RETURNED]) {
        outgoing.attributes.remove(name);
    }
    let detail: String = detail.chars().filter(|c| !c.is_control()).take(500).collect();
    let additions = [
        (REASON, Attribute::text(reason.as_str())),
        (DETAIL, Attribute::text(if detail.is_empty() { reason.advice().to_owned() } else { detail })),
        (ATTEMPTS, Attribute::number(i64::from(attempts))),
        (QUARANTINED_AT, Attribute::number(at.as_millisecond())),
    ];
    for (name, attribute) in additions {
        let fits = outgoing.attributes.len() < MAX_ATTRIBUTES
            && outgoing.bytes() + name.len() + attribute.bytes() <= MAX_MESSAGE_BYTES;
        if fits {
            outgoing.attributes.insert(name.to_owned(), attribute);
        }
    }
    outgoing.attributes.contains_key(REASON).then_some(outgoing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: Attributes, body: String) -> Incoming {
        Incoming {
            message_id: "m".to_owned(),
            receipt_handle: "r".to_owned(),
            body,
            attributes,
            receives: 1,
            sent_at: Timestamp::UNIX_EPOCH,
            queue: "arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_webhook".parse().unwrap(),
            group: None,
        }
    }

    fn delivery() -> Delivery {
        let body = br#"{"specversion":"1.0","id":"1","source":"/a","type":"t"}"#;
        let at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        Delivery::new("crm".parse().unwrap(), Envelope::parse(&"acme".parse().unwrap(), at, body).unwrap())
    }

    #[test]
    fn a_delivery_survives_its_message() {
        let outgoing = delivery().to_message();
        let read =
            Delivery::from_message(&"acme".parse().unwrap(), &message(outgoing.attributes, outgoing.body)).unwrap();
        assert_eq!(read, delivery());
        assert_eq!(delivery().message_bytes(), delivery().to_message().bytes());
    }

    #[test]
    fn a_message_without_our_attributes_is_no_delivery() {
        let outgoing = delivery().to_message();
        for name in [SINK, ACCEPTED_AT] {
            let mut attributes = outgoing.attributes.clone();
            attributes.insert(name.to_owned(), Attribute::text("?"));
            let error = Delivery::from_message(&"acme".parse().unwrap(), &message(attributes, outgoing.body.clone()))
                .unwrap_err();
            assert!(matches!(error, Cause::NotADelivery(what) if what.contains(name)), "{error}");
        }
    }

    #[test]
    fn a_quarantined_message_keeps_what_it_had_and_names_the_reason() {
        let own: Attributes = [("colour".to_owned(), Attribute::text("red"))].into();
        let dead =
            quarantined(&message(own, "x".to_owned()), Reason::NotJson, "line 1", 3, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(dead.body, "x");
        assert_eq!(dead.attributes["colour"], Attribute::text("red"));
        assert_eq!(dead.attributes[REASON], Attribute::text("not-json"));
        assert_eq!(dead.attributes[ATTEMPTS], Attribute::number(3));
    }

    #[test]
    fn a_quarantined_message_of_a_fifo_queue_keeps_its_group_and_is_a_letter_of_its_own_each_time() {
        let queue = "arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_intake.fifo".parse().unwrap();
        let grouped = |group: Option<&str>| Incoming {
            queue: QueueArn::clone(&queue),
            group: group.map(str::to_owned),
            ..message(Attributes::new(), "x".to_owned())
        };
        let dead = |message: &Incoming| quarantined(message, Reason::NotJson, "", 1, Timestamp::UNIX_EPOCH).unwrap();
        let first = dead(&grouped(Some("g")));
        assert_eq!(first.group.as_deref(), Some("g"));
        assert_eq!(dead(&message(Attributes::new(), "x".to_owned())).group, None);
        let second = dead(&Incoming { receives: 2, ..grouped(Some("g")) });
        assert_ne!(
            first.deduplication, second.deduplication,
            "else SQS drops it where the first was redriven within five minutes"
        );
    }

    #[test]
    fn with_nine_attributes_the_reason_still_fits_and_with_ten_nothing_does() {
        let own = |n: usize| -> Attributes { (0..n).map(|i| (format!("a{i}"), Attribute::text("x"))).collect() };
        let quarantine =
            |n| quarantined(&message(own(n), "x".to_owned()), Reason::NotJson, "", 1, Timestamp::UNIX_EPOCH);
        assert_eq!(quarantine(9).unwrap().attributes.len(), 10);
        assert_eq!(quarantine(10), None);
    }

    #[test]
    fn a_body_of_the_full_size_leaves_no_room() {
        let full = message(Attributes::new(), "x".repeat(MAX_MESSAGE_BYTES));
        assert_eq!(quarantined(&full, Reason::TooLarge, "", 1, Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_message_that_was_moved_back_has_a_mark_whoever_moved_it() {
        let mark = |pairs: &[(&str, &str)]| {
            let attributes = pairs.iter().map(|(name, value)| ((*name).to_owned(), Attribute::text(*value))).collect();
            round(&message(attributes, String::new())).map(|round| round.mark)
        };
        assert_eq!(mark(&[]), None);
        assert_eq!(mark(&[(REDRIVEN, "letter-1")]).as_deref(), Some("letter-1"));
        let by_sqs = mark(&[(REDRIVEN, "letter-1"), (QUARANTINED_AT, "17")]);
        assert_eq!(by_sqs.as_deref(), Some("acequia-quarantined-at=17"), "it was quarantined again since");
    }
}
