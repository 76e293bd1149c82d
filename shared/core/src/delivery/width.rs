//! How many requests one instance has under way to one endpoint at once: as many as the endpoint answers without
//! becoming slower, found by trying.
//!
//! The rule is AIMD, as TCP's: each answer in time widens, an answer of an endpoint that is overloaded halves, one that
//! took much longer than usual narrows a little. Until it is narrowed for the first time, it doubles with each round of
//! answers. What is known of it lives with the instance, and is found again by the next one.
//!
//! Invariants:
//! - It is never below one and never above [`MOST`], nor above what the tenant wants for its sink.
//! - It grows only where it is used up, so that a quiet time proves nothing.
//! - One overload narrows once: the other requests that were under way with it do not count again.

use std::time::Duration;

use jiff::Timestamp;

use crate::outcome::Cause;
use crate::outcome::connection::ConnectionFailure;

/// Where it begins.
pub const START: usize = 16;
/// The most requests that an instance has under way at once: each takes some 50 kB beside its event.
pub const MOST: usize = 128;

/// What overload leaves of it.
const AFTER_OVERLOAD: f64 = 0.5;
/// What slowness leaves of it.
const AFTER_SLOWNESS: f64 = 0.9;
/// An answer is slow that takes so many times as long as usual, and this much longer besides: our own work between two
/// answers takes some time, too.
const SLOW: f64 = 2.5;
const SLOW_BESIDES: Duration = Duration::from_millis(50);
/// How much of what is usual an answer makes up.
const WEIGHT: f64 = 0.1;

/// What one attempt says of the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The endpoint answered, in the time that the attempt took.
    Answered,
    /// It, or what stands before it, has too much to do.
    Overloaded,
    /// Nothing: it did not come so far, or was refused for what it is.
    Silent,
}

impl Signal {
    /// What came of an attempt.
    pub fn of<T>(result: &Result<T, Cause>) -> Self {
        match result {
            Ok(_) => Self::Answered,
            Err(
                Cause::Timeout(_)
                | Cause::NoAnswer
                | Cause::Throttled(_)
                | Cause::Connection(ConnectionFailure::ConnectTimeout | ConnectionFailure::Reset)
                | Cause::Status { code: 429 | 502..=504, .. },
            ) => Self::Overloaded,
            Err(_) => Self::Silent,
        }
    }
}

/// The width that a rate of so many starts a second has use for: SES answers within a second.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 1 and MOST")]
pub fn of_rate(per_second: f64) -> usize {
    per_second.ceil().clamp(1.0, f64::from(u32::try_from(MOST).unwrap_or(1))) as usize
}

/// The width of one endpoint, as one instance found it.
#[derive(Debug, Clone)]
pub struct Width {
    limit: f64,
    /// Whether it was never narrowed.
    untried: bool,
    /// How long an answer usually takes, in seconds.
    usual: Option<f64>,
    /// When it was narrowed last.
    narrowed_at: Option<Timestamp>,
}

impl Width {
    /// One that begins here.
    pub fn starting_at(width: usize) -> Self {
        let width = u32::try_from(width.clamp(1, MOST)).unwrap_or(1);
        Self { limit: f64::from(width), untried: true, usual: None, narrowed_at: None }
    }

    /// How many may be under way now.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 1 and MOST")]
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// How long an answer usually takes; `None` before the first one.
    pub fn usual(&self) -> Option<Duration> {
        self.usual.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// Learns from an attempt that began at `begun` and took `took`. `was_full` says whether others had to wait
    /// meanwhile.
    pub fn learn(&mut self, signal: Signal, (begun, took): (Timestamp, Duration), was_full: bool, now: Timestamp) {
        match signal {
            Signal::Silent => {}
            Signal::Overloaded => self.narrow(AFTER_OVERLOAD, begun, now),
            Signal::Answered => {
                let took = took.as_secs_f64();
                let usual = *self.usual.get_or_insert(took);
                self.usual = Some(usual + WEIGHT * (took - usual));
                if took > usual * SLOW + SLOW_BESIDES.as_secs_f64() {
                    self.narrow(AFTER_SLOWNESS, begun, now);
                } else if was_full {
                    self.limit += if self.untried { 1.0 } else { 1.0 / self.limit };
                }
            }
        }
        self.limit = self.limit.clamp(1.0, f64::from(u32::try_from(MOST).unwrap_or(1)));
    }

    fn narrow(&mut self, leaves: f64, begun: Timestamp, now: Timestamp) {
        if self.narrowed_at.is_some_and(|narrowed| begun < narrowed) {
            return;
        }
        self.limit *= leaves;
        self.untried = false;
        self.narrowed_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::after;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: u64) -> Timestamp {
        after(Timestamp::from_second(1_000_000).unwrap(), Duration::from_secs(second))
    }

    /// A round of answers by all that were under way, each after `took`.
    fn round(width: &mut Width, signal: Signal, second: u64, took: Duration) {
        for _ in 0..width.limit() {
            width.learn(signal, (at(second), took), true, after(at(second), took));
        }
    }

    #[test]
    fn it_doubles_with_each_round_of_answers_up_to_the_most() {
        let mut width = Width::starting_at(START);
        let mut found = Vec::new();
        for second in 0..4 {
            found.push(width.limit());
            round(&mut width, Signal::Answered, second, SECOND / 2);
        }
        assert_eq!((found, width.limit()), (vec![16, 32, 64, 128], MOST));
    }

    #[test]
    fn overload_halves_it_once_and_then_it_grows_by_one_a_round() {
        let mut width = Width::starting_at(64);
        round(&mut width, Signal::Overloaded, 0, SECOND);
        assert_eq!(width.limit(), 32, "one overload is one, however many felt it");
        round(&mut width, Signal::Answered, 2, SECOND);
        round(&mut width, Signal::Answered, 4, SECOND);
        assert!((33..=34).contains(&width.limit()), "{width:?}");
        round(&mut width, Signal::Overloaded, 6, SECOND);
        assert!((16..=17).contains(&width.limit()), "{width:?}");
    }

    #[test]
    fn an_endpoint_that_becomes_slower_with_more_requests_narrows_it_a_little() {
        let mut width = Width::starting_at(64);
        round(&mut width, Signal::Answered, 0, SECOND / 10);
        let before = width.limit();
        width.learn(Signal::Answered, (at(1), SECOND), true, at(2));
        assert!(width.limit() < before && width.limit() > before * 8 / 10, "{width:?}");
    }

    #[test]
    fn an_endpoint_that_is_slow_always_is_not_overloaded() {
        let mut width = Width::starting_at(START);
        for second in 0..20 {
            round(&mut width, Signal::Answered, second * 10, SECOND * 3);
        }
        assert_eq!(width.limit(), MOST);
    }

    #[test]
    fn what_is_not_used_up_does_not_grow_and_what_says_nothing_changes_nothing() {
        let mut width = Width::starting_at(START);
        for second in 0..100 {
            width.learn(Signal::Answered, (at(second), SECOND), false, at(second + 1));
            width.learn(Signal::Silent, (at(second), SECOND), true, at(second + 1));
        }
        assert_eq!(width.limit(), START);
    }

    #[test]
    fn it_is_never_less_than_one() {
        let mut width = Width::starting_at(0);
        for second in 0..20 {
            round(&mut width, Signal::Overloaded, second * 10, SECOND);
        }
        assert_eq!(width.limit(), 1);
        assert_eq!(Width::starting_at(1_000).limit(), MOST);
        assert_eq!([0.1, 14.0, 14.5, 1e9].map(of_rate), [1, 14, 15, MOST]);
    }

    #[test]
    fn what_an_attempt_says_is_said_by_its_cause() {
        let status = |code| Err::<(), _>(Cause::Status { code, retry_after: None });
        for (result, signal) in [
            (Ok(()), Signal::Answered),
            (Err(Cause::Timeout(SECOND)), Signal::Overloaded),
            (status(429), Signal::Overloaded),
            (status(503), Signal::Overloaded),
            (status(404), Signal::Silent),
            (Err(Cause::Permanent { code: 422 }), Signal::Silent),
            (Err(Cause::Connection(ConnectionFailure::Refused)), Signal::Silent),
            (Err(Cause::NoTime), Signal::Silent),
        ] {
            assert_eq!(Signal::of(&result), signal, "{result:?}");
        }
    }
}
