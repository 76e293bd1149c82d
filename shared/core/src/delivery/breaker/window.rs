//! What one function instance sees of an endpoint, over the time that its breaker looks at.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::Breaker;
use crate::outcome::Cause;
use crate::time::after;

/// What one batch saw of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Deliveries that it took.
    pub successes: u32,
    /// Attempts that failed in a way that says that the endpoint is not well: no answer, or a status that is tried
    /// again.
    pub failures: u32,
    /// Whether it said that it is gone for good (410).
    pub gone: bool,
}

impl Seen {
    /// Adds what one attempt says of its endpoint.
    ///
    /// An answer that refuses this payload for good is an answer all the same: the endpoint lives. What was not
    /// attempted, or failed before it reached the endpoint, says nothing.
    pub fn add<T>(&mut self, result: &Result<T, Cause>) {
        match result {
            Err(Cause::Status { code: 410, .. }) => self.gone = true,
            Ok(_) | Err(Cause::Permanent { .. }) => self.successes += 1,
            Err(cause @ Cause::Status { .. }) if !cause.comes_back() => self.successes += 1,
            Err(Cause::Status { .. } | Cause::Timeout(_) | Cause::Connection(_)) => self.failures += 1,
            Err(_) => {}
        }
    }
}

/// What one instance saw of one endpoint lately.
#[derive(Debug, Clone, Default)]
pub struct Window {
    seen: VecDeque<(Timestamp, u32, u32)>,
}

impl Window {
    /// Adds what a batch saw, and forgets what is older than `within`.
    pub fn add(&mut self, seen: Seen, within: Duration, now: Timestamp) {
        if seen.successes + seen.failures > 0 {
            self.seen.push_back((now, seen.successes, seen.failures));
        }
        while self.seen.front().is_some_and(|(at, ..)| after(*at, within) < now) {
            self.seen.pop_front();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.seen.clear();
    }

    /// Whether what it holds opens the circuit.
    pub fn is_bad(&self, breaker: &Breaker) -> bool {
        let (good, bad) = self.seen.iter().fold((0_u64, 0_u64), |(good, bad), (_, successes, failures)| {
            (good + u64::from(*successes), bad + u64::from(*failures))
        });
        let all = good + bad;
        all >= u64::from(breaker.of.max(1)) && bad * 100 >= all * u64::from(breaker.failures)
    }
}
