//! The loop of every sink function: what it does with a batch between SQS and the answer, in the frame of
//! [`crate::batch_loop`].
//!
//! 1. *read*: each message becomes a delivery of the tenant whose queue it came from, or is quarantined.
//! 2. *fold*: the same delivery twice in a batch is performed once; the second shares the first one's fate. Another
//!    content under the same id is a rival: where deliveries are claimed it waits for the ledger's word on the first,
//!    else it is delivered too.
//! 3. *admit*: deliveries are claimed in the ledger (where the sink wants that), or looked up if they came before.
//!    Beside that the sink gets ready, and the circuits are looked at.
//! 4. *limit*: those wait for which their sink's rate grants no start now.
//! 5. *circuit*: those wait whose endpoint's circuit is open.
//! 6. *deliver*: the sink attempts the others. Their circuits learn what came of it, and the ledger what was delivered,
//!    while others are under way.
//! 7. *record*: the ledger learns what was decided about the others.
//!
//! Invariants:
//! - Nothing is attempted for a delivery that needs a claim and did not get it.
//! - A message is acknowledged only if it was delivered, is delayed, or lies in the dead-letter queue.
//! - What happens to one message changes nothing for its neighbours.
//!
//! Not guaranteed: that the record is written after the effect. Then the message is acknowledged all the same
//! (`delivered_unrecorded` in the metrics): to repeat a sure effect would be worse than to forget it.

mod admit;
mod circuit;
mod deliver;
mod limit;
mod record;
mod report;
mod shadow;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::{DeliveryRecord, EARLY};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::message::Incoming;
use acequia_core::outcome::schedule::RetryPolicy;
use acequia_core::outcome::{Cause, PANICKED, Situation, Stay};
use acequia_core::port::{Clock, Ports};
use acequia_core::tenant::Sink as SinkConfig;
use acequia_core::wire::redrive_of;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};

use crate::batch_loop::{BatchFunction, BatchItem, BatchLoop, Settled, Unrecorded, handle, stop_groups};
use crate::{
    Attempted, Batch, BatchMetrics, Breakers, CurrentTenant, Deadline, RateLimiter, Sink, Timing, UnusableBatch,
    Widths, unwind,
};
use circuit::CircuitNotes;

/// The loop of one sink function, wired to its ports.
pub struct SinkLoop<P: Ports, S> {
    /// What it has in common with other loops.
    pub common: BatchLoop<P>,
    /// The rates of the sinks.
    pub rate_limiter: RateLimiter<P::Rates>,
    /// The circuits of the endpoints; `None` where the sinks have none.
    pub breakers: Option<Breakers<P::Endpoints, P::Alerts>>,
    /// How many attempts are under way at once.
    pub widths: Widths,
    /// What delivers.
    pub sink: S,
}

/// One message on its way through the loop.
pub struct Item {
    message: Incoming,
    delivery: Option<Arc<Delivery>>,
    sink: Option<Arc<SinkConfig>>,
    /// The ledger's record, from the time that the delivery is admitted.
    record: Option<Box<DeliveryRecord>>,
    /// What came of it, from the time that this is known.
    attempted: Option<Attempted>,
    /// The item of the batch that holds the same delivery, and makes it for both.
    follows: Option<usize>,
    /// Whether an earlier item of the batch has the same id and another content.
    rivals: bool,
    /// Whether the ledger knows already what came of it.
    recorded: bool,
}

impl Item {
    /// The item with its delivery, while nothing is known of what came of it.
    fn open(&self) -> Option<&Arc<Delivery>> {
        if self.is_open() { self.delivery.as_ref() } else { None }
    }

    /// The same, where it is admitted too.
    fn admitted(&self) -> Option<(&Arc<Delivery>, &Arc<SinkConfig>, &DeliveryRecord)> {
        Some((self.open()?, self.sink.as_ref()?, self.record.as_deref()?))
    }

    fn delivery_id(&self) -> Option<&str> {
        self.delivery.as_ref().map(|delivery| delivery.id.as_str())
    }

    fn attempts_used(&self) -> u32 {
        self.record.as_ref().map_or(0, |record| record.attempts_used)
    }
}

impl BatchItem for Item {
    fn of(message: Incoming) -> Self {
        Self {
            message,
            delivery: None,
            sink: None,
            record: None,
            attempted: None,
            follows: None,
            rivals: false,
            recorded: false,
        }
    }

    fn message(&self) -> &Incoming {
        &self.message
    }

    fn failure(&self) -> Option<&Cause> {
        self.attempted.as_ref()?.result.as_ref().err()
    }

    fn fail(&mut self, cause: Cause) {
        self.attempted = Some(Attempted::not_begun(cause));
    }

    fn is_open(&self) -> bool {
        self.attempted.is_none() && self.follows.is_none()
    }

    fn is_done(&self) -> bool {
        self.attempted.as_ref().is_some_and(|attempted| attempted.result.is_ok())
    }

    fn is_handled(&self) -> bool {
        self.is_done() || self.failure().is_some_and(|cause| cause.spends_attempt() || !cause.comes_back())
    }

    fn follows(&self) -> Option<usize> {
        self.follows
    }

    fn situation(&self, clock: &dyn Clock, is_suspect: bool) -> Situation<'_> {
        let expiry = self.sink.as_ref().zip(self.delivery.as_ref()).and_then(|(sink, one)| sink.expiry(one));
        let left = |expiry: jiff::Timestamp| Duration::try_from(expiry.duration_since(clock.now())).unwrap_or_default();
        Situation {
            policy: self.sink.as_ref().map_or(RetryPolicy::standard(), |sink| &sink.retry),
            attempt: self.attempts_used().saturating_add(1),
            received: self.message.receive_count,
            expires_in: expiry.map(|expiry| left(expiry).saturating_add(EARLY)),
            has_reservation: self.record.as_ref().is_some_and(|record| record.reservation.is_some()),
            stay: Stay {
                receive_count: self.message.receive_count,
                attempts_used: self.attempts(),
                fifo: self.message.queue.is_fifo(),
                is_suspect,
            },
        }
    }

    fn attempts(&self) -> u32 {
        let spends = self.is_done() || self.failure().is_some_and(Cause::spends_attempt);
        self.attempts_used().saturating_add(u32::from(spends))
    }
}

impl<P: Ports, S: Sink> SinkLoop<P, S> {
    /// Handles one batch.
    ///
    /// # Errors
    /// [`UnusableBatch`] where the batch cannot be answered item by item; all of it then comes back.
    pub async fn handle(&self, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse, UnusableBatch> {
        handle(self, event, deadline).await
    }
}

impl<P: Ports, S: Sink> BatchFunction for SinkLoop<P, S> {
    type Ports = P;
    type Item = Item;
    type Notes = CircuitNotes;
    const NAME: &'static str = S::KIND.as_str();

    fn common(&self) -> &BatchLoop<P> {
        &self.common
    }

    fn read(&self, tenant: &TenantId, items: &mut [Item]) {
        read(tenant, items);
        fold(items);
    }

    async fn process(&self, batch: Batch<'_>, items: &mut [Item]) -> CircuitNotes {
        hold_rivals(batch.current, items);
        let sinks = sinks_of::<S>(batch.current, items);
        // None of the three depends on the others.
        let ready = unwind(self.sink.prepare(batch, &sinks));
        let known = self.look_at_circuits(batch, &sinks);
        let admitted = self.admit(batch.current, batch.deadline, items);
        let (ready, known, ()) = futures::join!(ready, known, admitted);
        self.shadow(batch, items, &ready).await;
        self.limit(&batch.queue.name.tenant, items).await;
        let passes = self.ask_circuits(batch, items, known).await;
        stop_groups(items);
        self.deliver(batch, items, ready, passes.as_ref()).await;
        self.end_circuits(batch, passes).await
    }

    async fn record(&self, settled: &Settled<'_, Item>, timing: Timing<'_>, current: &CurrentTenant) -> Unrecorded {
        record::write::<S>(&self.common.ledger, settled, timing, current).await
    }

    fn report(&self, settled: &Settled<'_, Item>, notes: CircuitNotes) -> BatchMetrics {
        let mut metrics = report::report::<S>(&self.common.telemetry, &*self.common.clock, settled);
        notes.write(&mut metrics);
        metrics
    }
}

/// The sinks that something is to be delivered to, each once.
fn sinks_of<S: Sink>(current: &CurrentTenant, items: &[Item]) -> Vec<Arc<SinkConfig>> {
    let mut ids: BTreeSet<&SinkId> = items.iter().filter_map(Item::open).map(|delivery| &delivery.sink).collect();
    let mut sinks = Vec::with_capacity(ids.len());
    while let Some(id) = ids.pop_first() {
        let sink = current.tenant.sink(id).filter(|sink| sink.kind() == S::KIND && sink.enabled && !sink.paused);
        sinks.extend(sink.cloned());
    }
    sinks
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

/// What a batch knows a delivery by: its id, and the replay that makes it.
type Identity<'a> = (&'a str, Option<&'a str>);

/// Marks deliveries that stand in the batch already, and those of which the id does, with another content.
fn fold(items: &mut [Item]) {
    #[cfg(feature = "mutation")]
    if crate::mutation::skips_fold() {
        return;
    }
    let mut first: HashMap<Identity<'_>, (usize, &str)> = HashMap::with_capacity(items.len());
    let mut rivals: Vec<(Identity<'_>, usize, &str)> = Vec::new();
    let mut again: Vec<(usize, Option<usize>)> = Vec::new();
    let mut moved: Vec<(usize, usize)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(delivery) = item.open() else { continue };
        // The id is the hash of what identifies a delivery, but that a replay may make it again under the same.
        let replay = delivery.replay.as_ref().map(|replay| replay.id.as_str());
        let (id, body) = ((delivery.id.as_str(), replay), delivery.envelope.body.as_str());
        match first.get(&id) {
            None => {
                first.insert(id, (index, body));
            }
            // Of a delivery that is quarantined, the ledger lets the redriven message alone begin again.
            Some((earlier, same))
                if *same == body && is_redriven(item) && !items.get(*earlier).is_some_and(is_redriven) =>
            {
                moved.push((*earlier, index));
                again.push((*earlier, Some(index)));
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
        let leader = |old: usize| moved.iter().find(|(from, _)| *from == old).map_or(old, |(_, to)| *to);
        let earlier = earlier.map(leader);
        if let Some(item) = items.get_mut(index) {
            item.follows = earlier;
            item.rivals = earlier.is_none();
        }
    }
}

/// Whether a message came out of a dead-letter queue.
fn is_redriven(item: &Item) -> bool {
    redrive_of(&item.message).is_some()
}

/// Lets rivals come back where deliveries are claimed: which of the two the id belongs to is the ledger's to say, once
/// it knows the first.
fn hold_rivals(current: &CurrentTenant, items: &mut [Item]) {
    for item in items.iter_mut().filter(|item| item.rivals) {
        let sink = item.open().and_then(|delivery| current.tenant.sink(&delivery.sink));
        if sink.is_some_and(|sink| sink.claims && sink.enabled) {
            item.fail(Cause::InProgress { remaining: Duration::ZERO });
        }
    }
}
