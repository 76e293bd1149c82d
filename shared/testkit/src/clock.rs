//! A clock that stands still until a test moves it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use acequia_core::port::Clock;
use acequia_core::time::after;
use jiff::Timestamp;

use crate::shared::Shared;

/// Time under the test's control.
#[derive(Debug, Clone)]
pub struct FixedClock(Shared<State>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    /// The sleeping tasks, by the time at which they wake; the number tells apart tasks that wake together.
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    issued: u64,
}

impl FixedClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Shared::new(State { now, sleepers: BTreeMap::new(), issued: 0 }))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let to = after(self.now(), by);
        self.set(to);
    }

    /// Puts the clock to a time.
    pub fn set(&self, now: Timestamp) {
        let woken: Vec<Waker> = {
            let mut state = self.0.lock();
            state.now = now;
            let later = state.sleepers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut state.sleepers, later).into_values().collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Returns when the first of the sleeping tasks wants to be woken.
    pub fn next_sleeper(&self) -> Option<Timestamp> {
        self.0.lock().sleepers.keys().next().map(|(until, _)| *until)
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
        let number = {
            let mut state = self.0.lock();
            state.issued += 1;
            state.issued
        };
        Box::pin(Sleep { clock: self.clone(), key: (after(self.now(), time), number) })
    }
}

/// Ends when the clock stands at its time or later; a task that drops it is not woken any more.
struct Sleep {
    clock: FixedClock,
    key: (Timestamp, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.0.lock();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        state.sleepers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.0.lock().sleepers.remove(&self.key);
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

    #[test]
    fn a_sleeper_is_woken_at_its_time_and_forgotten_when_it_is_dropped() {
        let clock = FixedClock::default();
        let mut sleep = clock.sleep(Duration::from_secs(5));
        let mut context = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        assert_eq!(clock.next_sleeper(), Some(after(clock.now(), Duration::from_secs(5))));
        clock.advance(Duration::from_secs(5));
        assert!(sleep.as_mut().poll(&mut context).is_ready());
        let mut other = clock.sleep(Duration::from_secs(1));
        assert!(other.as_mut().poll(&mut context).is_pending());
        drop(other);
        assert_eq!(clock.next_sleeper(), None);
    }
}
