//! Rates that all instances of a function keep together: which attempts may start now, and which have a reservation for
//! later.
//!
//! The limiter is the generic cell rate algorithm (<https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>). The
//! store holds one time for each limiter, its *theoretical arrival time* (`tat`): from then on the next start is free.
//! A batch moves it by as many starts as it needs, by compare-and-set. The starts that are free now begin. The others
//! get reservations, one after the other, up to [`HORIZON`] and [`MOST_AHEAD`] starts ahead: each message is hidden
//! until the time of its reservation and need not ask again then. A message that gets none waits outside its queue
//! ([`crate::delivery::delay`]) and asks again.
//!
//! A start that two rates limit passes several [`limiters`], one after the other, always in the same order.
//!
//! The name of a limiter says its rate. So a rate that changed has a new limiter: no message waits behind reservations
//! of the old rate, and those are void. A message that holds one comes back at its time and asks anew.
//!
//! Invariants:
//! - Over any span of length t, at most `rate * t + burst` starts are granted.
//! - A reservation that is not used within [`LATE`] of its time is lost, so that reservations never pile up behind an
//!   outage.
//! - A reservation is good in its own limiter alone. The limiter of a sink's own rate is the last one: every start
//!   passes it.
//! - To wait for a reservation uses no attempt.
//!
//! Not guaranteed:
//! - That starts are evenly spread within a second, because SQS hides messages for whole seconds.
//! - The rate while it changes: for the seconds in which some instances go by the old one and some by the new, both
//!   hold, and the new one begins with its burst.
//! - A shared rate to the moment: messages that passed its limiter may wait for their sink's own, and start together
//!   with others then.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::SinkId;
use crate::time::after;

/// How far ahead reservations are given.
pub const HORIZON: Duration = Duration::from_mins(10);

/// How many reservations are given ahead: who has one is hidden, and SQS lets 120,000 messages of a queue be hidden or
/// handled at once.
pub const MOST_AHEAD: u32 = 20_000;

/// How late a reservation may be taken.
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
    pub fn shared_by(self, active_tenants: u32) -> Self {
        let active_tenants = active_tenants.max(1);
        Self { per_second: self.per_second / f64::from(active_tenants), burst: (self.burst / active_tenants).max(1) }
    }

    /// How far ahead reservations are given.
    pub fn ahead(self) -> Duration {
        let interval = u64::try_from(self.interval_us()).unwrap_or(u64::MAX);
        HORIZON.min(Duration::from_micros(interval.saturating_mul(u64::from(MOST_AHEAD))))
    }

    /// How long those wait who found no reservation, by a number in `[0, 1)`: spread, so that they do not come back all
    /// at once, and not until the limiter is empty.
    pub fn wait_for_room(self, chance: f64) -> Duration {
        self.ahead().mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }

    /// The time from one start to the next, in microseconds; at least 1.
    pub(crate) fn interval_us(self) -> i64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a rate is validated to lie between one in an hour and 100,000 a second"
        )]
        let interval = (1_000_000.0 / self.per_second.max(1e-4)) as i64;
        interval.max(1)
    }
}

/// A reservation of a rate, and whose it is: another copy of the message may not take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// When the attempt may begin.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// SQS's id of the message that has it.
    pub message: String,
    /// The name of the rate that it is of. A record of earlier times says none, and its reservation is good nowhere.
    #[serde(default)]
    pub rate: String,
}

/// Which of the limiters that a start passes. They are passed in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The way into the shared limiter, at the sink's own rate: what the sink may not start does not stand in the way
    /// of its tenant's others.
    PreLimiter,
    /// The tenant's share of the rate that all tenants share.
    Shared,
    /// The sink's own rate.
    Own,
}

/// A limiter that a start has to pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Limiter {
    /// Which one it is.
    pub stage: Stage,
    /// The name of its theoretical arrival time, among the tenant's: what it is of, and how fast it moves.
    pub name: String,
    /// How fast it moves.
    pub rate: Rate,
}

impl Limiter {
    /// The limiter of a tenant's share of what all tenants share.
    pub fn shared(what: &str, share: Rate) -> Self {
        // No sink's id begins with `@`.
        Self::of(Stage::Shared, &format!("@{what}"), share)
    }

    fn of(stage: Stage, what: &str, rate: Rate) -> Self {
        Self { stage, name: format!("{what}#{}us#{}", rate.interval_us(), rate.burst), rate }
    }

    /// The same limiter for a while in which nobody may start of what was saved up.
    #[must_use]
    pub fn without_burst(self) -> Self {
        Self { rate: Rate { burst: 1, ..self.rate }, ..self }
    }
}

/// The limiters that the starts of a sink pass, in their order: by its own rate, and by its tenant's share of a shared
/// one.
pub fn limiters(sink: &SinkId, own: Option<Rate>, share: Option<&Limiter>) -> Vec<Limiter> {
    let mut limiters = Vec::new();
    if let (Some(own), Some(share)) = (own, share)
        && own.interval_us() > share.rate.interval_us()
    {
        limiters.push(Limiter::of(Stage::PreLimiter, &format!("@pre-{sink}"), own));
    }
    limiters.extend(share.cloned());
    limiters.extend(own.map(|rate| Limiter::of(Stage::Own, sink.as_str(), rate)));
    limiters
}

/// The limiters that a message has still to pass, given the reservation that its delivery has.
pub fn ahead_of<'a>(
    limiters: &'a [Limiter],
    reservation: Option<&Reservation>,
    message_id: &str,
    now: Timestamp,
) -> &'a [Limiter] {
    let good = reservation.filter(|reservation| reservation.message == message_id && holds(reservation.at, now));
    let passed = good.and_then(|reservation| limiters.iter().position(|limiter| limiter.name == reservation.rate));
    passed.and_then(|passed| limiters.get(passed.saturating_add(1)..)).unwrap_or(limiters)
}

/// The reservations of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// How many may start now.
    pub now: usize,
    /// The times of those that follow, rising.
    pub later: Vec<Timestamp>,
    /// Where the theoretical arrival time is to stand, in microseconds since 1970; `None` where nothing is taken.
    pub tat: Option<i64>,
}

/// Finds reservations for `wanted` starts, given where the theoretical arrival time stands. What exceeds the
/// reservations of `now` and `later` has none.
pub fn assign(tat: Option<i64>, rate: Rate, wanted: usize, now: Timestamp) -> Granted {
    let interval = rate.interval_us();
    let now_us = now.as_microsecond();
    // An unused rate has saved up at most its burst.
    let saved = now_us.saturating_sub(interval.saturating_mul(i64::from(rate.burst.max(1)) - 1));
    let first = tat.map_or(saved, |tat| tat.max(saved));
    let horizon = after(now, rate.ahead()).as_microsecond();
    let mut granted = Granted { now: 0, later: Vec::new(), tat: None };
    for number in 0..wanted {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let reservation = first.saturating_add(interval.saturating_mul(number));
        if reservation > horizon {
            break;
        }
        match Timestamp::from_microsecond(reservation) {
            Ok(time) if reservation > now_us => granted.later.push(time),
            _ => granted.now += 1,
        }
        granted.tat = Some(reservation.saturating_add(interval));
    }
    granted
}

/// Whether a reservation is still good, or only comes.
fn holds(reservation: Timestamp, now: Timestamp) -> bool {
    after(reservation, LATE) >= now
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
        let granted = assign(None, FIFTY, 12, at(0));
        assert_eq!(granted.now, 10);
        let later: Vec<i64> = granted
            .later
            .iter()
            .map(|reservation| (*reservation - at(0)).get_milliseconds() + (*reservation - at(0)).get_seconds() * 1000)
            .collect();
        assert_eq!(later, [20, 40]);
        assert_eq!(granted.tat, Some(at(0).as_microsecond() + 60_000));
    }

    #[test]
    fn whoever_asks_later_stands_behind_and_a_rate_holds_over_any_span() {
        let (mut tat, mut taken) = (None, Vec::new());
        for second in 0..20 {
            let found = assign(tat, FIFTY, 200, at(second));
            taken.extend(std::iter::repeat_n(at(second), found.now).chain(found.later.iter().copied()));
            tat = found.tat.or(tat);
        }
        taken.sort_unstable();
        for (index, start) in taken.iter().enumerate() {
            let within = taken[index..]
                .iter()
                .filter(|reservation| **reservation < after(*start, Duration::from_secs(10)))
                .count();
            assert!(within <= 510, "{within} starts in ten seconds");
        }
    }

    #[test]
    fn beyond_the_horizon_there_is_no_place_and_the_mark_stays() {
        let slow = Rate { per_second: 0.01, burst: 1 };
        let first = assign(None, slow, 100, at(0));
        assert_eq!((first.now, first.later.len()), (1, 6), "one each 100 s, for ten minutes");
        let next = assign(first.tat, slow, 5, at(1));
        assert_eq!((next.now, next.later.len(), next.tat), (0, 0, None));
        assert_eq!(assign(first.tat, slow, 1, at(101)).later.len(), 1);
    }

    #[test]
    fn of_a_high_rate_no_more_than_twenty_thousand_places_are_given_ahead() {
        let fast = Rate { per_second: 1000.0, burst: 1 };
        let found = assign(None, fast, 50_000, at(0));
        assert_eq!((found.now, found.later.len()), (1, 20_000));
        assert_eq!(assign(found.tat, fast, 10, at(0)).tat, None);
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
        let share = Limiter::shared("mail", FIFTY);
        let names = |own: Option<f64>, share: Option<&Limiter>| {
            let own = own.map(Rate::bursting_a_second);
            limiters(&sink, own, share).into_iter().map(|limiter| (limiter.stage, limiter.name)).collect::<Vec<_>>()
        };
        let (door, shared) =
            ((Stage::PreLimiter, "@pre-crm#20408us#49".to_owned()), (Stage::Shared, "@mail#20000us#10".to_owned()));
        let own = |numbers: &str| (Stage::Own, format!("crm#{numbers}"));
        assert_eq!(names(None, None), []);
        assert_eq!(names(Some(1.0), None), [own("1000000us#1")]);
        assert_eq!(names(None, Some(&share)), std::slice::from_ref(&shared));
        assert_eq!(names(Some(50.0), Some(&share)), [shared.clone(), own("20000us#50")]);
        assert_eq!(names(Some(49.0), Some(&share)), [door, shared, own("20408us#49")]);
    }

    #[test]
    fn a_place_counts_for_its_message_in_its_line_and_what_comes_before_it_alone() {
        let limiters = limiters(&"crm".parse().unwrap(), Some(FIFTY), Some(&Limiter::shared("mail", FIFTY)));
        let reservation = |rate: &str| Reservation { at: at(10), message: "m".to_owned(), rate: rate.to_owned() };
        let left = |reservation: Option<&Reservation>, message: &str, now: i64| {
            ahead_of(&limiters, reservation, message, at(now)).len()
        };
        assert_eq!(left(None, "m", 10), 2);
        assert_eq!(left(Some(&reservation("@mail#20000us#10")), "m", 10), 1);
        assert_eq!(left(Some(&reservation("crm#20000us#10")), "m", 10), 0);
        assert_eq!(left(Some(&reservation("crm#20000us#10")), "copy", 10), 2);
        assert_eq!(left(Some(&reservation("crm#20000us#10")), "m", 16), 2, "too late");
        assert_eq!(left(Some(&reservation("crm#10000us#10")), "m", 10), 2);
    }

    #[test]
    fn while_a_line_has_no_burst_it_is_the_same_line_and_gives_one_place_at_once() {
        let limiter = Limiter::shared("mail", FIFTY);
        let without = limiter.clone().without_burst();
        assert_eq!((without.name, assign(None, without.rate, 3, at(0)).now), (limiter.name, 1));
    }

    #[test]
    fn a_shared_rate_never_gets_a_burst_of_nothing() {
        assert_eq!(FIFTY.shared_by(20), Rate { per_second: 2.5, burst: 1 });
    }
}
