//! How many events a tenant may hand in: a rate that all instances of the door keep together.
//!
//! The limiter is the same algorithm as that of sinks ([`crate::delivery::rate`]), with two differences: nobody waits at
//! the door, so there are no reservations, and an instance takes [`chunk`] permits at once and gives them out by itself
//! for [`HELD`], so that small requests cost no write each. Permits that it does not need in this time are lost: the
//! rate is never exceeded for them.
//!
//! A request of more events than the burst passes when the whole burst is there, and those behind it wait the longer.

use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::rate::Rate;

/// How long an instance may give out the permits that it took.
pub const HELD: Duration = Duration::from_secs(1);

/// The most permits that an instance takes ahead.
const MOST: u32 = 100;

/// How many permits an instance takes at once: a second's worth, at most a hundred, and no more than half the burst, so
/// that one instance leaves something to the others.
pub fn chunk(rate: Rate) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 1 and 100 already")]
    let second = rate.per_second.clamp(1.0, f64::from(MOST)) as u32;
    second.min(rate.burst / 2).max(1)
}

/// What became of a wish for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many were taken, at least what is needed; the theoretical arrival time then stands there, in microseconds
    /// since 1970, and so many are left.
    Granted {
        /// How many.
        permits: u32,
        /// Where the theoretical arrival time is to stand.
        tat: i64,
        /// How many more could be taken now.
        left: u32,
    },
    /// Too few are there; they are after this time.
    Denied(Duration),
}

/// Takes `needed` permits at least, and `wanted` if they are there, given where the theoretical arrival time stands.
pub fn take(tat: Option<i64>, rate: Rate, needed: u32, wanted: u32, now: Timestamp) -> Taken {
    let interval = rate.interval_us();
    let now = now.as_microsecond();
    let burst = rate.burst.max(1);
    // An unused rate has saved up at most its burst.
    let full = now.saturating_sub(interval.saturating_mul(i64::from(burst)));
    let first = tat.map_or(full, |tat| tat.max(full));
    let there = u32::try_from(now.saturating_sub(first).max(0) / interval).unwrap_or(u32::MAX);
    let least = needed.min(burst);
    if there < least {
        let ready = first.saturating_add(interval.saturating_mul(i64::from(least)));
        let wait = u64::try_from(ready.saturating_sub(now)).unwrap_or_default();
        return Taken::Denied(Duration::from_micros(wait));
    }
    let permits = needed.max(wanted.min(there));
    let tat = first.saturating_add(interval.saturating_mul(i64::from(permits)));
    Taken::Granted { permits, tat, left: there.saturating_sub(permits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Rate = Rate { per_second: 10.0, burst: 20 };

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn the_burst_passes_at_once_and_then_the_rate() {
        let Taken::Granted { permits: 20, tat, left: 0 } = take(None, TEN, 20, 0, at(0)) else { panic!("the burst") };
        assert_eq!(take(Some(tat), TEN, 1, 5, at(0)), Taken::Denied(Duration::from_millis(100)));
        assert_eq!(take(Some(tat), TEN, 3, 5, at(100)), Taken::Denied(Duration::from_millis(200)));
        assert!(matches!(take(Some(tat), TEN, 1, 5, at(400)), Taken::Granted { permits: 4, left: 0, .. }));
    }

    #[test]
    fn a_request_beyond_the_burst_passes_when_all_of_it_is_there_and_is_paid_for_afterwards() {
        let Taken::Granted { permits: 50, tat, .. } = take(None, TEN, 50, 0, at(0)) else { panic!("all is there") };
        assert_eq!(take(Some(tat), TEN, 1, 0, at(0)), Taken::Denied(Duration::from_millis(3100)));
        assert!(matches!(take(None, TEN, 19, 0, at(0)), Taken::Granted { left: 1, .. }));
    }

    #[test]
    fn over_any_time_no_more_passes_than_the_rate_and_the_burst() {
        let (mut tat, mut passed) = (None, 0);
        for step in 0..1000 {
            if let Taken::Granted { permits, tat: next, .. } = take(tat, TEN, 3, chunk(TEN), at(step * 10)) {
                tat = Some(next);
                passed += permits;
            }
        }
        assert!((100..=120).contains(&passed), "{passed} in ten seconds");
    }

    #[test]
    fn a_chunk_is_a_seconds_worth_within_its_bounds() {
        let chunk = |per_second, burst| chunk(Rate { per_second, burst });
        assert_eq!([chunk(0.5, 1), chunk(10.0, 100), chunk(1000.0, 1000), chunk(1000.0, 10)], [1, 10, 100, 5]);
    }
}
