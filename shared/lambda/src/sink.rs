//! What a sink is to the loop: something that takes deliveries and says of each what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::breaker::Breaker;
use acequia_core::delivery::ledger::Receipt;
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::port::Clock;
use acequia_core::queue::Queue;
use acequia_core::tenant;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;

use crate::{CurrentTenant, Deadline, unwind, within};

/// What all jobs of one invocation have in common.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The tenant, as its current configuration has it.
    pub current: &'a CurrentTenant,
    /// The queue that the deliveries came from.
    pub queue: &'a Queue,
    /// When the invocation ends.
    pub deadline: Deadline,
}

/// One delivery that is to be attempted now.
#[derive(Debug, Clone)]
pub struct Job {
    /// What to deliver.
    pub delivery: Arc<Delivery>,
    /// Where to, and how.
    pub sink: Arc<tenant::Sink>,
    /// Which attempt this is, 1-based.
    pub attempt: u32,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The proof, or what went wrong.
    pub result: Result<Receipt, Cause>,
    /// How long it took.
    pub duration: Duration,
    /// When it ended; nothing where it was not begun.
    pub ended_at: Option<Timestamp>,
}

impl Attempted {
    /// An attempt that was not begun.
    pub fn not_begun(cause: Cause) -> Self {
        Self { result: Err(cause), duration: Duration::ZERO, ended_at: None }
    }
}

/// An endpoint that may fail as a whole, so that nothing is sent to it for a time
/// ([`acequia_core::delivery::breaker`]).
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'a> {
    /// Its address: another one under the same sink is another endpoint.
    pub address: &'a str,
    /// When its circuit opens; `None` where it never does.
    pub breaker: Option<&'a Breaker>,
}

/// A kind of place to deliver to. Implementations deliver, and decide nothing about messages, retries or the ledger.
pub trait Sink: Send + Sync {
    /// The kind whose queue and configuration this serves.
    const KIND: SinkKind;

    /// The endpoint of a sink of this kind whose circuit is watched; `None` where each failure is the delivery's own.
    fn endpoint(_sink: &tenant::Sink) -> Option<Endpoint<'_>> {
        None
    }

    /// Attempts deliveries of one tenant; one answer each, in the order of the jobs.
    ///
    /// The loop survives a panic in here, but then every job counts as panicked: use [`each`] to keep one job's panic,
    /// or its slowness, to itself.
    fn deliver(&self, batch: Batch<'_>, jobs: &[Job]) -> impl Future<Output = Vec<Attempted>> + Send;
}

/// One attempt that [`each`] is to make: its lane, the longest it may take, and the work.
///
/// What goes to one place has one lane: the sink's id.
pub type Work<'a> = (&'a str, Duration, BoxFuture<'a, Result<Receipt, Cause>>);

/// The attempts of one lane.
struct Lane<F> {
    waiting: VecDeque<(usize, F)>,
    running: usize,
}

/// Makes attempts independently of each other, at most `concurrency` at a time; one answer each, in order.
///
/// A slot that is free goes to the lane that has the fewest, so that a slow place holds its share and no more while
/// others wait, and what it cannot begin in time is not begun. An attempt begins only if the invocation has its time
/// left, gets no more than that, and keeps a panic to itself.
pub async fn each(clock: &dyn Clock, deadline: Deadline, concurrency: usize, work: Vec<Work<'_>>) -> Vec<Attempted> {
    let mut answers: Vec<Attempted> = work.iter().map(|_| Attempted::not_begun(Cause::NoTime)).collect();
    let mut lanes: BTreeMap<&str, Lane<_>> = BTreeMap::new();
    for (index, (lane, allowed, work)) in work.into_iter().enumerate() {
        let lane = lanes.entry(lane).or_insert_with(|| Lane { waiting: VecDeque::new(), running: 0 });
        lane.waiting.push_back((index, one(clock, deadline, allowed, work)));
    }
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < concurrency.max(1) {
            let free = lanes.iter_mut().filter(|(_, lane)| !lane.waiting.is_empty());
            let Some((name, lane)) = free.min_by_key(|(_, lane)| lane.running) else { break };
            let Some((index, attempt)) = lane.waiting.pop_front() else { break };
            lane.running += 1;
            let name = *name;
            running.push(async move { (name, index, attempt.await) });
        }
        let Some((name, index, attempted)) = running.next().await else { return answers };
        if let Some(lane) = lanes.get_mut(name) {
            lane.running -= 1;
        }
        if let Some(answer) = answers.get_mut(index) {
            *answer = attempted;
        }
    }
}

async fn one(
    clock: &dyn Clock,
    deadline: Deadline,
    allowed: Duration,
    work: BoxFuture<'_, Result<Receipt, Cause>>,
) -> Attempted {
    if deadline.for_effects(clock) < allowed {
        return Attempted::not_begun(Cause::NoTime);
    }
    let begun = clock.now();
    let result = match within(clock, allowed, unwind(work)).await {
        Some(Ok(result)) => result,
        Some(Err(panic)) => Err(panic),
        None => Err(Cause::Timeout(allowed)),
    };
    let ended = clock.now();
    let duration = Duration::try_from(ended.duration_since(begun)).unwrap_or_default();
    Attempted { result, duration, ended_at: Some(ended) }
}
