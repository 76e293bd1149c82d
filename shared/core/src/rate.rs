//! Rates that all instances of a function keep together: who may start now, and who has a place in the line.
//!
//! A rate is one mark in the store, moved by compare-and-set: the time from which on the next start is free (the generic cell rate
//! algorithm, <https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>). A batch moves it by as many starts as it needs. Those that are free now start; the
//! others get their own times, one after the other, up to [`HORIZON`] ahead: each is hidden until its time and need not ask again then.
//! What finds no place within the horizon waits for that long and asks again.
//!
//! Invariants:
//! - In any span of time there are no more places than the rate allows, and `burst` more.
//! - A place that is not taken within [`LATE`] of its time is lost, so that places never pile up behind an outage.
//! - To wait for a place spends no attempt.
//!
//! Not guaranteed: that starts are evenly spread within a second, because SQS hides messages for whole seconds.

use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::after;

/// How far ahead places are given.
pub const HORIZON: Duration = Duration::from_mins(10);

/// How late a place may be taken.
pub const LATE: Duration = Duration::from_secs(5);

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Starts in a second; may be below 1.
    pub per_second: f64,
    /// How many may start at once after a pause; at least 1.
    pub burst: u32,
}

impl Rate {
    /// A rate whose burst is what it allows in a second.
    pub fn bursting_a_second(per_second: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what a float cannot hold is cut off at the ends"
        )]
        let burst = (per_second.ceil() as u32).max(1);
        Self { per_second, burst }
    }

    /// The rate that each of so many has who share it.
    #[must_use]
    pub fn shared_by(self, sharers: u32) -> Self {
        let sharers = sharers.max(1);
        Self { per_second: self.per_second / f64::from(sharers), burst: (self.burst / sharers).max(1) }
    }

    fn interval_us(self) -> i64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a rate is validated to lie between one in an hour and 100,000 a second"
        )]
        let interval = (1_000_000.0 / self.per_second.max(1e-4)) as i64;
        interval.max(1)
    }
}

/// The places of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// How many may start now.
    pub now: usize,
    /// The times of those that follow, rising.
    pub later: Vec<Timestamp>,
    /// Where the mark is to stand, in microseconds since 1970; `None` where nothing is taken.
    pub mark: Option<i64>,
}

/// Finds places for `wanted` starts, given where the mark stands. What exceeds the places of `now` and `later` has none.
pub fn places(mark: Option<i64>, rate: Rate, wanted: usize, now: Timestamp) -> Places {
    let interval = rate.interval_us();
    let now_us = now.as_microsecond();
    // An unused rate has saved up at most its burst.
    let saved = now_us.saturating_sub(interval.saturating_mul(i64::from(rate.burst.max(1)) - 1));
    let first = mark.map_or(saved, |mark| mark.max(saved));
    let horizon = after(now, HORIZON).as_microsecond();
    let mut places = Places { now: 0, later: Vec::new(), mark: None };
    for number in 0..wanted {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let place = first.saturating_add(interval.saturating_mul(number));
        if place > horizon {
            break;
        }
        match Timestamp::from_microsecond(place) {
            Ok(time) if place > now_us => places.later.push(time),
            _ => places.now += 1,
        }
        places.mark = Some(place.saturating_add(interval));
    }
    places
}

/// Whether a place is still good, or only comes.
pub fn holds(place: Timestamp, now: Timestamp) -> bool {
    after(place, LATE) >= now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    const FIFTY: Rate = Rate { per_second: 50.0, burst: 10 };

    #[test]
    fn after_a_pause_the_burst_starts_at_once_and_the_rest_in_their_turn() {
        let places = places(None, FIFTY, 12, at(0));
        assert_eq!(places.now, 10);
        let later: Vec<i64> = places
            .later
            .iter()
            .map(|place| (*place - at(0)).get_milliseconds() + (*place - at(0)).get_seconds() * 1000)
            .collect();
        assert_eq!(later, [20, 40]);
        assert_eq!(places.mark, Some(at(0).as_microsecond() + 60_000));
    }

    #[test]
    fn whoever_asks_later_stands_behind_and_a_rate_holds_over_any_span() {
        let (mut mark, mut taken) = (None, Vec::new());
        for second in 0..20 {
            let found = places(mark, FIFTY, 200, at(second));
            taken.extend(std::iter::repeat_n(at(second), found.now).chain(found.later.iter().copied()));
            mark = found.mark.or(mark);
        }
        taken.sort_unstable();
        for (index, start) in taken.iter().enumerate() {
            let within = taken[index..].iter().filter(|place| **place < after(*start, Duration::from_secs(10))).count();
            assert!(within <= 510, "{within} starts in ten seconds");
        }
    }

    #[test]
    fn beyond_the_horizon_there_is_no_place_and_the_mark_stays() {
        let slow = Rate { per_second: 0.01, burst: 1 };
        let first = places(None, slow, 100, at(0));
        assert_eq!((first.now, first.later.len()), (1, 6), "one each 100 s, for ten minutes");
        let next = places(first.mark, slow, 5, at(1));
        assert_eq!((next.now, next.later.len(), next.mark), (0, 0, None));
        assert_eq!(places(first.mark, slow, 1, at(101)).later.len(), 1);
    }

    #[test]
    fn a_place_is_good_for_five_seconds() {
        assert!(holds(at(10), at(0)) && holds(at(10), at(15)) && !holds(at(10), at(16)));
    }

    #[test]
    fn a_shared_rate_never_gets_a_burst_of_nothing() {
        assert_eq!(FIFTY.shared_by(20), Rate { per_second: 2.5, burst: 1 });
    }
}
