//! Rates that all instances of a function keep together: who may start now, and who has a place in the line.
//!
//! A rate is one mark in the store, moved by compare-and-set: the time from which on the next start is free (the generic cell rate
//! algorithm, <https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>). A batch moves it by as many starts as it needs. Those that are free now start; the
//! others get their own times, one after the other, up to [`HORIZON`] and [`MOST_AHEAD`] starts ahead: each is hidden until its time and
//! need not ask again then. What finds no place that near waits outside its queue ([`crate::parking`]) and asks again.
//!
//! A start that two rates limit passes several [`lines`], one after the other, always in the same order.
//!
//! The name of a line says how fast it moves. So a rate that changed has a mark of its own: nobody waits behind the places that the old
//! one gave, and those are good no more. Who has one comes back at its time, and asks anew.
//!
//! Invariants:
//! - In any span of time there are no more places than the rate allows, and `burst` more.
//! - A place that is not taken within [`LATE`] of its time is lost, so that places never pile up behind an outage.
//! - A place is good in its own line alone. The line of a sink's own rate is the last one: no start passes it by.
//! - To wait for a place spends no attempt.
//!
//! Not guaranteed:
//! - That starts are evenly spread within a second, because SQS hides messages for whole seconds.
//! - The rate while it changes: for the seconds in which some instances go by the old one and some by the new, both hold, and the new one
//!   begins with its burst.
//! - A shared rate to the moment: what has passed its line may wait in its sink's own line, and start together with others then.

use std::time::Duration;

use jiff::Timestamp;

use crate::id::SinkId;
use crate::ledger::{Place, after};

/// How far ahead places are given.
pub const HORIZON: Duration = Duration::from_mins(10);

/// How many places are given ahead: who has one is hidden, and SQS lets 120,000 messages of a queue be hidden or handled at once.
pub const MOST_AHEAD: u32 = 20_000;

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

    /// How far ahead places are given.
    pub fn ahead(self) -> Duration {
        let interval = u64::try_from(self.interval_us()).unwrap_or(u64::MAX);
        HORIZON.min(Duration::from_micros(interval.saturating_mul(u64::from(MOST_AHEAD))))
    }

    /// How long those wait who found no place, by a number in `[0, 1)`: spread, so that they do not come back all at once, and not
    /// until the line is empty.
    pub fn wait_for_room(self, chance: f64) -> Duration {
        self.ahead().mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
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

/// Which of the lines that a start passes. They are passed in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The way into the shared line, at the sink's own rate: what the sink may not start does not stand in the way of its tenant's others.
    Door,
    /// The tenant's part of the rate that all tenants share.
    Shared,
    /// The sink's own rate.
    Own,
}

/// A line that a start has to pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Which one it is.
    pub stage: Stage,
    /// The name of its mark, among the tenant's: what it is of, and how fast it moves.
    pub name: String,
    /// How fast it moves.
    pub rate: Rate,
}

impl Line {
    /// The line of a tenant's part of what all tenants share.
    pub fn shared(what: &str, part: Rate) -> Self {
        // No sink's id begins with `@`.
        Self::of(Stage::Shared, &format!("@{what}"), part)
    }

    fn of(stage: Stage, what: &str, rate: Rate) -> Self {
        Self { stage, name: format!("{what}#{}us#{}", rate.interval_us(), rate.burst), rate }
    }

    /// The same line for a while in which nobody may start of what was saved up.
    #[must_use]
    pub fn without_burst(self) -> Self {
        Self { rate: Rate { burst: 1, ..self.rate }, ..self }
    }
}

/// The lines that the starts of a sink pass, in their order: by its own rate, and by its tenant's part of a shared one.
pub fn lines(sink: &SinkId, own: Option<Rate>, part: Option<&Line>) -> Vec<Line> {
    let mut lines = Vec::new();
    if let (Some(own), Some(part)) = (own, part)
        && own.interval_us() > part.rate.interval_us()
    {
        lines.push(Line::of(Stage::Door, &format!("@door-{sink}"), own));
    }
    lines.extend(part.cloned());
    lines.extend(own.map(|rate| Line::of(Stage::Own, sink.as_str(), rate)));
    lines
}

/// The lines that a message has still to pass, given the place that its delivery has.
pub fn ahead_of<'a>(lines: &'a [Line], place: Option<&Place>, message_id: &str, now: Timestamp) -> &'a [Line] {
    let good = place.filter(|place| place.message == message_id && holds(place.at, now));
    let passed = good.and_then(|place| lines.iter().position(|line| line.name == place.rate));
    passed.and_then(|passed| lines.get(passed.saturating_add(1)..)).unwrap_or(lines)
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
    let horizon = after(now, rate.ahead()).as_microsecond();
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
fn holds(place: Timestamp, now: Timestamp) -> bool {
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
    fn of_a_high_rate_no_more_than_twenty_thousand_places_are_given_ahead() {
        let fast = Rate { per_second: 1000.0, burst: 1 };
        let found = places(None, fast, 50_000, at(0));
        assert_eq!((found.now, found.later.len()), (1, 20_000));
        assert_eq!(places(found.mark, fast, 10, at(0)).mark, None);
        assert_eq!(fast.ahead(), Duration::from_secs(20));
        assert_eq!(
            (fast.wait_for_room(0.0), FIFTY.wait_for_room(1.0)),
            (Duration::from_secs(10), Duration::from_secs(400))
        );
        assert_eq!(Rate { per_second: 1.0, burst: 1 }.ahead(), HORIZON);
    }

    #[test]
    fn a_place_is_good_for_five_seconds() {
        assert!(holds(at(10), at(0)) && holds(at(10), at(15)) && !holds(at(10), at(16)));
    }

    #[test]
    fn a_start_passes_the_shared_line_before_its_sinks_own_and_a_slow_sink_comes_to_it_by_a_door() {
        let sink = "crm".parse().unwrap();
        let part = Line::shared("mail", FIFTY);
        let names = |own: Option<f64>, part: Option<&Line>| {
            let own = own.map(Rate::bursting_a_second);
            lines(&sink, own, part).into_iter().map(|line| (line.stage, line.name)).collect::<Vec<_>>()
        };
        let (door, shared) =
            ((Stage::Door, "@door-crm#20408us#49".to_owned()), (Stage::Shared, "@mail#20000us#10".to_owned()));
        let own = |numbers: &str| (Stage::Own, format!("crm#{numbers}"));
        assert_eq!(names(None, None), []);
        assert_eq!(names(Some(1.0), None), [own("1000000us#1")]);
        assert_eq!(names(None, Some(&part)), std::slice::from_ref(&shared));
        assert_eq!(names(Some(50.0), Some(&part)), [shared.clone(), own("20000us#50")]);
        assert_eq!(names(Some(49.0), Some(&part)), [door, shared, own("20408us#49")]);
    }

    #[test]
    fn a_place_counts_for_its_message_in_its_line_and_what_comes_before_it_alone() {
        let lines = lines(&"crm".parse().unwrap(), Some(FIFTY), Some(&Line::shared("mail", FIFTY)));
        let place = |rate: &str| Place { at: at(10), message: "m".to_owned(), rate: rate.to_owned() };
        let left = |place: Option<&Place>, message: &str, now: i64| ahead_of(&lines, place, message, at(now)).len();
        assert_eq!(left(None, "m", 10), 2);
        assert_eq!(left(Some(&place("@mail#20000us#10")), "m", 10), 1);
        assert_eq!(left(Some(&place("crm#20000us#10")), "m", 10), 0);
        assert_eq!(left(Some(&place("crm#20000us#10")), "copy", 10), 2);
        assert_eq!(left(Some(&place("crm#20000us#10")), "m", 16), 2, "too late");
        assert_eq!(left(Some(&place("crm#10000us#10")), "m", 10), 2);
    }

    #[test]
    fn while_a_line_has_no_burst_it_is_the_same_line_and_gives_one_place_at_once() {
        let line = Line::shared("mail", FIFTY);
        let without = line.clone().without_burst();
        assert_eq!((without.name, places(None, without.rate, 3, at(0)).now), (line.name, 1));
    }

    #[test]
    fn a_shared_rate_never_gets_a_burst_of_nothing() {
        assert_eq!(FIFTY.shared_by(20), Rate { per_second: 2.5, burst: 1 });
    }
}
