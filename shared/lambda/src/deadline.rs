//! How long an invocation still has.

use std::time::Duration;

use acequia_core::port::Clock;
use jiff::Timestamp;

/// Time kept free at the end of an invocation: for the ledger, the dead-letter queue and the answer.
const RESERVE: Duration = Duration::from_secs(3);

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
        Self { at: at.filter(|at| *at > now).unwrap_or_else(|| acequia_core::ledger::after(now, fallback)) }
    }

    /// The time that effects may still take: what is left, less what is kept for settling.
    pub fn for_effects(&self, clock: &dyn Clock) -> Duration {
        let left = Duration::try_from(self.at.duration_since(clock.now())).unwrap_or_default();
        left.saturating_sub(RESERVE)
    }

    /// Until when a claim of this invocation holds.
    pub fn lease(&self) -> Timestamp {
        acequia_core::ledger::after(self.at, LEASE_MARGIN)
    }
}
