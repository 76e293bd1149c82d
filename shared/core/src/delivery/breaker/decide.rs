//! The decisions of the circuit breaker: what a batch may do, and what changes by what it saw.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::{Alert, Breaker, Circuit, Disabled, EndpointState, Failing, OPENED, PendingAlert, WARNINGS};
use crate::time::after;

/// The longest time for which a circuit stays open before the next probe.
const LONGEST_OPEN: Duration = Duration::from_mins(15);
/// The same, once it has been open for a day: who waits that long does not mind an hour.
const LONGEST_OPEN_LATER: Duration = Duration::from_hours(1);
const LATER: Duration = Duration::from_hours(24);

/// How long a circuit is open before a probe that fails is worth an alert: a deployment of minutes is not.
const WORTH_A_NOTICE: Duration = Duration::from_mins(5);

/// How long a probe has: longer than any invocation.
const PROBE: Duration = Duration::from_mins(2);

/// Failures further apart than this are none of one trouble: the clock starts anew.
const SPORADIC: Duration = Duration::from_hours(24);
/// The last failure is written down at most this often.
const NOTED_EVERY: Duration = Duration::from_hours(1);

/// What is known of this endpoint, if the row is about it.
fn about<'a>(known: Option<&'a EndpointState>, endpoint: &str) -> Option<&'a EndpointState> {
    known.filter(|known| known.endpoint == endpoint)
}

/// What a batch may do with an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Send.
    Go,
    /// Send nothing for this long.
    Hold(Duration),
    /// Send one delivery, if this change can be made; hold the others for the probe's time.
    Probe(EndpointState),
    /// Send nothing any more, for this reason.
    Disabled(String),
}

/// Decides what a batch may do, given what is known. `by` names the invocation.
pub fn gate(
    known: Option<&EndpointState>,
    endpoint: &str,
    breaker: Option<&Breaker>,
    by: &str,
    now: Timestamp,
) -> Gate {
    let Some(known) = about(known, endpoint) else { return Gate::Go };
    if let Some(disabled) = &known.disabled {
        return Gate::Disabled(disabled.why.clone());
    }
    if breaker.is_none() {
        return Gate::Go;
    }
    let (until, since, trips) = match &known.circuit {
        Circuit::Closed => return Gate::Go,
        Circuit::Open { until, since, trips } | Circuit::Probing { until, since, trips, .. } => (until, since, trips),
    };
    if let Some(wait) = ahead(*until, now) {
        return Gate::Hold(wait);
    }
    let circuit = Circuit::Probing { until: after(now, PROBE), since: *since, trips: *trips, by: by.to_owned() };
    Gate::Probe(EndpointState { circuit, ..known.next() })
}

fn ahead(until: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(until.duration_since(now)).ok().filter(|wait| !wait.is_zero())
}

/// How long those wait who may not probe now.
pub const WHILE_PROBED: Duration = Duration::from_secs(20);

/// What one batch saw of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Deliveries that it took.
    pub successes: u32,
    /// Attempts that failed in a way that says that the endpoint is not well: no answer, or a status that is tried again.
    pub failures: u32,
    /// Whether it said that it is gone for good (410).
    pub gone: bool,
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
    fn is_bad(&self, breaker: &Breaker) -> bool {
        let (good, bad) = self.seen.iter().fold((0_u64, 0_u64), |(good, bad), (_, successes, failures)| {
            (good + u64::from(*successes), bad + u64::from(*failures))
        });
        let all = good + bad;
        all >= u64::from(breaker.of.max(1)) && bad * 100 >= all * u64::from(breaker.failures)
    }
}

/// What changes by what a batch saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What is to be written.
    pub state: EndpointState,
    /// What operators are to be told, once that is written: the state owes it.
    pub pending_alert: Option<PendingAlert>,
    /// Whether the circuit opens or closes by it.
    pub turns: bool,
}

/// Decides what changes by what a batch saw; `None` where nothing does.
///
/// `window` holds this batch already. `by` names the invocation, as in [`gate`].
pub fn observe(
    known: Option<&EndpointState>,
    endpoint: &str,
    breaker: Option<&Breaker>,
    (seen, window): (Seen, &Window),
    by: &str,
    now: Timestamp,
) -> Option<Observed> {
    let blank =
        EndpointState { revision: known.map_or(0, |known| known.revision), ..EndpointState::healthy(endpoint, None) };
    let old = about(known, endpoint).unwrap_or(&blank);
    let mut new = old.clone();
    let mut alert = None;
    if seen.gone {
        if old.disabled.is_none() {
            alert = Some(Alert::Gone);
            new.disabled = Some(Disabled { why: "the endpoint answered 410 Gone".to_owned(), since: now });
        }
    } else if seen.successes > 0 {
        let mixed = breaker.is_some_and(|breaker| seen.failures > 0 && window.is_bad(breaker));
        new.failing = None;
        // That it is disabled is told also where a request that was under way still succeeded.
        new.pending_alert = new.pending_alert.filter(|_| new.disabled.is_some());
        new.circuit = if mixed { open(&old.circuit, breaker, by, now) } else { closed(&old.circuit, by) };
    } else if seen.failures > 0
        && let Some(breaker) = breaker
    {
        let probed = matches!(&old.circuit, Circuit::Probing { by: prober, .. } if prober == by);
        if probed || window.is_bad(breaker) {
            new.circuit = open(&old.circuit, Some(breaker), by, now);
        }
        let failing = fail(old.failing.as_ref(), now);
        let way = way(&failing, breaker, now);
        let due = WARNINGS.into_iter().rev().find(|percent| way >= *percent && *percent > failing.warned);
        let due = due.or((failing.warned < OPENED && probed && is_open_for_long(&new.circuit, now)).then_some(OPENED));
        alert = due.map(|percent| Alert::Fails { percent, since: failing.first });
        if way >= 100 && old.disabled.is_none() {
            let days = humantime::format_duration(breaker.disable_after);
            new.disabled = Some(Disabled { why: format!("it has failed for {days} without a success"), since: now });
        }
        new.failing = Some(Failing { warned: due.unwrap_or(failing.warned), ..failing });
    }
    let pending_alert = alert.map(|alert| PendingAlert::now(alert, now));
    new.pending_alert = pending_alert.or(new.pending_alert);
    // From closed to open, or back: a probe between the two is no turn.
    let turns = (new.circuit == Circuit::Closed) != (old.circuit == Circuit::Closed);
    (new != *old).then(|| Observed { state: new.next(), pending_alert, turns })
}

/// The circuit after a failure that opens it, or keeps it open.
fn open(old: &Circuit, breaker: Option<&Breaker>, by: &str, now: Timestamp) -> Circuit {
    let Some(breaker) = breaker else { return old.clone() };
    let (since, trips) = match old {
        Circuit::Closed => (now, 1),
        Circuit::Probing { since, trips, by: prober, .. } if prober == by => (*since, trips.saturating_add(1)),
        // It opened meanwhile: these attempts were under way.
        Circuit::Open { .. } | Circuit::Probing { .. } => return old.clone(),
    };
    let longest = if after(since, LATER) < now { LONGEST_OPEN_LATER } else { LONGEST_OPEN };
    let wait = breaker.cool_down.saturating_mul(1 << (trips - 1).min(12)).min(longest.max(breaker.cool_down));
    Circuit::Open { until: after(now, wait), since, trips }
}

/// Whether a circuit that a probe has just left open has been so for as long as an operator should know.
fn is_open_for_long(circuit: &Circuit, now: Timestamp) -> bool {
    matches!(circuit, Circuit::Open { since, .. } if after(*since, WORTH_A_NOTICE) <= now)
}

/// The circuit after a success.
fn closed(old: &Circuit, by: &str) -> Circuit {
    match old {
        Circuit::Probing { by: prober, .. } if prober != by => old.clone(),
        // A request that was under way when it opened proves little.
        Circuit::Open { .. } => old.clone(),
        Circuit::Closed | Circuit::Probing { .. } => Circuit::Closed,
    }
}

/// The clock after another failure.
fn fail(old: Option<&Failing>, now: Timestamp) -> Failing {
    match old {
        Some(failing) if after(failing.last, SPORADIC) >= now => {
            let last = if after(failing.last, NOTED_EVERY) <= now { now } else { failing.last };
            Failing { last, ..failing.clone() }
        }
        _ => Failing { first: now, last: now, warned: 0 },
    }
}

/// How much of the way to being disabled lies behind, in per cent.
fn way(failing: &Failing, breaker: &Breaker, now: Timestamp) -> u8 {
    let passed = now.duration_since(failing.first).as_secs_f64();
    let whole = breaker.disable_after.as_secs_f64().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 100")]
    let percent = (passed / whole * 100.0).clamp(0.0, 100.0) as u8;
    percent
}

#[cfg(test)]
mod tests {
    use super::*;

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
            self.row = Some(state);
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
        instance.row = Some(first);
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
        instance.row = Some(probing);
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
        instance.row = Some(state);
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
        assert!(matches!(gate(Some(&state), URL, None, "a", at(1)), Gate::Disabled(why) if why.contains("410")));
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
}
