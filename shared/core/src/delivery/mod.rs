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
pub mod route;
pub mod share;
pub mod width;

use std::sync::Arc;

use jiff::Timestamp;

use crate::delivery::ledger::DeliveryKey;
use crate::event::envelope::Envelope;
use crate::id::{DeliveryId, SinkId, TenantId};
use crate::message::{Attribute, Attributes, Incoming, Outgoing};
use crate::outcome::Cause;
use crate::wire::{ACCEPTED_AT, REPLAY, ROUTE, ReplayIds, Replayed, SINK, add_trace, trace_of};

/// The intent to bring one envelope to one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its identity, the same on every attempt.
    pub id: DeliveryId,
    /// Where it goes.
    pub sink: SinkId,
    /// What is delivered; all deliveries of an event share it.
    pub envelope: Arc<Envelope>,
    /// The replay that it is made by, where one makes it.
    pub replay: Option<Replayed>,
    /// How its event was routed ([`route::Routed`]), where the ledger learns that by it; a replay's deliveries tell of no
    /// routing.
    pub route: Option<Arc<str>>,
}

impl Delivery {
    /// The delivery of an envelope to a sink of its tenant.
    pub fn new(sink: SinkId, envelope: impl Into<Arc<Envelope>>) -> Self {
        let envelope = envelope.into();
        let id = DeliveryId::derive(&envelope.tenant, &sink, &envelope.event);
        Self { id, sink, envelope, replay: None, route: None }
    }

    /// The same delivery, with what the ledger is to learn by it of its event's routing.
    #[must_use]
    pub fn routed(self, route: Option<&Arc<str>>) -> Self {
        Self { route: route.cloned(), ..self }
    }

    /// The same delivery as a replay makes it: a delivery of its own, in the ledger too, and to receivers where the
    /// replay gives new ids.
    #[must_use]
    pub fn replayed(self, replay: Option<Replayed>) -> Self {
        let first = Self::new(self.sink, self.envelope);
        let id = match &replay {
            Some(Replayed { id, ids: ReplayIds::Fresh, .. }) => first.id.anew(id),
            _ => first.id,
        };
        Self { id, replay, ..first }
    }

    /// The id that receivers know the delivery by, where a replay gave this one a new id.
    pub fn repeats(&self) -> Option<DeliveryId> {
        let replay = self.replay.as_ref()?;
        let first = || DeliveryId::derive(&self.envelope.tenant, &self.sink, &self.envelope.event);
        (replay.ids == ReplayIds::Fresh).then(first)
    }

    /// Which record of the ledger is about it.
    pub fn key(&self) -> DeliveryKey {
        DeliveryKey {
            event: self.envelope.event.clone(),
            sink: self.sink.clone(),
            replay: self.replay.as_ref().map(|replay| replay.id.clone()),
        }
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
        // One of the two: in a dead-letter queue a message has its ten attributes together by then.
        if let Some(replay) = &self.replay {
            attributes.insert(REPLAY.to_owned(), replay.to_attribute());
        } else if let Some(route) = &self.route {
            attributes.insert(ROUTE.to_owned(), Attribute::text(&**route));
        }
        if let Some(trace) = &self.envelope.trace {
            add_trace(&mut attributes, trace);
        }
        attributes
    }

    /// The message that carries it to the sink's FIFO queue.
    pub fn to_ordered_message(&self) -> Outgoing {
        let group = Some(order::group_of(&self.sink, &self.envelope));
        // A replay's message is none that the queue has seen, whichever id its receiver sees.
        let id = self.replay.as_ref().map_or_else(|| self.id.clone(), |replay| self.id.anew(&replay.id));
        Outgoing { group, deduplication: Some(id.as_str().to_owned()), ..self.to_message() }
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
        let fresh = Self::new(sink, envelope.traced(|| trace_of(&message.attributes)));
        Ok(match Replayed::of(&message.attributes) {
            None => {
                let route = text(ROUTE).filter(|route| route.len() <= route::MAX_BYTES);
                Self { route: route.map(Arc::from), ..fresh }
            }
            replay => fresh.replayed(replay),
        })
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
    fn the_routing_of_its_event_goes_with_its_message_and_not_with_a_replays() {
        let routed = delivery().routed(Some(&Arc::from("{}")));
        let read = |delivery: &Delivery| {
            let outgoing = delivery.to_message();
            Delivery::from_message(&"acme".parse().unwrap(), &message(outgoing.attributes, outgoing.body)).unwrap()
        };
        assert_eq!(read(&routed), routed);
        assert_eq!(routed.message_bytes(), routed.to_message().bytes());
        let mark = Replayed { id: "r1".parse().unwrap(), ids: ReplayIds::Same, at: Timestamp::UNIX_EPOCH };
        assert_eq!(read(&routed.replayed(Some(mark))).route, None);
        let long = delivery().routed(Some(&Arc::from("x".repeat(route::MAX_BYTES + 1))));
        assert_eq!(read(&long).route, None, "what is not ours is not kept");
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
    fn a_replays_delivery_is_one_of_its_own_and_says_what_it_repeats_where_its_id_is_new() {
        let mark = |ids| Some(Replayed { id: "r1".parse().unwrap(), ids, at: Timestamp::UNIX_EPOCH });
        let (same, fresh) = (delivery().replayed(mark(ReplayIds::Same)), delivery().replayed(mark(ReplayIds::Fresh)));
        assert_eq!((&same.id, same.repeats()), (&delivery().id, None));
        assert_ne!(fresh.id, delivery().id);
        assert_eq!(fresh.repeats(), Some(delivery().id));
        for replayed in [same, fresh] {
            assert_ne!(replayed.key(), delivery().key());
            assert_ne!(replayed.to_ordered_message().deduplication, delivery().to_ordered_message().deduplication);
            let outgoing = replayed.to_message();
            assert_eq!((&outgoing.body, replayed.message_bytes()), (&delivery().envelope.body, outgoing.bytes()));
            let read = Delivery::from_message(&"acme".parse().unwrap(), &message(outgoing.attributes, outgoing.body));
            assert_eq!(read.unwrap(), replayed);
        }
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
