//! The bulkhead: one slow place does not use up a batch's slots and time.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::Receipt;
use acequia_core::delivery::width::START;
use acequia_core::egress::Egress;
use acequia_core::id::SinkId;
use acequia_core::outcome::{Cause, Hold};
use acequia_core::port::Clock as _;
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::time::after;
use acequia_lambda::{Attempted, Course, Deadline, Job, Surroundings, Widths, Work, each};
use acequia_testkit::{FixedClock, SeededChance, build};
use futures::FutureExt as _;

const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Default)]
struct Requests {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Requests {
    async fn make(&self, clock: &FixedClock, takes: Duration) -> Result<Receipt, Cause> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        clock.sleep(takes).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
        if takes < TIMEOUT { Ok(Receipt::default()) } else { Err(Cause::Timeout(TIMEOUT)) }
    }
}

/// Jobs for sinks, so many each.
fn jobs(counts: &[(&str, usize)]) -> Vec<Job> {
    let sink = |id: &str| {
        format!(r#"{{"id":"{id}","kind":"webhook","types":["*"],"url":"https://crm.example.org/","secrets":["crm"]}}"#)
    };
    let sinks: Vec<String> = counts.iter().map(|(id, _)| sink(id)).collect();
    let document = format!(r#"{{"tenant":"acme","name":"Acme","sinks":[{}]}}"#, sinks.join(","));
    let tenant = Tenant::validate(&RawTenant::from_json(&document).unwrap(), Egress::Public).unwrap();
    let mut jobs = Vec::new();
    for (id, count) in counts {
        for number in 0..*count {
            let envelope = build::envelope("acme", &format!("{id}-{number}"), "t", "{}");
            let delivery = Arc::new(Delivery::new(build::sink_id(id), envelope));
            jobs.push(Job { delivery, sink: Arc::clone(tenant.sink(&build::sink_id(id)).unwrap()), attempt: 1 });
        }
    }
    jobs
}

/// An instance in virtual time, and what is under way in it.
struct Instance {
    clock: FixedClock,
    requests: Requests,
    widths: Widths,
}

impl Instance {
    fn new() -> Self {
        Self { clock: FixedClock::at(build::start()), requests: Requests::default(), widths: Widths::default() }
    }

    /// Works off jobs, each of which takes as long as `takes` says of its sink, in an invocation of 50 s; answers what
    /// came of each, and how long all took.
    fn work_off(
        &self,
        jobs: &[Job],
        bounds: &[(&SinkId, usize)],
        takes: impl Fn(&str) -> Duration,
    ) -> (Vec<Attempted>, Duration) {
        self.requests.most.store(0, Ordering::Relaxed);
        let (begun, tenant, chance) = (self.clock.now(), build::tenant_id("acme"), SeededChance::new(1));
        let deadline = Deadline::at(after(begun, Duration::from_secs(50)));
        let around = Surroundings { clock: &self.clock, chance: &chance, deadline };
        let course = Course::new(around, &tenant, jobs, &self.widths).bounded(bounds.iter().copied().collect());
        let attempt =
            |job: &Job| -> Work<'_> { (TIMEOUT, self.requests.make(&self.clock, takes(job.sink.id.as_str())).boxed()) };
        let work = jobs.iter().map(attempt).collect();
        run(&self.clock, each(&course, work));
        let took = Duration::try_from(self.clock.now().duration_since(begun)).unwrap();
        (course.into_answers().into_iter().map(Option::unwrap).collect(), took)
    }

    fn most(&self) -> usize {
        self.requests.most.load(Ordering::Relaxed)
    }
}

/// Runs it in virtual time: where nothing can go on, the clock goes to the next that sleeps.
fn run(clock: &FixedClock, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    while work.as_mut().poll(&mut context).is_pending() {
        clock.set(clock.next_sleeper().unwrap());
    }
}

fn held(answers: &[Attempted], by: Hold) -> Vec<Duration> {
    let wait = |one: &Attempted| match &one.result {
        Err(Cause::Held { by: held, remaining }) if *held == by => Some(*remaining),
        _ => None,
    };
    answers.iter().filter_map(wait).collect()
}

#[test]
fn a_slow_endpoint_costs_a_batch_one_of_its_answers_and_the_quick_one_beside_it_nothing() {
    let instance = Instance::new();
    let jobs = jobs(&[("slow", 60), ("quick", 40)]);
    let takes = |sink: &str| if sink == "slow" { TIMEOUT } else { Duration::from_millis(200) };
    let (answers, took) = instance.work_off(&jobs, &[], takes);
    let (slow, quick) = answers.split_at(60);
    assert!(quick.iter().all(|one| one.result.is_ok()));
    let last = quick.iter().filter_map(|one| one.ended_at).max().unwrap();
    assert!(last <= after(build::start(), Duration::from_millis(600)), "the quick ones did not wait: {last}");
    assert_eq!(slow.iter().filter(|one| one.result == Err(Cause::Timeout(TIMEOUT))).count(), START);
    assert_eq!(held(slow, Hold::Slow).len(), 60 - START, "the rest is given back unattempted");
    assert_eq!(took, TIMEOUT, "the tenant's next batch begins then");
}

#[test]
fn what_is_given_back_comes_again_about_when_it_is_its_turn() {
    let instance = Instance::new();
    let (answers, _) = instance.work_off(&jobs(&[("slow", 60)]), &[], |_| Duration::from_secs(12));
    let waits = held(&answers, Hold::Slow);
    let (first, last) = (waits.first().unwrap(), waits.last().unwrap());
    assert!(*first >= Duration::from_secs(12) && *first < *last, "{waits:?}");
    assert!(*last < Duration::from_mins(2), "{waits:?}");
}

#[test]
fn the_next_batches_find_a_lane_as_wide_as_the_endpoint_takes() {
    let instance = Instance::new();
    let jobs = jobs(&[("crm", 100)]);
    let mut found = Vec::new();
    for _ in 0..4 {
        let (answers, took) = instance.work_off(&jobs, &[], |_| Duration::from_millis(500));
        assert!(answers.iter().all(|one| one.result.is_ok()));
        found.push((instance.most(), took.as_millis()));
    }
    let (first, last) = (found.first().unwrap(), found.last().unwrap());
    assert_eq!(*last, (100, 500), "{found:?}");
    assert!(first.0 < 100 && first.1 > 500, "{found:?}");
}

#[test]
fn a_tenant_bounds_its_endpoint_however_wide_the_lane_could_be() {
    let instance = Instance::new();
    let (jobs, crm) = (jobs(&[("crm", 100)]), build::sink_id("crm"));
    for _ in 0..3 {
        let (answers, _) = instance.work_off(&jobs, &[(&crm, 4)], |_| Duration::from_secs(1));
        assert_eq!(instance.most(), 4);
        assert_eq!(answers.iter().filter(|one| one.result.is_ok()).count(), 20, "five rounds");
        assert_eq!(held(&answers, Hold::Concurrency).len(), 80);
    }
}

#[test]
fn an_endpoint_that_says_it_has_too_much_to_do_gets_half() {
    let instance = Instance::new();
    let jobs = jobs(&[("crm", 16)]);
    instance.work_off(&jobs, &[], |_| TIMEOUT);
    instance.work_off(&jobs, &[], |_| Duration::from_millis(10));
    assert!((START / 2..START).contains(&instance.most()), "{}", instance.most());
}
