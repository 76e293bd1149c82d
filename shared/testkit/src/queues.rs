//! SQS, in memory: visibility, receive counts, redrive to a dead-letter queue, FIFO deduplication and the order of FIFO
//! groups, all by the test's clock.
//!
//! Of a FIFO queue, nothing of a group is handed out while an earlier message of it is in flight: received, and neither
//! deleted nor visible again
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagegroupid-property.html>).
//!
//! Not modelled: retention, and delays by themselves. That a message is delayed, and that a standard queue hands one
//! out twice by itself, happens where a test wants it ([`InMemoryQueues::delay`], [`InMemoryQueues::duplicate`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acequia_core::message::{Incoming, Outgoing};
use acequia_core::port::{Clock, Queues, SendError, Unavailable};
use acequia_core::queue::QueueArn;
use acequia_core::time::after;
use jiff::Timestamp;

use crate::clock::FixedClock;
use crate::fault::Faults;
use crate::shared::Shared;

/// SQS takes 1 MiB and ten attributes with a message, and knows FIFO duplicates for five minutes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
const MAX_ATTRIBUTES: usize = 10;
const DEDUPLICATION: Duration = Duration::from_mins(5);

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Messages that can be received.
    pub visible: usize,
    /// Messages that were received and are hidden, or delayed.
    pub hidden: usize,
}

#[derive(Debug, Clone)]
struct Stored {
    message: Incoming,
    group: Option<String>,
    visible_at: Timestamp,
}

#[derive(Debug, Default)]
struct Queue {
    messages: Vec<Stored>,
    known: BTreeMap<String, (Timestamp, String)>,
    redrive: Option<(QueueArn, u32)>,
}

impl Queue {
    /// The groups of which a message is in flight. Standard queues let groups pass each other.
    fn blocked(&self, is_fifo: bool, now: Timestamp) -> BTreeSet<String> {
        let in_flight = self.messages.iter().filter(|stored| is_fifo && stored.visible_at > now);
        in_flight.filter_map(|stored| stored.group.clone()).collect()
    }
}

impl Stored {
    fn is_in(&self, groups: &BTreeSet<String>) -> bool {
        self.group.as_ref().is_some_and(|group| groups.contains(group))
    }
}

#[derive(Debug, Default)]
struct State {
    queues: BTreeMap<QueueArn, Queue>,
    missing: BTreeSet<QueueArn>,
    issued: u64,
}

impl State {
    fn number(&mut self) -> u64 {
        self.issued += 1;
        self.issued
    }
}

/// Queues in memory. A queue is there as soon as it is named, unless it was removed.
#[derive(Debug, Clone, Default)]
pub struct InMemoryQueues {
    state: Shared<State>,
    clock: FixedClock,
    /// Makes sending fail; an entry is one message.
    pub sends: Faults,
    /// Makes hiding fail; an entry is one message.
    pub hides: Faults,
    /// Makes deleting fail, where a function does it itself; an entry is one message.
    pub deletes: Faults,
}

impl InMemoryQueues {
    /// Queues that go by this clock.
    pub fn new(clock: FixedClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// The clock that they go by.
    pub fn clock(&self) -> &FixedClock {
        &self.clock
    }

    /// Removes a queue: from now on it does not exist.
    pub fn remove(&self, queue: &QueueArn) {
        let mut state = self.state.lock();
        state.queues.remove(queue);
        state.missing.insert(queue.clone());
    }

    /// Makes a queue that was removed, anew.
    pub fn restore(&self, queue: &QueueArn) {
        self.state.lock().missing.remove(queue);
    }

    /// Whether a queue was removed.
    pub fn is_missing(&self, queue: &QueueArn) -> bool {
        self.state.lock().missing.contains(queue)
    }

    /// Gives a queue a dead-letter queue: a message that was received `most` times goes there instead of being received
    /// again.
    pub fn redrive_to(&self, queue: &QueueArn, dead_letters: &QueueArn, most: u32) {
        self.state.lock().queues.entry(queue.clone()).or_default().redrive = Some((dead_letters.clone(), most));
    }

    /// Receives up to `most` messages and hides them for `visibility`.
    pub fn receive(&self, queue: &QueueArn, most: usize, visibility: Duration) -> Vec<Incoming> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let mut issued = state.issued;
        let Some(found) = state.queues.get_mut(queue) else { return Vec::new() };
        let (mut received, mut dead) = (Vec::new(), Vec::new());
        let redrive = found.redrive.clone();
        let blocked = found.blocked(queue.is_fifo(), now);
        found.messages.retain_mut(|stored| {
            if received.len() == most || stored.visible_at > now || stored.is_in(&blocked) {
                return true;
            }
            if redrive.as_ref().is_some_and(|(_, limit)| stored.message.receive_count >= *limit) {
                dead.push(stored.clone());
                return false;
            }
            issued += 1;
            stored.visible_at = after(now, visibility);
            stored.message.receive_count += 1;
            stored.message.receipt_handle = format!("receipt-{issued}");
            received.push(stored.message.clone());
            true
        });
        state.issued = issued;
        if let Some((target, _)) = redrive {
            for mut stored in dead {
                stored.message.queue = target.clone();
                state.queues.entry(target.clone()).or_default().messages.push(stored);
            }
        }
        received
    }

    /// Receives this message, where it is visible, and hides it for `visibility`: a test that decides about the order
    /// picks by [`InMemoryQueues::visible`]. Of a FIFO queue it gives the first of its group alone.
    pub fn receive_one(&self, queue: &QueueArn, message_id: &str, visibility: Duration) -> Option<Incoming> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let issued = state.number();
        let found = state.queues.get_mut(queue)?;
        let blocked = found.blocked(queue.is_fifo(), now);
        let index = found.messages.iter().position(|stored| {
            stored.message.message_id == message_id && stored.visible_at <= now && !stored.is_in(&blocked)
        })?;
        let group = found.messages.get(index).and_then(|stored| stored.group.clone());
        let earlier = |stored: &Stored| queue.is_fifo() && stored.group.is_some() && stored.group == group;
        if found.messages.iter().take(index).any(earlier) {
            return None;
        }
        let limit = found.redrive.as_ref().map(|(target, limit)| (target.clone(), *limit));
        let stored = found.messages.get_mut(index)?;
        if let Some((target, _)) = limit.filter(|(_, limit)| stored.message.receive_count >= *limit) {
            let mut dead = found.messages.remove(index);
            dead.message.queue = target.clone();
            state.queues.entry(target).or_default().messages.push(dead);
            return None;
        }
        stored.visible_at = after(now, visibility);
        stored.message.receive_count += 1;
        stored.message.receipt_handle = format!("receipt-{issued}");
        Some(stored.message.clone())
    }

    /// The ids of the messages that can be received now, in the order of their arrival.
    pub fn visible(&self, queue: &QueueArn) -> Vec<String> {
        let (state, now) = (self.state.lock(), self.clock.now());
        let Some(found) = state.queues.get(queue) else { return Vec::new() };
        let blocked = found.blocked(queue.is_fifo(), now);
        let visible = found.messages.iter().filter(|stored| stored.visible_at <= now && !stored.is_in(&blocked));
        visible.map(|stored| stored.message.message_id.clone()).collect()
    }

    /// When the next message of this queue that is hidden now becomes visible.
    pub fn next_visible(&self, queue: &QueueArn) -> Option<Timestamp> {
        let (state, now) = (self.state.lock(), self.clock.now());
        let found = state.queues.get(queue)?;
        found.messages.iter().map(|stored| stored.visible_at).filter(|at| *at > now).min()
    }

    /// Lets a message be handed out once more after `wait`, as a standard queue may do by itself: its copy has the same
    /// id, and deleting one leaves the other. Answers whether the message is there.
    pub fn duplicate(&self, queue: &QueueArn, message_id: &str, wait: Duration) -> bool {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let Some(found) = state.queues.get_mut(queue) else { return false };
        let original = found.messages.iter().find(|stored| stored.message.message_id == message_id);
        let Some(mut copy) = original.cloned() else { return false };
        copy.visible_at = after(now, wait);
        copy.message.receipt_handle = String::new();
        found.messages.push(copy);
        true
    }

    /// Sends a message that can be received after `wait`, as SQS's own delay does.
    ///
    /// # Errors
    /// When the queue refuses it.
    pub fn delay(&self, queue: &QueueArn, outgoing: &Outgoing, wait: Duration) -> Result<(), SendError> {
        let id = self.accept(queue, outgoing)?;
        let visible_at = after(self.clock.now(), wait);
        let mut state = self.state.lock();
        let messages = state.queues.get_mut(queue).into_iter().flat_map(|found| found.messages.iter_mut());
        messages.filter(|stored| stored.message.message_id == id).for_each(|stored| stored.visible_at = visible_at);
        Ok(())
    }

    /// Deletes the message that was received with this handle; false where it was received again since.
    pub fn delete(&self, queue: &QueueArn, receipt_handle: &str) -> bool {
        let mut state = self.state.lock();
        let Some(found) = state.queues.get_mut(queue) else { return false };
        let before = found.messages.len();
        found.messages.retain(|stored| stored.message.receipt_handle != receipt_handle);
        found.messages.len() < before
    }

    /// All messages of a queue, hidden or not, in the order of their arrival. Nothing is received by looking.
    pub fn messages(&self, queue: &QueueArn) -> Vec<Incoming> {
        let state = self.state.lock();
        let found = state.queues.get(queue);
        found.map(|found| found.messages.iter().map(|stored| stored.message.clone()).collect()).unwrap_or_default()
    }

    /// When the message of this id can be received again, where it is there.
    pub fn visible_at(&self, queue: &QueueArn, message_id: &str) -> Option<Timestamp> {
        let state = self.state.lock();
        let found = state.queues.get(queue)?;
        found.messages.iter().find(|stored| stored.message.message_id == message_id).map(|stored| stored.visible_at)
    }

    /// How many messages a queue holds.
    pub fn depth(&self, queue: &QueueArn) -> Depth {
        let (state, now) = (self.state.lock(), self.clock.now());
        let Some(found) = state.queues.get(queue) else { return Depth::default() };
        let visible = found.messages.iter().filter(|stored| stored.visible_at <= now).count();
        Depth { visible, hidden: found.messages.len() - visible }
    }

    /// The group of a message in a FIFO queue.
    pub fn group(&self, queue: &QueueArn, message_id: &str) -> Option<String> {
        let state = self.state.lock();
        let mut messages = state.queues.get(queue)?.messages.iter();
        messages.find(|stored| stored.message.message_id == message_id)?.group.clone()
    }

    /// The queues that hold or held a message.
    pub fn names(&self) -> Vec<QueueArn> {
        self.state.lock().queues.keys().cloned().collect()
    }

    fn accept(&self, queue: &QueueArn, outgoing: &Outgoing) -> Result<String, SendError> {
        let refused = |why: &str| Err(SendError::Refused(why.to_owned()));
        let now = self.clock.now();
        let mut state = self.state.lock();
        if state.missing.contains(queue) {
            return refused("the queue does not exist");
        }
        if outgoing.body.is_empty() || outgoing.bytes() > MAX_BYTES || outgoing.attributes.len() > MAX_ATTRIBUTES {
            return refused("the message is empty, larger than 1 MiB or has more than ten attributes");
        }
        if queue.is_fifo() && outgoing.group.is_none() {
            return refused("a message to a FIFO queue needs a group");
        }
        let id = format!("message-{}", state.number());
        let found = state.queues.entry(queue.clone()).or_default();
        if queue.is_fifo() {
            let Some(deduplication) = outgoing.deduplication.clone() else {
                return refused("a message to a FIFO queue needs a deduplication id");
            };
            if let Some((until, known)) = found.known.get(&deduplication)
                && *until > now
            {
                return Ok(known.clone());
            }
            found.known.insert(deduplication, (after(now, DEDUPLICATION), id.clone()));
        }
        let message = Incoming {
            message_id: id.clone(),
            receipt_handle: String::new(),
            body: outgoing.body.clone(),
            attributes: outgoing.attributes.clone(),
            receive_count: 0,
            sent_at: now,
            queue: queue.clone(),
            group: outgoing.group.clone(),
            sender: None,
        };
        found.messages.push(Stored { message, group: outgoing.group.clone(), visible_at: now });
        Ok(id)
    }
}

impl Queues for InMemoryQueues {
    async fn send(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Result<String, SendError>> {
        const OPERATION: &str = "send messages";
        self.sends.answers().await;
        let down = self.sends.call(OPERATION).is_err();
        let send = |(index, outgoing): (usize, &Outgoing)| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test").into());
            }
            self.sends.entry(OPERATION, index)?;
            self.accept(queue, outgoing)
        };
        messages.iter().enumerate().map(send).collect()
    }

    async fn hide(&self, queue: &QueueArn, messages: &[(String, Duration)]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "hide messages";
        self.hides.answers().await;
        let down = self.hides.call(OPERATION).is_err();
        let now = self.clock.now();
        let hide = |(index, (handle, time)): (usize, &(String, Duration))| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.hides.entry(OPERATION, index)?;
            let mut state = self.state.lock();
            let messages = state.queues.get_mut(queue).map(|found| found.messages.iter_mut());
            let known = |stored: &&mut Stored| stored.message.receipt_handle == *handle && stored.visible_at > now;
            let stored = messages
                .and_then(|mut messages| messages.find(known))
                .ok_or_else(|| Unavailable::new(OPERATION, "no message is hidden under this receipt handle"))?;
            stored.visible_at = after(now, *time);
            Ok(())
        };
        messages.iter().enumerate().map(hide).collect()
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "delete messages";
        let down = self.deletes.call(OPERATION).is_err();
        let delete = |(index, handle): (usize, &String)| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.deletes.entry(OPERATION, index)?;
            let deleted = Self::delete(self, queue, handle);
            let error = || Unavailable::new(OPERATION, "no message has this receipt handle");
            if deleted { Ok(()) } else { Err(error()) }
        };
        handles.iter().enumerate().map(delete).collect()
    }
}
