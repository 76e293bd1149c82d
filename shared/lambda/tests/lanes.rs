//! The bulkhead: one slow place does not use up a batch's slots and time.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::port::Clock as _;
use acequia_core::time::after;
use acequia_lambda::{Attempted, Deadline, Work, each};
use acequia_testkit::{FixedClock, build};
use futures::FutureExt as _;

const TIMEOUT: Duration = Duration::from_secs(15);
const SLOTS: usize = 8;

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

/// Runs it in virtual time: where nothing can go on, the clock goes to the next that sleeps.
fn run(clock: &FixedClock, work: impl Future<Output = Vec<Attempted>>) -> Vec<Attempted> {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answers) = work.as_mut().poll(&mut context) {
            return answers;
        }
        clock.set(clock.next_sleeper().unwrap());
    }
}

#[test]
fn the_deliveries_to_a_quick_endpoint_are_all_made_behind_a_batch_of_those_to_one_that_hangs() {
    let (clock, requests) = (FixedClock::at(build::start()), Requests::default());
    let deadline = Deadline::at(after(build::start(), Duration::from_secs(50)));
    let mut work: Vec<Work<'_>> = Vec::new();
    for (lane, takes, count) in [("slow", TIMEOUT, 60), ("quick", Duration::from_millis(200), 40)] {
        for _ in 0..count {
            work.push((lane, TIMEOUT, requests.make(&clock, takes).boxed()));
        }
    }
    let answers = run(&clock, each(&clock, deadline, SLOTS, work));
    let (slow, quick) = answers.split_at(60);
    assert!(quick.iter().all(|one| one.result.is_ok()), "each has its time");
    let not_begun = slow.iter().filter(|one| one.result == Err(Cause::NoTime)).count();
    assert!((20..60).contains(&not_begun), "{not_begun} slow ones were given back unattempted");
    assert!(slow.iter().all(|one| matches!(one.result, Err(Cause::NoTime | Cause::Timeout(_)))));
    assert_eq!(requests.most.load(Ordering::Relaxed), SLOTS, "requests at a time");
}

#[test]
fn a_lane_that_is_the_only_one_has_all_slots() {
    let (clock, requests) = (FixedClock::at(build::start()), Requests::default());
    let deadline = Deadline::at(after(build::start(), Duration::from_secs(50)));
    let work: Vec<Work<'_>> = (0..40)
        .map(|_| -> Work<'_> { ("only", TIMEOUT, requests.make(&clock, Duration::from_secs(1)).boxed()) })
        .collect();
    let answers = run(&clock, each(&clock, deadline, SLOTS, work));
    assert!(answers.iter().all(|one| one.result.is_ok()));
    assert_eq!(clock.now(), after(build::start(), Duration::from_secs(5)));
}
