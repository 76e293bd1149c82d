//! Order: which events keep it among each other, on the way through FIFO queues.
//!
//! Events of one partition key keep their order; without one those of one subject, or else of one source. In a sink's
//! queue each sink has groups of its own, so that one that fails does not stop another. In a batch of a FIFO queue a
//! group stops at the first message that is to come back: nothing behind it is attempted. What is quarantined is out of
//! the way and stops nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::envelope::Envelope;
use crate::id::{self, SinkId};
use crate::message::{Attribute, Attributes, Outgoing};
use crate::queue::QueueArn;
use crate::wire::{VIA, add_trace};

/// The longest group id of a FIFO queue, in characters.
const MAX_GROUP: usize = 128;

/// The group of an event in a FIFO queue that one sink fills.
pub fn group(envelope: &Envelope) -> String {
    fitting(envelope.partition_key.as_deref().or(envelope.subject.as_deref()).unwrap_or(envelope.event.source()))
}

/// The group of an event's delivery in the FIFO queue of all sinks of a kind.
pub fn group_of(sink: &SinkId, envelope: &Envelope) -> String {
    fitting(&format!("{sink}/{}", group(envelope)))
}

/// The message of an event to its tenant's intake. In a FIFO queue it is in its event's group, and the same bytes within
/// five minutes are one event.
pub fn to_intake(queue: &QueueArn, envelope: &Envelope) -> Outgoing {
    let is_fifo = queue.is_fifo();
    let mut attributes = Attributes::new();
    if let Some(trace) = &envelope.trace {
        add_trace(&mut attributes, trace);
    }
    if let Some(via) = &envelope.via {
        attributes.insert(VIA.to_owned(), Attribute::text(via));
    }
    Outgoing {
        group: is_fifo.then(|| group(envelope)),
        deduplication: is_fifo.then(|| id::digest(envelope.body.as_bytes())),
        body: envelope.body.clone(),
        attributes,
    }
}

/// SQS takes letters, digits and punctuation; any other key is replaced by its digest, which groups just the same.
fn fitting(key: &str) -> String {
    if key.len() <= MAX_GROUP && key.bytes().all(|b| b.is_ascii_graphic()) {
        key.to_owned()
    } else {
        id::digest(key.as_bytes())
    }
}

/// The groups of a batch that have stopped. What is in no group is in no order.
#[derive(Debug, Default)]
pub struct Stopped(BTreeSet<String>);

impl Stopped {
    /// Nothing behind this message of its group may go on.
    pub fn stop(&mut self, group: Option<&str>) {
        self.0.extend(group.map(str::to_owned));
    }

    /// Whether a message of this group stands behind one that is to come back.
    pub fn has(&self, group: Option<&str>) -> bool {
        group.is_some_and(|group| self.0.contains(group))
    }
}

/// Sorts what goes to a FIFO queue into waves: each has at most one of a group, and the first of each group is in the
/// first.
pub fn waves<T>(all: impl IntoIterator<Item = T>, group: impl Fn(&T) -> Option<String>) -> Vec<Vec<T>> {
    let mut seen: BTreeMap<Option<String>, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<T>> = Vec::new();
    for one in all {
        let before = seen.entry(group(&one)).or_default();
        match waves.get_mut(*before) {
            Some(wave) => wave.push(one),
            None => waves.push(vec![one]),
        }
        *before += 1;
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(extra: &str) -> Envelope {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t"{extra}}}"#);
        Envelope::parse(&"acme".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap()
    }

    #[test]
    fn order_is_kept_by_partition_key_then_subject_then_source() {
        let group = |extra| group(&envelope(extra));
        assert_eq!(group(r#","partitionkey":"p","subject":"s""#), "p");
        assert_eq!(group(r#","subject":"s""#), "s");
        assert_eq!(group(""), "/a");
        assert_eq!(group(r#","subject":"with space""#).len(), 32);
    }

    #[test]
    fn each_sink_has_groups_of_its_own() {
        let of = |sink: &str, extra| group_of(&sink.parse().unwrap(), &envelope(extra));
        assert_eq!(of("crm", ""), "crm//a");
        assert_ne!(of("crm", ""), of("out", ""));
        let long = format!(r#","subject":"{}""#, "s".repeat(128));
        assert_eq!(of("crm", &long).len(), 32);
    }

    #[test]
    fn a_group_that_stopped_stops_no_other_and_nothing_without_a_group() {
        let mut stopped = Stopped::default();
        stopped.stop(Some("a"));
        stopped.stop(None);
        assert!(stopped.has(Some("a")) && !stopped.has(Some("b")) && !stopped.has(None));
    }
}
