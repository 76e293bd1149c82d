//! An endpoint's days: when its circuit opens and closes, when operators are told, and when it is disabled.

use super::super::alert::OPENED;
use super::super::note_held_back;
use super::super::window::{Seen, Window};
use super::*;
use crate::outcome::{DisabledBy, Hold};

const URL: &str = "digest";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn bad(failures: u32) -> Seen {
    Seen { failures, ..Seen::default() }
}

fn good(successes: u32) -> Seen {
    Seen { successes, ..Seen::default() }
}

/// One instance with its window, over one row.
#[derive(Default)]
struct Instance {
    row: Option<EndpointState>,
    window: Window,
    warnings: Vec<u8>,
    writes: u32,
}

impl Instance {
    fn gate(&self, by: &str, now: i64) -> Gate {
        gate(self.row.as_ref(), URL, Some(&Breaker::default()), by, at(now))
    }

    fn see(&mut self, seen: Seen, by: &str, now: i64) -> bool {
        let breaker = Breaker::default();
        self.window.add(seen, breaker.within, at(now));
        let observed = observe(self.row.as_ref(), URL, Some(&breaker), (seen, &self.window), by, at(now));
        let Some(observed) = observed else { return false };
        assert_eq!(observed.state.revision, self.row.as_ref().map_or(0, |row| row.revision) + 1);
        self.writes += 1;
        self.warnings.extend(observed.pending_alert.map(|pending_alert| match pending_alert.alert {
            Alert::Fails { percent, .. } => percent,
            Alert::Gone => 0,
        }));
        self.row = Some(observed.state);
        observed.turns
    }

    fn is_disabled(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.disabled.is_some())
    }

    /// Lets the probe that is due be sent, and fail or not.
    fn probe(&mut self, seen: Seen, by: &str, now: i64) {
        let Gate::Probe(state) = self.gate(by, now) else { panic!("no probe is due: {:?}", self.gate(by, now)) };
        self.row = Some(*state);
        self.window.clear();
        self.see(seen, by, now);
    }
}

#[test]
fn seven_failures_of_ten_open_the_circuit_and_fewer_do_not() {
    let mut instance = Instance::default();
    instance.see(good(3), "a", 0);
    instance.see(bad(6), "a", 1);
    assert_eq!(instance.gate("b", 2), Gate::Go, "nine attempts are too few");
    assert!(instance.see(bad(1), "a", 3));
    assert_eq!(instance.gate("b", 4), Gate::Hold(Duration::from_secs(29)));
    let mut instance = Instance::default();
    instance.see(good(4), "a", 0);
    instance.see(bad(9), "a", 1);
    assert_eq!(instance.gate("b", 2), Gate::Go, "nine of thirteen are less than 70 per cent");
}

#[test]
fn failures_of_more_than_five_minutes_ago_do_not_count() {
    let mut instance = Instance::default();
    instance.see(bad(9), "a", 0);
    instance.see(bad(9), "a", 301);
    assert_eq!(instance.gate("b", 302), Gate::Go);
}

#[test]
fn of_two_that_would_probe_one_does_and_its_success_closes_the_circuit() {
    let mut instance = Instance::default();
    instance.see(bad(10), "a", 0);
    let Gate::Probe(first) = instance.gate("b", 30) else { panic!("a probe is due") };
    let Gate::Probe(second) = instance.gate("c", 30) else { panic!("a probe is due") };
    assert_eq!(first.revision, second.revision, "only one of the two can be written");
    instance.row = Some(*first);
    assert!(matches!(instance.gate("c", 31), Gate::Hold(_)));
    instance.window.clear();
    assert!(instance.see(good(1), "b", 32), "closing is a turn");
    assert_eq!(instance.gate("c", 33), Gate::Go);
    assert_eq!(instance.row.unwrap().failing, None);
}

#[test]
fn a_probe_that_fails_is_no_turn() {
    let mut instance = Instance::default();
    assert!(instance.see(bad(10), "a", 0));
    let Gate::Probe(probing) = instance.gate("b", 30) else { panic!("a probe is due") };
    instance.row = Some(*probing);
    assert!(!instance.see(bad(1), "b", 31), "it was open before, and is open now");
}

#[test]
fn each_failed_probe_doubles_the_time_up_to_a_quarter_of_an_hour_and_after_a_day_up_to_an_hour() {
    let mut instance = Instance::default();
    instance.see(bad(10), "a", 0);
    let mut now = 0;
    let mut waits = Vec::new();
    while now < 2 * 86_400 {
        let Gate::Hold(wait) = instance.gate("b", now) else { panic!("it is open") };
        waits.push(wait.as_secs());
        now += i64::try_from(wait.as_secs()).unwrap();
        instance.probe(bad(1), "b", now);
    }
    assert_eq!(waits[..7], [30, 60, 120, 240, 480, 900, 900]);
    assert_eq!(waits.last(), Some(&3600));
}

#[test]
fn a_probe_that_died_is_followed_by_another_one() {
    let mut instance = Instance::default();
    instance.see(bad(10), "a", 0);
    let Gate::Probe(state) = instance.gate("b", 30) else { panic!("a probe is due") };
    instance.row = Some(*state);
    assert_eq!(instance.gate("c", 149), Gate::Hold(Duration::from_secs(1)));
    assert!(matches!(instance.gate("c", 150), Gate::Probe(_)));
}

#[test]
fn what_was_under_way_when_it_opened_neither_closes_nor_lengthens_it() {
    let mut instance = Instance::default();
    instance.see(bad(10), "a", 0);
    let open = instance.row.clone().unwrap().circuit;
    instance.see(good(1), "a", 1);
    instance.see(bad(10), "a", 2);
    assert_eq!(instance.row.unwrap().circuit, open);
}

#[test]
fn another_url_is_another_endpoint() {
    let mut instance = Instance::default();
    instance.see(bad(10), "a", 0);
    assert_eq!(gate(instance.row.as_ref(), "other", Some(&Breaker::default()), "b", at(1)), Gate::Go);
    let (seen, window) = (good(1), Window::default());
    let observed = observe(instance.row.as_ref(), "other", Some(&Breaker::default()), (seen, &window), "b", at(1));
    assert_eq!(observed, None, "its success changes nothing about a row of the old one");
}

#[test]
fn without_a_breaker_only_gone_disables() {
    let mut window = Window::default();
    window.add(bad(100), Duration::from_mins(1), at(0));
    assert_eq!(observe(None, URL, None, (bad(100), &window), "a", at(0)), None);
    let gone = Seen { gone: true, ..bad(0) };
    let state = observe(None, URL, None, (gone, &window), "a", at(0)).unwrap().state;
    assert!(matches!(gate(Some(&state), URL, None, "a", at(1)), Gate::Disabled(DisabledBy::Gone)));
}

#[test]
fn failures_to_the_limit_warn_at_50_70_90_and_100_per_cent_once_each_and_then_disable() {
    let mut instance = Instance::default();
    for hour in 0..=120 {
        assert!(!instance.is_disabled(), "{hour} h");
        for _replayed in 0..3 {
            instance.see(bad(1), "a", hour * 3600);
        }
    }
    assert_eq!(instance.warnings, [50, 70, 90, 100]);
    assert!(instance.is_disabled());
    instance.see(bad(1), "a", 121 * 3600);
    assert_eq!(instance.warnings.len(), 4);
}

#[test]
fn a_circuit_that_stays_open_for_minutes_is_told_once_and_one_of_a_deployment_is_not() {
    let mut instance = Instance::default();
    instance.see(bad(10), "a", 0);
    for now in [30, 90] {
        instance.probe(bad(1), "b", now);
    }
    instance.probe(good(1), "b", 210);
    assert!(instance.warnings.is_empty(), "it was gone for three minutes and a half");
    instance.see(bad(10), "a", 1_000);
    for now in [30, 90, 210, 450, 930] {
        instance.probe(bad(1), "b", 1_000 + now);
    }
    assert_eq!(instance.warnings, [OPENED], "at the first probe after five minutes, and no more");
    instance.probe(good(1), "b", 2_830);
    instance.see(bad(10), "a", 3_000);
    for now in [30, 90, 210, 450] {
        instance.probe(bad(1), "b", 3_000 + now);
    }
    assert_eq!(instance.warnings, [OPENED, OPENED], "another trouble is told anew");
}

#[test]
fn a_success_resets_the_clock_and_the_warnings() {
    let mut instance = Instance::default();
    for hour in (0..100).chain(101..220) {
        instance.see(bad(1), "a", hour * 3600);
    }
    assert!(instance.is_disabled());
    let mut instance = Instance::default();
    for hour in 0..220 {
        instance.see(if hour == 100 { good(1) } else { bad(1) }, "a", hour * 3600);
    }
    assert!(!instance.is_disabled());
    assert_eq!(instance.warnings, [50, 70, 50, 70, 90]);
}

#[test]
fn failures_with_days_between_them_do_not_disable() {
    let mut instance = Instance::default();
    for day in 0..20 {
        instance.see(bad(1), "a", day * 2 * 86_400);
    }
    assert_eq!((instance.is_disabled(), instance.warnings), (false, vec![]));
    let mut instance = Instance::default();
    for (seen, day) in [(bad(1), 0), (good(1), 2), (bad(1), 5)] {
        instance.see(seen, "a", day * 86_400);
    }
    assert!(!instance.is_disabled(), "fail, success, fail across the window");
}

#[test]
fn a_healthy_endpoint_is_never_written_and_a_failing_one_at_most_once_an_hour() {
    let mut instance = Instance::default();
    for second in 0..1000 {
        instance.see(good(10), "a", second);
    }
    assert_eq!(instance.writes, 0);
    for minute in 0..300 {
        instance.see(bad(1), "a", 2000 + minute * 60);
    }
    assert!(instance.writes <= 7, "{} writes in five hours", instance.writes);
}

#[test]
fn what_holds_deliveries_back_is_written_once_a_minute() {
    let held = |known: Option<&EndpointState>, by, second| note_held_back(known, URL, by, at(second));
    let first = held(None, Hold::Concurrency, 1).unwrap();
    assert_eq!((first.revision, &first.circuit), (1, &Circuit::Closed));
    assert_eq!(held(Some(&first), Hold::Concurrency, 60), None);
    assert_eq!(held(Some(&first), Hold::Concurrency, 61).map(|state| state.revision), Some(2));
    assert!(held(Some(&first), Hold::Slow, 2).is_some(), "it is another");
    let failing = EndpointState { disabled: Some(Disabled { by: DisabledBy::Gone, since: at(0) }), ..first };
    assert_eq!(held(Some(&failing), Hold::Slow, 2).unwrap().disabled, failing.disabled, "the rest stays");
}
