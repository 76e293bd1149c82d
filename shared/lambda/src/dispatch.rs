//! Puts deliveries into the queues of their sinks: what the router does with an event, and the outbox with one that was
//! released.
//!
//! An event of a megabyte may have fifty sinks, and a batch six megabytes of events: all copies at once would be more
//! than a function has memory. So a copy of the event's bytes is made when it is sent, and what is under way at once is
//! bounded, in calls and in bytes. The calls are made in the order of the deliveries, so that where the time ends too
//! early the first events are done and only the last come back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use acequia_core::delivery::Delivery;
use acequia_core::delivery::order::{Stopped, group_of, waves};
use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Queues, SendError};
use acequia_core::queue::{Queue, QueueName, QueueRole};
use futures::StreamExt as _;
use tokio::sync::Semaphore;

use crate::CurrentTenant;

/// SQS's bounds of one call: ten messages, and 1 MiB in one message or in all of a call together.
const CALL_MESSAGES: usize = 10;
const CALL_BYTES: usize = 1024 * 1024;
/// How many calls are under way at once, and how much all of them together may carry, in kilobytes. What the SDK makes
/// of a message takes a few times its size.
const CALLS: usize = 12;
const UNDER_WAY_KB: u32 = 2 * 1024;

/// What became of each of some deliveries: nothing, or what went wrong. It is there also where sending was cut off.
#[derive(Debug)]
pub struct Fates(Mutex<Vec<Option<Cause>>>);

impl Fates {
    /// Of so many deliveries, for which there was no time yet.
    pub fn new(count: usize) -> Self {
        Self(Mutex::new(vec![Some(Cause::NoTime); count]))
    }

    /// One for each delivery, in order.
    pub fn into_inner(self) -> Vec<Option<Cause>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, index: usize, fate: Option<Cause>) {
        if let Some(place) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *place = fate;
        }
    }
}

/// Sends deliveries of one tenant, batched by the queue that they go to; one answer each, in order: nothing, or what
/// went wrong.
///
/// `beside` is any queue of the tenant: the others stand beside it. A delivery whose sink the tenant does not have (any
/// more) is left out, and no failure.
pub async fn dispatch(
    queues: &impl Queues,
    current: &CurrentTenant,
    beside: &Queue,
    deliveries: &[Delivery],
) -> Vec<Option<Cause>> {
    let fates = Fates::new(deliveries.len());
    dispatch_noting(queues, current, beside, deliveries, &fates).await;
    fates.into_inner()
}

/// The same, with what became of each delivery noted as soon as that is known.
pub async fn dispatch_noting(
    queues: &impl Queues,
    current: &CurrentTenant,
    beside: &Queue,
    deliveries: &[Delivery],
    fates: &Fates,
) {
    let mut kinds = Vec::with_capacity(deliveries.len());
    for (index, delivery) in deliveries.iter().enumerate() {
        match current.tenant.sink(&delivery.sink) {
            Some(sink) => kinds.push((index, sink.kind())),
            None => fates.note(index, None),
        }
    }
    let (ordered, others): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|(_, kind)| keeps_order(&beside.name, *kind));
    let way = Way { queues, beside, deliveries, fates, room: Semaphore::new(UNDER_WAY_KB as usize) };
    let at_once = futures::stream::iter(calls(deliveries, others))
        .map(|call| way.send(call))
        .buffer_unordered(CALLS)
        .for_each(|_| std::future::ready(()));
    futures::future::join(at_once, way.send_in_order(ordered)).await;
}

/// One call: deliveries of one queue, by their places.
struct Call {
    kind: SinkKind,
    places: Vec<usize>,
    bytes: usize,
}

/// Sorts deliveries into calls by SQS's bounds; a call stands where its last delivery does.
fn calls(deliveries: &[Delivery], places: impl IntoIterator<Item = (usize, SinkKind)>) -> Vec<Call> {
    let mut full = Vec::new();
    let mut open: BTreeMap<SinkKind, Call> = BTreeMap::new();
    for (place, kind) in places {
        let Some(bytes) = deliveries.get(place).map(Delivery::message_bytes) else { continue };
        let call = open.entry(kind).or_insert_with(|| Call { kind, places: Vec::new(), bytes: 0 });
        if call.places.len() == CALL_MESSAGES || call.bytes + bytes > CALL_BYTES {
            let fresh = Call { kind, places: Vec::new(), bytes: 0 };
            full.push(std::mem::replace(call, fresh));
        }
        call.places.push(place);
        call.bytes += bytes;
    }
    full.extend(open.into_values());
    full.retain(|call| !call.places.is_empty());
    full
}

/// Where deliveries go, and how.
struct Way<'a, Q> {
    queues: &'a Q,
    beside: &'a Queue,
    deliveries: &'a [Delivery],
    fates: &'a Fates,
    room: Semaphore,
}

impl<Q: Queues> Way<'_, Q> {
    /// Makes a call, and notes what became of its deliveries; answers the places of those that are not in their queue.
    async fn send(&self, call: Call) -> BTreeSet<usize> {
        let Call { kind, places, bytes } = call;
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(UNDER_WAY_KB).min(UNDER_WAY_KB);
        // It is never closed: where it were, the calls are bounded in number all the same.
        let _room = self.room.acquire_many(wanted).await.ok();
        let Queue { arn, name } = self.beside;
        let fifo = keeps_order(name, kind);
        let target = arn.beside(&QueueName { fifo, ..name.sibling(QueueRole::Sink(kind)) });
        let message = |delivery: &Delivery| if fifo { delivery.to_ordered_message() } else { delivery.to_message() };
        let messages: Vec<Outgoing> =
            places.iter().filter_map(|place| self.deliveries.get(*place)).map(message).collect();
        let mut answers = self.queues.send(&target, &messages).await.into_iter();
        let mut failed = BTreeSet::new();
        for place in places {
            let fate = self.fate(kind, answers.next());
            if fate.is_some() {
                failed.insert(place);
            }
            self.fates.note(place, fate);
        }
        failed
    }

    /// Sends to the FIFO queue so that nothing overtakes, as [`acequia_core::flow::order::send_in_order`] does with
    /// messages that are made already.
    async fn send_in_order(&self, ordered: Vec<(usize, SinkKind)>) {
        let group = |(place, _): &(usize, SinkKind)| {
            self.deliveries.get(*place).map(|delivery| group_of(&delivery.sink, &delivery.envelope))
        };
        let mut stopped = Stopped::default();
        for wave in waves(ordered, group) {
            for call in calls(self.deliveries, wave) {
                let kind = call.kind;
                let (held, places): (Vec<usize>, Vec<usize>) =
                    call.places.into_iter().partition(|place| stopped.has(group(&(*place, kind)).as_deref()));
                for place in held {
                    self.fates.note(place, Some(Cause::StoreDown(Store::Queues)));
                }
                if places.is_empty() {
                    continue;
                }
                for place in self.send(Call { places, ..call }).await {
                    stopped.stop(group(&(place, kind)).as_deref());
                }
            }
        }
    }

    fn fate(&self, kind: SinkKind, answer: Option<Result<String, SendError>>) -> Option<Cause> {
        match answer {
            Some(Ok(_)) => None,
            Some(Err(SendError::Refused(problem))) => {
                tracing::error!(tenant.id = %self.beside.name.tenant, sink.kind = %kind, error = problem, "a sink's queue refuses deliveries");
                Some(Cause::QueueRefused(kind))
            }
            Some(Err(SendError::Unavailable(error))) => {
                tracing::warn!(tenant.id = %self.beside.name.tenant, sink.kind = %kind, error = ?error, "a sink's queue does not answer");
                Some(Cause::StoreDown(Store::Queues))
            }
            None => Some(Cause::StoreDown(Store::Queues)),
        }
    }
}

/// One parameter of the tenant's stack makes its intake and its forward queue FIFO, both or none.
fn keeps_order(name: &QueueName, kind: SinkKind) -> bool {
    name.fifo && kind.facts().keeps_order
}
