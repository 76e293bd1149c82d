//! The loop of every sink function: from SQS's batch to the answer, with the claim before and the record after each effect.
//!
//! 0. *guard*: a message that may have ended earlier invocations is handled alone, or not at all ([`CrashGuard`]).
//! 1. *read*: each message becomes a delivery of the tenant whose queue it came from, or is quarantined.
//! 2. *fold*: the same delivery twice in a batch is performed once; the second shares the first one's fate. Another content under the
//!    same id is a rival: where deliveries are claimed it waits for the ledger's word on the first, else it is delivered too.
//! 3. *admit*: deliveries are claimed in the ledger (where the sink wants that), or looked up if they came before.
//! 4. *limit*: those wait for which their sink's rate grants no start now.
//! 5. *deliver*: the sink attempts the others.
//! 6. *settle*: messages are quarantined or delayed, the ledger is written, messages are hidden, metrics are written, SQS is answered.
//!
//! Invariants:
//! - Nothing is attempted for a delivery that needs a claim and did not get it.
//! - A message is acknowledged only if it was delivered, is delayed, or lies in the dead-letter queue.
//! - What befalls one message changes nothing for its neighbours.
//!
//! Not guaranteed: that the record is written after the effect. Then the message is acknowledged all the same
//! (`delivered_unrecorded` in the metrics): to repeat a sure effect would be worse than to forget it.

mod admit;
mod limit;
mod report;
mod settle;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::DeliveryRecord;
use acequia_core::delivery::order::Stopped;
use acequia_core::id::TenantId;
use acequia_core::message::Incoming;
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, PANICKED};
use acequia_core::port::{Chance, Clock, CrashMarkers, DelayStore, Ledger, Queues, RateStore, TenantStore};
use acequia_core::queue::{QueueArn, QueueName};
use acequia_core::tenant::Sink as SinkConfig;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};

use crate::batch::{delay, delete_settled, finish, quarantine};
use crate::{
    Attempted, Batch, CachedTenants, CrashGuard, CurrentTenant, Deadline, Job, RateLimiter, Sink, Telemetry, Timing,
    UnusableBatch, read_batch, unwind,
};

/// The loop of one sink function, wired to its ports.
pub struct SinkLoop<T, L, Q, P, R, S> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<T>,
    /// The memory of deliveries.
    pub ledger: L,
    /// SQS.
    pub queues: Q,
    /// Where messages wait for long.
    pub delays: P,
    /// The rates of the sinks.
    pub rate_limiter: RateLimiter<R>,
    /// What delivers.
    pub sink: S,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// What is told of the work.
    pub telemetry: Telemetry,
}

/// One message on its way through the loop.
struct Item {
    message: Incoming,
    delivery: Option<Arc<Delivery>>,
    sink: Option<Arc<SinkConfig>>,
    /// The ledger's record, from the time that the delivery is admitted.
    record: Option<Box<DeliveryRecord>>,
    /// What came of it, from the time that this is known.
    attempted: Option<Attempted>,
    /// The earlier item of the batch that holds the same delivery.
    follows: Option<usize>,
    /// Whether an earlier item of the batch has the same id and another content.
    rivals: bool,
}

impl Item {
    fn of(message: Incoming) -> Self {
        Self { message, delivery: None, sink: None, record: None, attempted: None, follows: None, rivals: false }
    }

    /// The item with its delivery, while nothing is known of what came of it.
    fn open(&self) -> Option<&Arc<Delivery>> {
        if self.attempted.is_none() && self.follows.is_none() { self.delivery.as_ref() } else { None }
    }

    fn fail(&mut self, cause: Cause) {
        self.attempted = Some(Attempted::not_begun(cause));
    }

    /// Whether it was attempted for sure, or needs no attempt any more.
    fn is_handled(&self) -> bool {
        self.attempted.as_ref().is_some_and(|attempted| match &attempted.result {
            Ok(_) => true,
            Err(cause) => cause.spends_attempt() || !cause.comes_back(),
        })
    }
}

impl<T: TenantStore, L: Ledger + CrashMarkers, Q: Queues, P: DelayStore, R: RateStore, S: Sink>
    SinkLoop<T, L, Q, P, R, S>
{
    /// Handles one batch.
    ///
    /// # Errors
    /// [`UnusableBatch`] where the batch cannot be answered item by item; all of it then comes back.
    pub async fn handle(&self, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse, UnusableBatch> {
        let Some((queue, messages)) = read_batch(event)? else { return Ok(SqsBatchResponse::default()) };
        let name: QueueName = queue.name().parse()?;
        Ok(self.run(&queue, &name, messages, deadline).await)
    }

    async fn run(
        &self,
        queue: &QueueArn,
        name: &QueueName,
        messages: Vec<Incoming>,
        deadline: Deadline,
    ) -> SqsBatchResponse {
        let mut guard = CrashGuard::begin(&self.ledger, &*self.clock, name, &messages).await;
        let (mut refused, mut items) = (Vec::new(), Vec::with_capacity(messages.len()));
        for (message, admission) in messages.into_iter().zip(guard.admissions(name.fifo)) {
            let mut item = Item::of(message);
            if let Some(cause) = admission.refusal() {
                item.fail(cause.clone());
            }
            if admission.settles_first() { refused.push(item) } else { items.push(item) }
        }
        let timing = Timing { clock: &*self.clock, deadline };
        let mut response = SqsBatchResponse::default();
        if !refused.is_empty() {
            // First, because the process may die of what is handled now: then these are on their way all the same.
            response = self.settle((queue, name), timing, None, &mut guard, &refused).await;
        }
        if items.is_empty() {
            self.end(guard, timing, name).await;
            return response;
        }
        delete_settled(&self.queues, timing, queue, refused.iter().map(|item| &item.message), &response).await;
        read(&name.tenant, &mut items);
        fold(&mut items);
        let current = match self.tenants.current(&name.tenant).await {
            Ok(current) => {
                hold_rivals(&current, &mut items);
                self.admit(&current, deadline, &mut items).await;
                self.limit(&name.tenant, &mut items).await;
                stop_groups(&mut items);
                self.deliver(Batch { current: &current, queue, name, deadline }, &mut items).await;
                Some(current)
            }
            Err(cause) => {
                fail_all(&mut items, &cause);
                None
            }
        };
        let settled = self.settle((queue, name), timing, current.as_deref(), &mut guard, &items).await;
        response.batch_item_failures.extend(settled.batch_item_failures);
        self.end(guard, timing, name).await;
        response
    }

    async fn end(&self, guard: CrashGuard, timing: Timing<'_>, name: &QueueName) {
        let stalls = guard.end(&self.ledger, timing, name).await;
        self.telemetry.write_stalls(&name.stage, (S::KIND.as_str(), Some(&name.tenant)), self.clock.now(), &stalls);
    }

    /// Settles items of which is known what came of them.
    async fn settle(
        &self,
        (queue, name): (&QueueArn, &QueueName),
        timing: Timing<'_>,
        current: Option<&CurrentTenant>,
        guard: &mut CrashGuard,
        items: &[Item],
    ) -> SqsBatchResponse {
        let mut decided = self.decide(items);
        let untaken = quarantine(&self.queues, timing, &*self.chance, queue, name, &mut decided).await;
        let attempts_used: Vec<_> = items
            .iter()
            .zip(&decided)
            .map(|(item, decided)| item.follows.is_none().then_some(decided.attempts))
            .collect();
        for item in items.iter().filter(|item| item.is_handled()) {
            guard.clear(&item.message.message_id);
        }
        let undelayed = delay(&self.delays, timing, name, guard, &attempts_used, &mut decided).await;
        settle::share_fate(items, &mut decided);
        let unrecorded = self.record(name, timing, current, items, &decided).await;
        let mut metrics = report::report::<S>(&self.telemetry, name, &*self.clock, items, &decided);
        let (response, unhidden) = finish(&self.queues, timing, queue, &decided).await;
        metrics.circuit_changes = self.sink.take_circuit_changes();
        metrics.delivered_unrecorded = unrecorded.delivered;
        let unwritten = unrecorded.rows + guard.take_unwritten() + self.sink.take_unwritten();
        for (store, count) in
            [(Store::Queues, untaken + unhidden), (Store::Delays, undelayed), (Store::Ledger, unwritten)]
        {
            metrics.stalls.add(store, count);
        }
        self.telemetry.write(name, self.clock.now(), &metrics);
        response
    }

    async fn deliver(&self, batch: Batch<'_>, items: &mut [Item]) {
        let mut indexes = Vec::with_capacity(items.len());
        let mut jobs = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if let (Some(delivery), Some(sink), Some(record)) = (item.open(), &item.sink, &item.record) {
                indexes.push(index);
                jobs.push(Job {
                    delivery: Arc::clone(delivery),
                    sink: Arc::clone(sink),
                    attempt: record.attempts_used.saturating_add(1),
                });
            }
        }
        if jobs.is_empty() {
            return;
        }
        let mut answers = match unwind(self.sink.deliver(batch, &jobs)).await {
            Ok(answers) => answers.into_iter(),
            Err(panic) => jobs.iter().map(|_| Attempted::not_begun(panic.clone())).collect::<Vec<_>>().into_iter(),
        };
        for index in indexes {
            if let Some(item) = items.get_mut(index) {
                // A sink that answers too little has a bug, and what it left out may or may not have happened.
                item.attempted = Some(
                    answers
                        .next()
                        .unwrap_or_else(|| Attempted::not_begun(Cause::Bug("the sink said nothing of this delivery"))),
                );
            }
        }
    }
}

/// Reads each message as a delivery of `tenant`.
fn read(tenant: &TenantId, items: &mut [Item]) {
    for item in items.iter_mut().filter(|item| item.attempted.is_none()) {
        // Reading is our own code over foreign bytes: a panic in it must not cost the neighbours anything.
        let read =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Delivery::from_message(tenant, &item.message)));
        match read.unwrap_or(Err(Cause::Bug(PANICKED))) {
            Ok(delivery) => item.delivery = Some(Arc::new(delivery)),
            Err(cause) => item.fail(cause),
        }
    }
}

/// Marks deliveries that stand in the batch already, and those of which the id does, with another content.
fn fold(items: &mut [Item]) {
    #[cfg(feature = "mutation")]
    if crate::mutation::skips_fold() {
        return;
    }
    let mut first: HashMap<&str, (usize, &str)> = HashMap::with_capacity(items.len());
    let mut rivals: Vec<(&str, usize, &str)> = Vec::new();
    let mut again: Vec<(usize, Option<usize>)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(delivery) = item.open() else { continue };
        // The id is the hash of what identifies a delivery.
        let (id, body) = (delivery.id.as_str(), delivery.envelope.body.as_str());
        match first.get(id) {
            None => {
                first.insert(id, (index, body));
            }
            Some((earlier, same)) if *same == body => again.push((index, Some(*earlier))),
            Some(_) => {
                let same = rivals.iter().find(|(rival, _, content)| *rival == id && *content == body);
                again.push((index, same.map(|(_, earlier, _)| *earlier)));
                if same.is_none() {
                    rivals.push((id, index, body));
                }
            }
        }
    }
    for (index, earlier) in again {
        if let Some(item) = items.get_mut(index) {
            item.follows = earlier;
            item.rivals = earlier.is_none();
        }
    }
}

/// Lets rivals come back where deliveries are claimed: which of the two the id belongs to is the ledger's to say, once it knows the first.
fn hold_rivals(current: &CurrentTenant, items: &mut [Item]) {
    for item in items.iter_mut().filter(|item| item.rivals) {
        let sink = item.open().and_then(|delivery| current.tenant.sink(&delivery.sink));
        if sink.is_some_and(|sink| sink.claims && sink.enabled) {
            item.fail(Cause::InProgress { remaining: Duration::ZERO });
        }
    }
}

/// Lets nothing go on that stands, in its group of a FIFO queue, behind a message that is to come back.
fn stop_groups(items: &mut [Item]) {
    #[cfg(feature = "mutation")]
    if crate::mutation::skips_stop() {
        return;
    }
    let mut stopped = Stopped::default();
    for item in items {
        let group = item.message.group.as_deref();
        match item.attempted.as_ref().map(|attempted| &attempted.result) {
            Some(Err(cause)) if cause.comes_back() => stopped.stop(group),
            None if item.follows.is_none() && stopped.has(group) => item.fail(Cause::GroupStopped),
            _ => {}
        }
    }
}

fn fail_all(items: &mut [Item], cause: &Cause) {
    for item in items.iter_mut().filter(|item| item.attempted.is_none() && item.follows.is_none()) {
        item.fail(cause.clone());
    }
}
