//! How an event was routed, in the form in which its deliveries carry it to the ledger: a row of its own, for each event,
//! would cost what the delivery's row costs.
//!
//! Functions carry the text and do not read it; who explains an event does. Where an event has no delivery, or the text
//! would be long, the router writes a row instead ([`crate::delivery::ledger::RouteRecord`]).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::envelope::Envelope;
use crate::id::SinkId;
use crate::routing::Routing;

/// The longest text that travels, in bytes: a row of the ledger is to stay within the 1 KiB of one write unit.
pub const MAX_BYTES: usize = 400;

/// How an event was routed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it was routed.
    #[serde(rename = "at", with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub routed_at: Timestamp,
    /// The version of the configuration that it was routed with.
    #[serde(rename = "version")]
    pub config_version: u64,
    /// The sinks that take it.
    #[serde(rename = "to")]
    pub taken: Vec<SinkId>,
    /// The sinks that do not.
    #[serde(rename = "not", default, skip_serializing_if = "Vec::is_empty")]
    pub filtered: Vec<SinkId>,
    /// The clause of each one's rules that the event does not meet, in the order of `filtered`.
    #[serde(rename = "why", default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<String>,
    /// How it came in, and by whom ([`crate::event::envelope::Envelope::via`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

impl Routed {
    /// What is carried of an event's routing by this version of the configuration.
    pub fn of(envelope: &Envelope, routing: &Routing, config_version: u64, routed_at: Timestamp) -> Self {
        Self {
            event_type: envelope.event_type.clone(),
            routed_at,
            config_version,
            taken: routing.taken.clone(),
            filtered: routing.filtered.clone(),
            clauses: routing.clauses.clone(),
            via: envelope.via.clone(),
        }
    }

    /// The text that travels; `None` where it is too long to.
    pub fn to_text(&self) -> Option<String> {
        serde_json::to_string(self).ok().filter(|text| text.len() <= MAX_BYTES)
    }

    /// What a text says; `None` where it is none of ours.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(sinks: usize) -> Routed {
        let taken = (0..sinks).map(|n| format!("sink-{n}").parse().unwrap()).collect();
        let filtered = vec!["mail".parse().unwrap()];
        let routing = Routing { taken, filtered, clauses: vec!["pattern.data.country".to_owned()] };
        let body = br#"{"specversion":"1.0","id":"1","source":"/a","type":"action.signed"}"#;
        let envelope = Envelope::parse(&"acme".parse().unwrap(), Timestamp::UNIX_EPOCH, body).unwrap();
        Routed::of(&envelope.come(Some("sqs AROA:shop".to_owned())), &routing, 3, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_routing_travels_as_text_and_reads_back() {
        let text = routed(1).to_text().unwrap();
        assert_eq!(
            text,
            r#"{"type":"action.signed","at":0,"version":3,"to":["sink-0"],"not":["mail"],"why":["pattern.data.country"],"via":"sqs AROA:shop"}"#
        );
        assert_eq!(Routed::read(&text), Some(routed(1)));
        assert_eq!(Routed::read("{}"), None);
    }

    #[test]
    fn what_is_long_does_not_travel() {
        assert_eq!(routed(50).to_text(), None);
    }
}
