//! The loop of every function that works off a tenant's queue: from SQS's batch to the answer.
//!
//! 0. *guard*: a message that may have ended earlier invocations is handled alone, or not at all ([`CrashGuard`]).
//! 1. *read*, and *process*: what the function is for ([`BatchFunction`]).
//! 2. *decide*: what is done with each message ([`acequia_core::outcome::decide`]).
//! 3. *settle*: messages are quarantined, delayed or hidden, the ledger is written, metrics are written, SQS is
//!    answered ([`crate::batch`]).
//!
//! Invariants:
//! - What is refused before it is handled is settled first: should the process die of what is handled, it is on its way
//!   all the same.
//! - A message clears itself of suspicion only by being handled.
//! - The guard ends after everything is settled, and before SQS is answered.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use acequia_core::delivery::order::Stopped;
use acequia_core::id::TenantId;
use acequia_core::message::Incoming;
use acequia_core::outcome::schedule::back_off;
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, Disposition, Situation, decide};
use acequia_core::port::{Chance, Clock, Ports};
use acequia_core::queue::Queue;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures::future::{Either, select};

use crate::batch::{Decided, Settling, delay, delete_settled, finish, quarantine, share_fate};
use crate::{
    Batch, BatchMetrics, CachedTenants, CrashGuard, CurrentTenant, Deadline, SystemChance, SystemClock, Telemetry,
    Timing, UnusableBatch, read_batch,
};

/// What every function that works off a tenant's queue has.
pub struct BatchLoop<P: Ports> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<P::Tenants>,
    /// The memory of deliveries.
    pub ledger: P::Ledger,
    /// SQS.
    pub queues: P::Queues,
    /// Where messages wait for long.
    pub delays: P::Delays,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// What is told of the work.
    pub telemetry: Telemetry,
}

impl<P: Ports> BatchLoop<P> {
    /// What a function in Lambda has: these ports, and the machine's own clock and chance.
    pub fn on(
        (tenants, ledger, queues, delays): (P::Tenants, P::Ledger, P::Queues, P::Delays),
        telemetry: Telemetry,
    ) -> Self {
        let clock = Arc::new(SystemClock);
        let tenants = CachedTenants::new(tenants, clock.clone());
        Self { tenants, ledger, queues, delays, clock, chance: Arc::new(SystemChance), telemetry }
    }
}

/// One message on its way through a function.
pub trait BatchItem: Send + Sync {
    /// The item of a message of which nothing is known yet.
    fn of(message: Incoming) -> Self;
    /// The message.
    fn message(&self) -> &Incoming;
    /// What went wrong with it, if that is known.
    fn failure(&self) -> Option<&Cause>;
    /// That this went wrong with it.
    fn fail(&mut self, cause: Cause);
    /// Whether it may still be handled: nothing is known of what came of it, nor does another message decide about it.
    fn is_open(&self) -> bool;
    /// Whether all is done that was to be done with it.
    fn is_done(&self) -> bool;
    /// Whether it was handled for sure, or needs no handling any more: so nothing dies of it.
    fn is_handled(&self) -> bool;
    /// The earlier item of the batch that holds the same.
    fn follows(&self) -> Option<usize> {
        None
    }
    /// What a decision about it goes by.
    fn situation(&self, clock: &dyn Clock, is_suspect: bool) -> Situation<'_>;
    /// How many attempts were made.
    fn attempts(&self) -> u32;
}

/// What the ledger did not take down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unrecorded {
    /// All of it, in rows.
    pub rows: u64,
    /// Of these, deliveries that were made.
    pub delivered: u64,
}

/// Items with what was decided about each, in their order.
pub struct Settled<'a, I> {
    /// The queue that they came from.
    pub queue: &'a Queue,
    /// The items.
    pub items: &'a [I],
    /// What was done with each.
    pub decided: &'a [Decided<'a>],
}

/// What a function is for: the part of the loop that is its own.
pub trait BatchFunction: Send + Sync {
    /// The ports of its environment.
    type Ports: Ports;
    /// One message on its way.
    type Item: BatchItem;
    /// What it notes of a batch for its metrics.
    type Notes: Default + Send + Sync;
    /// The word for it in metrics.
    const NAME: &'static str;

    /// What it has in common with the others.
    fn common(&self) -> &BatchLoop<Self::Ports>;
    /// Reads the messages, before anything is known of the tenant.
    fn read(&self, tenant: &TenantId, items: &mut [Self::Item]);
    /// Does with them what the function is for.
    fn process(&self, batch: Batch<'_>, items: &mut [Self::Item]) -> impl Future<Output = Self::Notes> + Send;
    /// Writes the ledger, once it is sure what is done with the messages. A write that fails costs nothing else.
    fn record(
        &self,
        settled: &Settled<'_, Self::Item>,
        timing: Timing<'_>,
        current: &CurrentTenant,
    ) -> impl Future<Output = Unrecorded> + Send;
    /// Logs what is worth it, and answers the metrics.
    fn report(&self, settled: &Settled<'_, Self::Item>, notes: Self::Notes) -> BatchMetrics;
}

/// Handles one batch.
///
/// # Errors
/// [`UnusableBatch`] where the batch cannot be answered item by item; all of it then comes back.
pub async fn handle<F: BatchFunction>(
    function: &F,
    event: SqsEvent,
    deadline: Deadline,
) -> Result<SqsBatchResponse, UnusableBatch> {
    let Some((arn, messages)) = read_batch(event)? else { return Ok(SqsBatchResponse::default()) };
    let queue = Queue::at(arn)?;
    let common = function.common();
    let timing = Timing { clock: &*common.clock, deadline };
    let mut guard = CrashGuard::begin(&common.ledger, timing.clock, &queue.name, &messages).await;
    let response = run(function, &queue, messages, timing, &mut guard).await;
    let stalls = guard.end(&common.ledger, timing, &queue.name).await;
    let whose = (F::NAME, Some(&queue.name.tenant));
    common.telemetry.write_stalls(&queue.name.stage, whose, timing.clock.now(), &stalls);
    Ok(response)
}

async fn run<F: BatchFunction>(
    function: &F,
    queue: &Queue,
    messages: Vec<Incoming>,
    timing: Timing<'_>,
    guard: &mut CrashGuard,
) -> SqsBatchResponse {
    let (common, tenant) = (function.common(), &queue.name.tenant);
    let settling = Settling { queue, timing, chance: &*common.chance };
    let (mut refused, mut items) = (Vec::new(), Vec::with_capacity(messages.len()));
    for (message, admission) in messages.into_iter().zip(guard.admissions(queue.name.fifo)) {
        let mut item = F::Item::of(message);
        if let Some(cause) = admission.refusal() {
            item.fail(cause.clone());
        }
        if admission.settles_first() { refused.push(item) } else { items.push(item) }
    }
    let mut response = SqsBatchResponse::default();
    if !refused.is_empty() {
        response = settle(function, settling, None, guard, (&refused, F::Notes::default())).await;
    }
    if items.is_empty() {
        return response;
    }
    delete_settled(&common.queues, settling, refused.iter().map(BatchItem::message), &response).await;
    function.read(tenant, &mut items);
    let current = common.tenants.current(tenant).await;
    let notes = match &current {
        Ok(current) => {
            let batch = Batch { current, queue, deadline: timing.deadline };
            let renewed = Box::pin(common.tenants.renew(tenant));
            beside(function.process(batch, &mut items), renewed).await
        }
        Err(cause) => {
            for item in items.iter_mut().filter(|item| item.is_open()) {
                item.fail(cause.clone());
            }
            F::Notes::default()
        }
    };
    let settled = settle(function, settling, current.as_deref().ok(), guard, (&items, notes)).await;
    response.batch_item_failures.extend(settled.batch_item_failures);
    response
}

/// What `work` comes to; `other` is done meanwhile, as far as it comes.
async fn beside<T>(work: impl Future<Output = T>, other: Pin<Box<impl Future<Output = ()>>>) -> T {
    match select(pin!(work), other).await {
        Either::Left((done, _)) => done,
        Either::Right(((), work)) => work.await,
    }
}

/// Decides about items of which is known what came of them, and settles them.
async fn settle<F: BatchFunction>(
    function: &F,
    settling: Settling<'_>,
    current: Option<&CurrentTenant>,
    guard: &mut CrashGuard,
    (items, notes): (&[F::Item], F::Notes),
) -> SqsBatchResponse {
    let (common, queue) = (function.common(), settling.queue);
    for item in items.iter().filter(|item| item.is_handled()) {
        guard.clear(&item.message().message_id);
    }
    let mut decided: Vec<Decided<'_>> = items.iter().map(|item| decided(item, common, guard)).collect();
    let untaken = quarantine(&common.queues, settling, &mut decided).await;
    let undelayed = delay(&common.delays, settling, &mut decided).await;
    share_fate(&mut decided);
    let settled = Settled { queue, items, decided: &decided };
    let unrecorded = match current {
        Some(current) => function.record(&settled, settling.timing, current).await,
        None => Unrecorded::default(),
    };
    let mut metrics = function.report(&settled, notes);
    let (response, unhidden) = finish(&common.queues, settling, &decided).await;
    metrics.delivered_unrecorded = unrecorded.delivered;
    let unwritten = unrecorded.rows + guard.take_unwritten();
    for (store, count) in [(Store::Queues, untaken + unhidden), (Store::Delays, undelayed), (Store::Ledger, unwritten)]
    {
        metrics.stalls.add(store, count);
    }
    common.telemetry.write(&queue.name, common.clock.now(), &metrics);
    response
}

fn decided<'m, P: Ports>(item: &'m impl BatchItem, common: &BatchLoop<P>, guard: &CrashGuard) -> Decided<'m> {
    let (message, cause) = (item.message(), item.failure());
    let situation = item.situation(&*common.clock, guard.suspects(&message.message_id));
    let disposition = match cause {
        Some(cause) => decide(cause, &situation, common.chance.unit()),
        None if item.is_done() => Disposition::Acknowledge,
        // Another message decides about it, or it was forgotten: it comes back.
        None => Disposition::Hide(back_off(message.receive_count, common.chance.unit())),
    };
    Decided {
        message,
        cause,
        situation,
        disposition,
        attempts: item.attempts(),
        follows: item.follows(),
        refused: None,
    }
}

/// Lets nothing go on that stands, in its group of a FIFO queue, behind a message that is to come back.
pub fn stop_groups<I: BatchItem>(items: &mut [I]) {
    #[cfg(feature = "mutation")]
    if crate::mutation::skips_stop() {
        return;
    }
    let mut stopped = Stopped::default();
    for item in items {
        let group = item.message().group.as_deref();
        match item.failure() {
            Some(cause) if cause.comes_back() => stopped.stop(group),
            None if item.is_open() && stopped.has(group) => item.fail(Cause::GroupStopped),
            _ => {}
        }
    }
}
