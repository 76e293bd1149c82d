//! Parking: how a message waits for long outside its queue, and when it does.
//!
//! A hidden message counts against the 120,000 that a queue may have in flight, can be hidden for 12 hours at most, and each time it
//! comes back it has used up one of the receives after which its queue moves it to the dead-letter queue. So a message leaves its
//! queue for a row of its own where it waits for more than [`LONGEST_HIDDEN`], where many may wait with it ([`WaitKind::InCrowd`]), or where it
//! has been received so often without spending attempts that its queue would give it up soon. The sweeper sends it back when it is due; it then is a new message with a receive
//! count of its own, and the mark [`RETURNED`] says how often it was received before and when it first entered the queue.
//!
//! Invariants:
//! - The row is written before the message is acknowledged, and the message is sent back before the row is deleted: a crash between
//!   makes a second copy, never none.
//! - A row is keyed by the id of the message that it took the place of. That id is new for each message, so deleting a row can never
//!   take away what was parked later.
//! - Nothing from a FIFO queue is parked: others of its group would overtake it.

mod way_back;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::{Attribute, Incoming, MAX_ATTRIBUTES, MAX_MESSAGE_BYTES, Outgoing, SINK};
use crate::id::{SinkId, TenantId, digest};
use crate::ledger::after;
use crate::queue::QueueArn;

pub use way_back::{LONGEST_HIDDEN, SPARE_RECEIVES, UNPARKED, WaitKind, unparked, way_back};

/// The attribute of a message that came back from parking: its [`Returned`].
pub const RETURNED: &str = "acequia-returned";

/// Over how many partitions the rows are spread when they are looked for by their due time. A partition of `DynamoDB` takes a thousand
/// writes a second.
pub const SHARDS: u8 = 8;

/// How long a row outlives its due time, if nobody sends it: as long as SQS keeps a message, and a day.
const OVERDUE_KEPT: Duration = Duration::from_hours(15 * 24);

/// What a message tells of its time before it was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// How often it was received before, in all.
    pub receives: u32,
    /// When it first entered its queue.
    pub sent_at: Timestamp,
    /// Whether an operator brought it back before its time, so that the ledger's due time does not count.
    pub hastened: bool,
}

impl Returned {
    /// What a message says, where it came back from parking.
    ///
    /// A producer that forges this mark on its own event changes that event's time of acceptance, to an earlier one, and nothing else.
    pub fn of(message: &Incoming) -> Option<Self> {
        let mut parts = message.attributes.get(RETURNED)?.as_text()?.split('/');
        let receives = parts.next()?.parse().ok()?;
        let sent_at = Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?;
        Some(Self { receives, sent_at: sent_at.min(message.sent_at), hastened: parts.next() == Some("hastened") })
    }

    fn to_attribute(self) -> Attribute {
        let hastened = if self.hastened { "/hastened" } else { "" };
        Attribute::text(format!("{}/{}{hastened}", self.receives, self.sent_at.as_millisecond()))
    }
}

/// How often a message was received, the time before it was parked included.
pub fn receives_in_all(message: &Incoming) -> u32 {
    message.receives.saturating_add(Returned::of(message).map_or(0, |returned| returned.receives))
}

/// When a message, or the one it was before it was parked, entered its queue.
pub fn entered_at(message: &Incoming) -> Timestamp {
    Returned::of(message).map_or(message.sent_at, |returned| returned.sent_at)
}

/// Whether a message comes back before its time because an operator wants it. Only its first receive counts as that.
pub fn is_hastened(message: &Incoming) -> bool {
    message.receives <= 1 && Returned::of(message).is_some_and(|returned| returned.hastened)
}

/// Which parked message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParkedKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// The sink that it is for; `None` for an event that waits to be routed.
    pub sink: Option<SinkId>,
    /// SQS's id of the message whose place it took.
    pub message_id: String,
}

/// What a row of an event has in the place of a sink. No sink's id begins like this.
const INTAKE: &str = "@intake";

impl ParkedKey {
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

impl fmt::Display for ParkedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.below_tenant())
    }
}

/// A message that waits outside its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Which it is.
    pub key: ParkedKey,
    /// The queue that it came from and goes back to.
    pub queue: QueueArn,
    /// What is sent back: the body and attributes as they were, and the mark.
    pub message: Outgoing,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// When it is to be sent back.
    pub due_at: Timestamp,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
    /// Whether an operator brought its due time forward.
    pub hastened: bool,
}

impl Parked {
    /// A message of `tenant` that is to come back after `wait`.
    ///
    /// `None` where it has no room for the mark (ten attributes of the producer's own, or the full 1 MiB), or keeps an order.
    pub fn of(tenant: &TenantId, message: &Incoming, wait: Duration, now: Timestamp) -> Option<Self> {
        if message.queue.is_fifo() {
            return None;
        }
        let mark = Returned { receives: receives_in_all(message), sent_at: entered_at(message), hastened: false };
        let mut outgoing =
            Outgoing { body: message.body.clone(), attributes: message.attributes.clone(), ..Outgoing::default() };
        outgoing.attributes.insert(RETURNED.to_owned(), mark.to_attribute());
        if outgoing.attributes.len() > MAX_ATTRIBUTES || outgoing.bytes() + "/hastened".len() > MAX_MESSAGE_BYTES {
            return None;
        }
        let sink = message.attributes.get(SINK).and_then(Attribute::as_text).and_then(|text| text.parse().ok());
        let key = ParkedKey { tenant: tenant.clone(), sink, message_id: message.message_id.clone() };
        let due_at = after(now, wait);
        let expires_at = after(due_at, OVERDUE_KEPT);
        let queue = message.queue.clone();
        Some(Self { key, queue, message: outgoing, parked_at: now, due_at, expires_at, hastened: false })
    }

    /// What it was when its queue handed it out, as far as it matters to the dead-letter queue.
    pub fn to_incoming(&self) -> Incoming {
        Incoming {
            message_id: self.key.message_id.clone(),
            receipt_handle: String::new(),
            body: self.message.body.clone(),
            attributes: self.message.attributes.clone(),
            receives: 1,
            sent_at: self.parked_at,
            group: None,
            queue: self.queue.clone(),
        }
    }

    /// The message that goes back to the queue.
    pub fn to_send(&self) -> Outgoing {
        let mut message = self.message.clone();
        if self.hastened
            && let Some(mark) = message.attributes.get_mut(RETURNED)
        {
            *mark = Attribute::text(format!("{}/hastened", mark.as_text().unwrap_or_default()));
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
    /// Since when the oldest of them is parked.
    pub oldest_parked_at: Timestamp,
}

/// Adds rows up by sink.
pub fn waiting(rows: impl Iterator<Item = (Option<SinkId>, Timestamp, Timestamp)>) -> Vec<Waiting> {
    let mut sinks: BTreeMap<Option<SinkId>, Waiting> = BTreeMap::new();
    for (sink, due_at, parked_at) in rows {
        let fresh = Waiting { sink: sink.clone(), count: 0, next_due_at: due_at, oldest_parked_at: parked_at };
        let waiting = sinks.entry(sink).or_insert(fresh);
        waiting.count += 1;
        waiting.next_due_at = waiting.next_due_at.min(due_at);
        waiting.oldest_parked_at = waiting.oldest_parked_at.min(parked_at);
    }
    sinks.into_values().collect()
}

/// Parked messages as an operator looks at them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// Those that are due first, in that order.
    pub first: Vec<Parked>,
    /// How many there are in all.
    pub total: u64,
}

/// A page of what is due, in the order of the due times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DuePage {
    /// What is due, or was a moment ago.
    pub keys: Vec<ParkedKey>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Attributes;

    fn message(attributes: Attributes) -> Incoming {
        Incoming {
            message_id: "m-1".to_owned(),
            receipt_handle: "r".to_owned(),
            body: "{}".to_owned(),
            attributes,
            receives: 3,
            sent_at: Timestamp::from_second(1_000).unwrap(),
            queue: "arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_webhook".parse().unwrap(),
            group: None,
        }
    }

    fn parked(message: &Incoming) -> Option<Parked> {
        Parked::of(&"acme".parse().unwrap(), message, Duration::from_hours(2), Timestamp::from_second(2_000).unwrap())
    }

    /// The message as the sweeper's sending makes it arrive.
    fn come_back(parked: &Parked) -> Incoming {
        let sent = parked.to_send();
        let fresh = message(sent.attributes);
        Incoming { receives: 1, sent_at: Timestamp::from_second(9_000).unwrap(), message_id: "m-2".to_owned(), ..fresh }
    }

    #[test]
    fn a_message_that_comes_back_remembers_its_receives_and_its_first_arrival() {
        let first = parked(&message(Attributes::new())).unwrap();
        let back = come_back(&first);
        assert_eq!((receives_in_all(&back), entered_at(&back).as_second(), is_hastened(&back)), (4, 1_000, false));
        let again = come_back(&parked(&back).unwrap());
        assert_eq!((receives_in_all(&again), entered_at(&again).as_second()), (5, 1_000));
    }

    #[test]
    fn a_hastened_message_says_so_until_it_is_parked_or_received_again() {
        let back = come_back(&Parked { hastened: true, ..parked(&message(Attributes::new())).unwrap() });
        assert!(is_hastened(&back));
        assert!(!is_hastened(&Incoming { receives: 2, ..back.clone() }));
        assert!(!is_hastened(&come_back(&parked(&back).unwrap())));
    }

    #[test]
    fn a_message_with_ten_attributes_of_its_own_has_no_room_for_the_mark() {
        let own = |n: usize| (0..n).map(|i| (format!("a{i}"), Attribute::text("x"))).collect::<Attributes>();
        assert!(parked(&message(own(9))).is_some());
        assert!(parked(&message(own(10))).is_none());
    }

    #[test]
    fn a_key_reads_back_and_the_key_of_a_part_is_none() {
        for sink in [None, Some("crm".parse().unwrap())] {
            let key = ParkedKey { tenant: "acme".parse().unwrap(), sink, message_id: "m-1".to_owned() };
            assert_eq!(ParkedKey::read(key.tenant.clone(), &key.below_tenant()), Some(key));
        }
        assert_eq!(ParkedKey::read("acme".parse().unwrap(), "crm#m-1#part#1"), None);
    }
}
