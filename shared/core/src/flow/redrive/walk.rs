//! A walk through a dead-letter queue that sees each message once, and shows again what it leaves there.
//!
//! A queue cannot be read without receiving, and what was received is hidden for a while. So a walk hides messages for
//! longer than it lasts, knows them by their ids, and makes them visible at its end. Killed on the way, it leaves them
//! hidden for that time and no longer.
//!
//! Not guaranteed: that a walk sees what others hide, more than the 120,000 messages that SQS lets be hidden at once,
//! or what stands behind a hidden message of the same group in a FIFO queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Observer;
use crate::delivery::redrive::{Filter, Letter, Received};
use crate::port::{DeadLetters, Search, Unavailable};
use crate::queue::QueueArn;

/// SQS now and then gives nothing although something is there: twice in a row is the end. Once as many were seen as the
/// queue is said to hold, one quick look that gives nothing confirms it.
const EMPTY: u32 = 2;
/// So many receives in a row that bring only known messages are the end: the walk is around.
const KNOWN: u32 = 3;
/// The shortest time for which a walk hides messages, and what each message adds to it. A receive of ten takes
/// 20 to 500 ms; this is twice the longest.
const BASE: Duration = Duration::from_mins(1);
const EACH: Duration = Duration::from_millis(100);
/// The longest that SQS hides: 12 hours.
const LONGEST: Duration = Duration::from_hours(12);

/// What a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walked {
    /// The messages that were seen.
    pub seen: u64,
    /// Those of them that were meant.
    pub taken: u64,
    /// Whether the walk went to the end of what could be received.
    pub to_the_end: bool,
    /// Whether all could be made visible again; the others come back by themselves.
    pub shown: bool,
}

/// How long a walk through so many messages hides them.
pub(super) fn patience(depth: u64) -> Duration {
    BASE.saturating_add(EACH.saturating_mul(u32::try_from(depth).unwrap_or(u32::MAX))).min(LONGEST)
}

/// Walks through a queue of about `depth` messages and gives those that the filter takes to `take`, until that answers
/// false.
///
/// # Errors
/// When messages cannot be received. Those that were are visible again.
pub async fn walk(
    queues: &impl DeadLetters,
    queue: &QueueArn,
    depth: u64,
    filter: &Filter,
    watch: &impl Observer,
    mut take: impl FnMut(Received, Letter) -> bool,
) -> Result<Walked, Unavailable> {
    let (mut walker, mut found) = (Walker::new(queues, queue, patience(depth), depth), Walked::default());
    let ended = loop {
        if watch.ends() {
            break Ok(false);
        }
        let received = match walker.next().await {
            Ok(received) if received.is_empty() => break Ok(true),
            Ok(received) => received,
            Err(error) => break Err(error),
        };
        watch.dealt(received.len() as u64);
        let mut goes_on = true;
        for one in received {
            walker.keep(&one);
            let letter = Letter::read(&one.message);
            if goes_on && filter.takes(&letter) {
                found.taken += 1;
                goes_on = take(one, letter);
            }
        }
        if !goes_on {
            break Ok(false);
        }
    };
    found.seen = walker.seen();
    found.shown = walker.release().await;
    found.to_the_end = ended?;
    Ok(found)
}

/// Receives messages, each once, and remembers which are to stay.
pub(super) struct Walker<'a, D> {
    queues: &'a D,
    queue: &'a QueueArn,
    visibility: Duration,
    /// How many messages there are, as far as SQS knows.
    expected: u64,
    known: BTreeSet<String>,
    /// The handles of those that stay, by message id.
    kept: BTreeMap<String, String>,
}

impl<'a, D: DeadLetters> Walker<'a, D> {
    pub(super) fn new(queues: &'a D, queue: &'a QueueArn, visibility: Duration, expected: u64) -> Self {
        Self { queues, queue, visibility, expected, known: BTreeSet::new(), kept: BTreeMap::new() }
    }

    /// How many different messages were received.
    pub(super) fn seen(&self) -> u64 {
        self.known.len() as u64
    }

    /// The next messages that were not seen yet; none at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<Received>, Unavailable> {
        let (mut empty, mut known) = (0, 0);
        while empty < EMPTY && known < KNOWN {
            let all_seen = self.seen() >= self.expected;
            let search = if all_seen { Search::Quick } else { Search::Whole };
            let received = self.queues.receive(self.queue, self.visibility, search).await?;
            if received.is_empty() {
                empty += if all_seen { EMPTY } else { 1 };
                continue;
            }
            let (fresh, again): (Vec<_>, Vec<_>) =
                received.into_iter().partition(|one| self.known.insert(one.message.message_id.clone()));
            for one in again {
                // It was visible again before its time, or SQS handed it out twice: the newest handle is the valid one.
                if let Some(handle) = self.kept.get_mut(&one.message.message_id) {
                    *handle = one.message.receipt_handle;
                }
            }
            if !fresh.is_empty() {
                return Ok(fresh);
            }
            known += 1;
        }
        Ok(Vec::new())
    }

    /// Leaves a message where it is: the walk's end makes it visible.
    pub(super) fn keep(&mut self, one: &Received) {
        self.kept.insert(one.message.message_id.clone(), one.message.receipt_handle.clone());
    }

    /// Leaves messages where they are and hides them for longer than they were received for.
    pub(super) async fn keep_hidden(&mut self, some: &[Received], time: Duration) {
        for one in some {
            self.keep(one);
        }
        if time > self.visibility && !some.is_empty() {
            let handles: Vec<String> = some.iter().map(|one| one.message.receipt_handle.clone()).collect();
            // One that is not hidden longer is received again, and known then.
            let _ = self.queues.hide(self.queue, &handles, time).await;
        }
    }

    /// Makes visible what stays; answers whether all of it is.
    pub(super) async fn release(self) -> bool {
        let handles: Vec<String> = self.kept.into_values().collect();
        handles.is_empty() || self.queues.hide(self.queue, &handles, Duration::ZERO).await.iter().all(Result::is_ok)
    }
}
