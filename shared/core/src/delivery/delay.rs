//! Delayed delivery: messages that wait outside their queue, until they are due.
//!
//! A hidden message counts against the 120,000 that a queue may have in flight, can be hidden for 12 hours at most, and
//! each time it comes back it has used up one of the receives after which its queue moves it to the dead-letter queue.
//! So a message leaves its queue for a row of its own where it waits for more than
//! [`LONGEST_HIDDEN`](crate::outcome::LONGEST_HIDDEN), where many may wait with it, or where it has been received so
//! often without spending attempts that its queue would give it up soon ([`decide`](crate::outcome::decide)). The
//! sweeper sends it back when it is due; it then is a new message with a receive count of its own, and the attribute
//! [`RETURNED`] says how often it was received before and when it first entered the queue.
//!
//! Invariants:
//! - The row is written before the message is acknowledged, and the message is sent back before the row is deleted: a
//!   crash between makes a second copy, never none.
//! - A row is keyed by the id of the message that it took the place of. That id is new for each message, so deleting a
//!   row can never take away what was delayed later.
//! - Nothing from a FIFO queue is delayed: others of its group would overtake it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::id::{SinkId, TenantId, digest};
use crate::message::{Attribute, Incoming, MAX_ATTRIBUTES, MAX_MESSAGE_BYTES, Outgoing};
use crate::queue::QueueArn;
use crate::time::after;
use crate::wire::{RETURNED, Returned, SINK, entered_at, total_receive_count};

/// Over how many partitions the rows are spread when they are looked for by their due time. A partition of `DynamoDB`
/// takes a thousand writes a second.
pub const SHARDS: u8 = 8;

/// How long a row outlives its due time, if nobody sends it: as long as SQS keeps a message, and a day.
const OVERDUE_KEPT: Duration = Duration::from_hours(15 * 24);

/// Which delayed message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DelayedKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// The sink that it is for; `None` for an event that waits to be routed.
    pub sink: Option<SinkId>,
    /// SQS's id of the message whose place it took.
    pub message_id: String,
}

/// What a row of an event has in the place of a sink. No sink's id begins like this.
const INTAKE: &str = "@intake";

impl DelayedKey {
    /// How the rows of a sink, or of the events that wait to be routed, begin.
    pub fn prefix(sink: Option<&SinkId>) -> String {
        format!("{}#", sink.map_or(INTAKE, SinkId::as_str))
    }

    /// The key below the tenant: `<sink>#<message id>`.
    pub fn below_tenant(&self) -> String {
        format!("{}{}", Self::prefix(self.sink.as_ref()), self.message_id)
    }

    /// Which of the [`SHARDS`] it lies in.
    pub fn shard(&self) -> u8 {
        let hash = digest(self.to_string().as_bytes());
        hash.get(..2).and_then(|start| u8::from_str_radix(start, 16).ok()).unwrap_or_default() % SHARDS
    }

    /// Reads it back; `None` for a text that is none of ours.
    pub fn read(tenant: TenantId, below: &str) -> Option<Self> {
        let (sink, message_id) = below.split_once('#')?;
        let sink = if sink == INTAKE { None } else { Some(sink.parse().ok()?) };
        // A row that holds a further part of a message has one more `#`.
        let whole = !message_id.is_empty() && !message_id.contains('#');
        whole.then(|| Self { tenant, sink, message_id: message_id.to_owned() })
    }
}

impl fmt::Display for DelayedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.below_tenant())
    }
}

/// A message that waits outside its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delayed {
    /// Which it is.
    pub key: DelayedKey,
    /// The queue that it came from and goes back to.
    pub queue: QueueArn,
    /// What is sent back: the body and attributes as they were, and the mark.
    pub message: Outgoing,
    /// When it was delayed.
    pub delayed_at: Timestamp,
    /// When it is to be sent back.
    pub due_at: Timestamp,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
    /// Whether an operator brought its due time forward.
    pub expedited: bool,
}

impl Delayed {
    /// A message of `tenant` that is to come back after `wait`.
    ///
    /// `None` where it has no room for the mark (ten attributes of the producer's own, or the full 1 MiB), or keeps an
    /// order.
    pub fn of(tenant: &TenantId, message: &Incoming, wait: Duration, now: Timestamp) -> Option<Self> {
        if message.queue.is_fifo() {
            return None;
        }
        let mark =
            Returned { receive_count: total_receive_count(message), sent_at: entered_at(message), expedited: false };
        let mut outgoing =
            Outgoing { body: message.body.clone(), attributes: message.attributes.clone(), ..Outgoing::default() };
        outgoing.attributes.insert(RETURNED.to_owned(), mark.to_attribute());
        if outgoing.attributes.len() > MAX_ATTRIBUTES || outgoing.bytes() + "/expedited".len() > MAX_MESSAGE_BYTES {
            return None;
        }
        let sink = message.attributes.get(SINK).and_then(Attribute::as_text).and_then(|text| text.parse().ok());
        let key = DelayedKey { tenant: tenant.clone(), sink, message_id: message.message_id.clone() };
        let due_at = after(now, wait);
        let expires_at = after(due_at, OVERDUE_KEPT);
        let queue = message.queue.clone();
        Some(Self { key, queue, message: outgoing, delayed_at: now, due_at, expires_at, expedited: false })
    }

    /// What it was when its queue handed it out, as far as it matters to the dead-letter queue.
    pub fn to_incoming(&self) -> Incoming {
        Incoming {
            message_id: self.key.message_id.clone(),
            receipt_handle: String::new(),
            body: self.message.body.clone(),
            attributes: self.message.attributes.clone(),
            receive_count: 1,
            sent_at: self.delayed_at,
            group: None,
            sender: None,
            queue: self.queue.clone(),
        }
    }

    /// The message that goes back to the queue.
    pub fn to_send(&self) -> Outgoing {
        let mut message = self.message.clone();
        if self.expedited
            && let Some(mark) = message.attributes.get_mut(RETURNED)
        {
            *mark = Attribute::text(format!("{}/expedited", mark.as_text().unwrap_or_default()));
        }
        message
    }
}

/// What waits for one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The sink; `None` for events that wait to be routed.
    pub sink: Option<SinkId>,
    /// How many messages.
    pub count: u64,
    /// When the next of them is due.
    pub next_due_at: Timestamp,
    /// Since when the oldest of them is delayed.
    pub oldest_delayed_at: Timestamp,
}

/// Adds rows up by sink.
pub fn waiting(rows: impl Iterator<Item = (Option<SinkId>, Timestamp, Timestamp)>) -> Vec<Waiting> {
    let mut sinks: BTreeMap<Option<SinkId>, Waiting> = BTreeMap::new();
    for (sink, due_at, delayed_at) in rows {
        let fresh = Waiting { sink: sink.clone(), count: 0, next_due_at: due_at, oldest_delayed_at: delayed_at };
        let waiting = sinks.entry(sink).or_insert(fresh);
        waiting.count += 1;
        waiting.next_due_at = waiting.next_due_at.min(due_at);
        waiting.oldest_delayed_at = waiting.oldest_delayed_at.min(delayed_at);
    }
    sinks.into_values().collect()
}

/// Delayed messages as an operator looks at them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// Those that are due first, in that order.
    pub first: Vec<Delayed>,
    /// How many there are in all.
    pub total: u64,
}

/// A page of what is due, in the order of the due times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DuePage {
    /// What is due, or was a moment ago.
    pub keys: Vec<DelayedKey>,
    /// When the first of them was due; `None` where there is none.
    pub first_due_at: Option<Timestamp>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Attributes;
    use crate::message::received;
    use crate::wire::is_expedited;

    fn message(attributes: Attributes) -> Incoming {
        Incoming {
            receive_count: 3,
            sent_at: Timestamp::from_second(1_000).unwrap(),
            ..received("webhook", "{}", attributes)
        }
    }

    fn delayed(message: &Incoming) -> Option<Delayed> {
        Delayed::of(&"acme".parse().unwrap(), message, Duration::from_hours(2), Timestamp::from_second(2_000).unwrap())
    }

    /// The message as the sweeper's sending makes it arrive.
    fn come_back(delayed: &Delayed) -> Incoming {
        let sent = delayed.to_send();
        let fresh = message(sent.attributes);
        Incoming {
            receive_count: 1,
            sent_at: Timestamp::from_second(9_000).unwrap(),
            message_id: "m-2".to_owned(),
            ..fresh
        }
    }

    #[test]
    fn a_message_that_comes_back_remembers_its_receives_and_its_first_arrival() {
        let first = delayed(&message(Attributes::new())).unwrap();
        let back = come_back(&first);
        assert_eq!((total_receive_count(&back), entered_at(&back).as_second(), is_expedited(&back)), (4, 1_000, false));
        let again = come_back(&delayed(&back).unwrap());
        assert_eq!((total_receive_count(&again), entered_at(&again).as_second()), (5, 1_000));
    }

    #[test]
    fn a_expedited_message_says_so_until_it_is_delayed_or_received_again() {
        let back = come_back(&Delayed { expedited: true, ..delayed(&message(Attributes::new())).unwrap() });
        assert!(is_expedited(&back));
        assert!(!is_expedited(&Incoming { receive_count: 2, ..back.clone() }));
        assert!(!is_expedited(&come_back(&delayed(&back).unwrap())));
    }

    #[test]
    fn a_message_with_ten_attributes_of_its_own_has_no_room_for_the_mark() {
        let own = |n: usize| (0..n).map(|i| (format!("a{i}"), Attribute::text("x"))).collect::<Attributes>();
        assert!(delayed(&message(own(9))).is_some());
        assert!(delayed(&message(own(10))).is_none());
    }

    #[test]
    fn a_key_reads_back_and_the_key_of_a_part_is_none() {
        for sink in [None, Some("crm".parse().unwrap())] {
            let key = DelayedKey { tenant: "acme".parse().unwrap(), sink, message_id: "m-1".to_owned() };
            assert_eq!(DelayedKey::read(key.tenant.clone(), &key.below_tenant()), Some(key));
        }
        assert_eq!(DelayedKey::read("acme".parse().unwrap(), "crm#m-1#part#1"), None);
    }
}
