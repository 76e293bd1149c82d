//! How long an invocation still has.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use acequia_core::port::Clock;
use futures::future::{Either, select};
use jiff::Timestamp;

/// Time kept free at the end of an invocation: for the ledger, the dead-letter queue and the answer.
const RESERVE: Duration = Duration::from_secs(3);

/// Time kept free for the answer itself.
const ANSWER: Duration = Duration::from_millis(500);

/// By how much a lease outlives the invocation that holds it, so that a claim never ends while its holder still works.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// The end of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: Timestamp,
}

impl Deadline {
    /// An invocation that ends at `at`.
    pub fn at(at: Timestamp) -> Self {
        Self { at }
    }

    /// The deadline of an invocation, from Lambda's milliseconds since 1970.
    ///
    /// A deadline that has passed already (some local runtimes send a constant) counts as one in `fallback`.
    pub fn of_invocation(deadline_ms: u64, now: Timestamp, fallback: Duration) -> Self {
        let at = i64::try_from(deadline_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Self { at: at.filter(|at| *at > now).unwrap_or_else(|| acequia_core::time::after(now, fallback)) }
    }

    /// The time that effects may still take: what is left, less what is kept for settling.
    pub fn for_effects(&self, clock: &dyn Clock) -> Duration {
        self.left(clock).saturating_sub(RESERVE)
    }

    fn left(&self, clock: &dyn Clock) -> Duration {
        Duration::try_from(self.at.duration_since(clock.now())).unwrap_or_default()
    }

    /// Until when a claim of this invocation holds.
    pub fn lease(&self) -> Timestamp {
        acequia_core::time::after(self.at, LEASE_MARGIN)
    }
}

/// The clock of an invocation, and when that ends.
#[derive(Clone, Copy)]
pub struct Timing<'a> {
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The end.
    pub deadline: Deadline,
}

impl Timing<'_> {
    /// What this comes to in the time that effects may take; nothing where it takes longer.
    pub async fn for_effects<T>(self, work: impl Future<Output = T>) -> Option<T> {
        within(self.clock, self.deadline.for_effects(self.clock), work).await
    }

    /// What this comes to before the answer is due; nothing where it takes longer. So a store that is slow at the end
    /// costs what it was asked for, and not the whole batch its answer: without one, all of it would be done again.
    pub async fn for_settling<T>(self, work: impl Future<Output = T>) -> Option<T> {
        within(self.clock, self.deadline.left(self.clock).saturating_sub(ANSWER), work).await
    }
}

/// What this comes to within the time; nothing where it takes longer: then it is dropped where it stands.
pub async fn within<T>(clock: &dyn Clock, time: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), clock.sleep(time)).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(((), _)) => None,
    }
}
