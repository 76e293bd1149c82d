//! A clock that stands still until a test moves it.

use std::time::Duration;

use acequia_core::ledger::after;
use acequia_core::port::Clock;
use jiff::Timestamp;

use crate::shared::Shared;

/// Time under the test's control.
#[derive(Debug, Clone)]
pub struct FixedClock(Shared<Timestamp>);

impl FixedClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Shared::new(now))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock();
        *now = after(*now, by);
    }

    /// Puts the clock to a time.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock() = now;
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
        *self.0.lock()
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
