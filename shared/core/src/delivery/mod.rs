//! The intent to bring one envelope to one sink, and the form in which messages carry it between the functions.
//!
//! A delivery travels as the event's own bytes with two attributes beside them (and its trace's, where it has one), so
//! that a queue shows what will be sent.

pub mod breaker;
pub mod crash;
pub mod delay;
pub mod ledger;
pub mod order;
pub mod rate;
pub mod redrive;
pub mod share;
pub mod width;

use std::sync::Arc;

use jiff::Timestamp;

use crate::event::envelope::Envelope;
use crate::id::{DeliveryId, SinkId, TenantId};
use crate::message::{Attribute, Attributes, Incoming, Outgoing};
use crate::outcome::Cause;
use crate::wire::{ACCEPTED_AT, SINK, add_trace, trace_of};

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

    /// The message that carries it to the sink's queue: a copy of the event's bytes, so that it is made when it is
    /// sent.
    pub fn to_message(&self) -> Outgoing {
        Outgoing { body: self.envelope.body.clone(), attributes: self.attributes(), ..Outgoing::default() }
    }

    /// How much of SQS's 1 MiB that message takes.
    pub fn message_bytes(&self) -> usize {
        self.envelope.body.len() + Outgoing { attributes: self.attributes(), ..Outgoing::default() }.bytes()
    }

    fn attributes(&self) -> Attributes {
        let mut attributes: Attributes = [
            (SINK.to_owned(), Attribute::text(self.sink.as_str())),
            (ACCEPTED_AT.to_owned(), Attribute::number(self.envelope.accepted_at.as_millisecond())),
        ]
        .into();
        if let Some(trace) = &self.envelope.trace {
            add_trace(&mut attributes, trace);
        }
        attributes
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
        let envelope = Envelope::parse_text(tenant, accepted_at, &message.body)?;
        Ok(Self::new(sink, envelope.traced(|| trace_of(&message.attributes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::trace::TraceContext;
    use crate::message::received;

    fn message(attributes: Attributes, body: String) -> Incoming {
        received("webhook", body, attributes)
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
    fn the_trace_of_what_an_event_came_in_goes_with_its_message() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let fresh = delivery();
        let envelope = fresh.envelope.as_ref().clone().traced(|| TraceContext::read(parent, Some("a=1")));
        let traced = Delivery { envelope: Arc::new(envelope), ..fresh };
        let outgoing = traced.to_message();
        assert_eq!(traced.message_bytes(), outgoing.bytes());
        let read = Delivery::from_message(&"acme".parse().unwrap(), &message(outgoing.attributes, outgoing.body));
        assert_eq!(read.unwrap(), traced);
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
}
