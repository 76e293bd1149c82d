//! Attempts of one invocation beside each other: a lane for each sink, as wide as its endpoint takes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::delivery::width::{MOST, Signal};
use acequia_core::id::SinkId;
use acequia_core::outcome::{Cause, Hold};
use acequia_core::port::Clock;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;

use crate::course::Course;
use crate::stages::noting;
use crate::widths::Shared;
use crate::{Attempted, unwind, within};

/// How long a delivery waits that was too late for its invocation, at the least and at the most.
const SHORTEST_TURN: Duration = Duration::from_secs(1);
const LONGEST_TURN: Duration = Duration::from_mins(5);

/// One attempt that [`each`] is to make: the longest it may take, and the work.
pub type Work<'a> = (Duration, BoxFuture<'a, Result<Receipt, Cause>>);

/// The attempts of one sink.
struct Lane<'a> {
    waiting: VecDeque<(usize, Work<'a>)>,
    running: usize,
    width: Shared,
    /// What the tenant allows.
    bound: Option<usize>,
    limit: usize,
    /// Whether some of this invocation had to wait because it was full.
    was_full: bool,
    /// How many were given back for want of time.
    late: usize,
}

impl Lane<'_> {
    fn new((width, bound): (Shared, Option<usize>)) -> Self {
        let mut lane = Self { waiting: VecDeque::new(), running: 0, width, bound, limit: 1, was_full: false, late: 0 };
        lane.measure();
        lane
    }

    fn measure(&mut self) {
        let found = self.width.lock().limit();
        self.limit = self.bound.map_or(found, |bound| bound.min(found));
        #[cfg(feature = "mutation")]
        if crate::mutation::skips_bound() {
            self.limit = MOST;
        }
    }

    /// Whether there is one to begin, and room for it.
    fn has_next(&mut self) -> bool {
        let is_full = self.running >= self.limit;
        self.was_full |= is_full && !self.waiting.is_empty();
        !is_full && !self.waiting.is_empty()
    }

    /// Learns from an attempt that has ended.
    fn learn(&mut self, begun: Timestamp, attempted: &Attempted, now: Timestamp) {
        self.running -= 1;
        let signal = Signal::of(&attempted.result);
        self.width.lock().learn(signal, (begun, attempted.duration), self.was_full, now);
        self.measure();
    }

    /// For how long the next one waits that is too late: about until those before it have had their turn.
    fn turn(&mut self, random: f64) -> Cause {
        let rounds = u32::try_from(self.late / self.limit.max(1)).unwrap_or(u32::MAX).saturating_add(1);
        self.late += 1;
        let usual = self.width.lock().usual().unwrap_or(SHORTEST_TURN);
        let wait = usual.saturating_mul(rounds).clamp(SHORTEST_TURN, LONGEST_TURN);
        let by = if self.bound == Some(self.limit) { Hold::Concurrency } else { Hold::Slow };
        Cause::Held { by, remaining: wait.mul_f64(1.0 + 0.5 * random) }
    }
}

/// Makes attempts independently of each other, and tells the course what came of each; `work` has one for each job, in
/// their order.
///
/// A slot that is free goes to the lane that has the fewest, so that a slow place holds its share and no more while
/// others wait, and what it cannot begin in time is not begun. An attempt gets no more than the time that it may take,
/// and keeps a panic to itself.
pub async fn each(course: &Course<'_>, work: Vec<Work<'_>>) {
    let mut lanes: BTreeMap<&SinkId, Lane<'_>> = BTreeMap::new();
    for ((place, job), work) in course.jobs().iter().enumerate().zip(work) {
        let lane = lanes.entry(&job.sink.id).or_insert_with(|| Lane::new(course.width(&job.sink.id)));
        lane.waiting.push_back((place, work));
    }
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < MOST {
            let free = lanes.iter_mut().filter_map(|(sink, lane)| lane.has_next().then_some((sink, lane)));
            let Some((sink, lane)) = free.min_by_key(|(_, lane)| lane.running) else { break };
            let Some((place, (allowed, work))) = lane.waiting.pop_front() else { break };
            if let Err(cause) = course.may_begin(place, allowed, |random| lane.turn(random)) {
                course.tell(place, Attempted::not_begun(cause));
                continue;
            }
            lane.running += 1;
            let sink = *sink;
            running.push(async move { (sink, place, one(course.clock(), allowed, work).await) });
        }
        let Some((sink, place, (begun, attempted))) = running.next().await else { return };
        if let Some(lane) = lanes.get_mut(sink) {
            lane.learn(begun, &attempted, course.clock().now());
        }
        course.tell(place, attempted);
    }
}

/// Makes an attempt; says besides when it began.
async fn one(
    clock: &dyn Clock,
    allowed: Duration,
    work: BoxFuture<'_, Result<Receipt, Cause>>,
) -> (Timestamp, Attempted) {
    let begun = clock.now();
    let (made, stages) = noting(within(clock, allowed, unwind(work))).await;
    let result = match made {
        Some(Ok(result)) => result,
        Some(Err(panic)) => Err(panic),
        None => Err(Cause::Timeout(allowed)),
    };
    let ended = clock.now();
    let duration = Duration::try_from(ended.duration_since(begun)).unwrap_or_default();
    (begun, Attempted { result, duration, ended_at: Some(ended), stages })
}
