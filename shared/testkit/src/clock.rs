//! A clock that stands still until a test moves it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use acequia_core::ledger::after;
use acequia_core::port::Clock;
use jiff::Timestamp;

use crate::shared::Shared;

/// Time under the test's control.
#[derive(Debug, Clone)]
pub struct FixedClock(Shared<State>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    sleepers: Vec<Waker>,
}

impl FixedClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Shared::new(State { now, sleepers: Vec::new() }))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let to = after(self.now(), by);
        self.set(to);
    }

    /// Puts the clock to a time.
    pub fn set(&self, now: Timestamp) {
        let sleepers = {
            let mut state = self.0.lock();
            state.now = now;
            std::mem::take(&mut state.sleepers)
        };
        // Each looks again whether its time has come.
        sleepers.into_iter().for_each(Waker::wake);
    }
}

impl Default for FixedClock {
    /// It stands where [`crate::build::start`] is.
    fn default() -> Self {
        Self::at(crate::build::start())
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0.lock().now
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (clock, until) = (self.clone(), after(self.now(), time));
        Box::pin(poll_fn(move |context| {
            let mut state = clock.0.lock();
            if state.now >= until {
                return Poll::Ready(());
            }
            state.sleepers.push(context.waker().clone());
            Poll::Pending
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_only_when_it_is_told_to_and_for_all_handles() {
        let clock = FixedClock::default();
        let other = clock.clone();
        let before = clock.now();
        clock.advance(Duration::from_mins(1));
        assert_eq!(other.now(), after(before, Duration::from_mins(1)));
    }
}
