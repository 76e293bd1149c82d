//! Attempts forward deliveries, batched by the queue that they go to.
//!
//! A queue outside is filled only where the tenant's stack allows it. That is looked up once for a batch that has such
//! a delivery, and never for the tenant's own queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::flow::order::send_in_order;
use acequia_core::id::TenantId;
use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Clock, GrantStore, Queues};
use acequia_core::queue::QueueArn;
use acequia_core::tenant;
use acequia_core::tenant::grant::Grants;
use acequia_lambda::{Attempted, Batch, Course, Job, Sink, within};

use crate::{classify, request};

/// What one call for a batch may take: the SDK's own attempts and time-outs end before. To a FIFO queue there may be
/// one call after the other.
const BUDGET: Duration = Duration::from_secs(15);
/// What the look-up of the grants may take.
const LOOK_UP: Duration = Duration::from_secs(2);

/// The forward sink, wired to its ports.
pub struct ForwardSink<Q, G> {
    /// SQS.
    pub queues: Q,
    /// What tenants' stacks allow: which queues outside each may fill.
    pub grants: G,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl<Q: Queues, G: GrantStore> Sink for ForwardSink<Q, G> {
    const KIND: SinkKind = SinkKind::Forward;
    /// What the tenant's stack allows; nothing where it cannot be read, or nothing goes outside.
    type Ready = Option<Grants>;

    async fn prepare(&self, batch: Batch<'_>, sinks: &[Arc<tenant::Sink>]) -> Option<Grants> {
        let goes_outside = |sink: &Arc<tenant::Sink>| {
            request::target(&batch, sink).is_some_and(|queue| !request::is_own(&batch, &queue))
        };
        if sinks.iter().any(goes_outside) { self.grants_of(&batch.current.tenant.summary.id).await } else { None }
    }

    async fn shadow(&self, batch: Batch<'_>, grants: &Option<Grants>, job: &Job) -> Result<String, Cause> {
        let queue = request::target(&batch, &job.sink).ok_or(Cause::SinkUnknown)?;
        check(&batch, &queue, grants.as_ref())?;
        let message = request::message(&job.delivery, queue.is_fifo(), request::format(job));
        Ok(format!("{} bytes with {} attributes to {}", message.body.len(), message.attributes.len(), queue.name()))
    }

    async fn deliver(&self, batch: Batch<'_>, grants: &Option<Grants>, course: &Course<'_>) {
        for (queue, (places, messages)) in by_queue(&batch, course.jobs()) {
            let may_begin = || batch.deadline.for_effects(&*self.clock) >= BUDGET;
            let checked = check(&batch, &queue, grants.as_ref());
            if let Err(cause) = checked.and_then(|()| if may_begin() { Ok(()) } else { Err(Cause::NoTime) }) {
                for place in places {
                    course.tell(place, Attempted::not_begun(cause.clone()));
                }
                continue;
            }
            let begun = self.clock.now();
            let mut answers = send_in_order(&self.queues, &queue, &messages, may_begin).await.into_iter();
            let ended = self.clock.now();
            let duration = Duration::try_from(ended.duration_since(begun)).unwrap_or_default();
            for place in places {
                let result = answers.next().map_or(Err(Cause::StoreDown(Store::Queues)), classify::answer);
                course.tell(place, Attempted { result, duration, ended_at: Some(ended), stages: None });
            }
        }
    }
}

impl<Q, G: GrantStore> ForwardSink<Q, G> {
    /// What the tenant's stack allows; `None` where it cannot be read in time.
    async fn grants_of(&self, tenant: &TenantId) -> Option<Grants> {
        let error = match within(&*self.clock, LOOK_UP, Box::pin(self.grants.grants(tenant))).await {
            Some(Ok(grants)) => return Some(grants),
            Some(Err(error)) => Some(error),
            None => None,
        };
        tracing::warn!(tenant.id = %tenant, error = ?error, "what the tenant's stack allows cannot be read: deliveries to queues outside wait");
        None
    }
}

/// Whether a queue may be filled for the tenant of a batch.
fn check(batch: &Batch<'_>, queue: &QueueArn, grants: Option<&Grants>) -> Result<(), Cause> {
    if !queue.shares_partition(&batch.queue.arn) {
        let refused =
            "the queue is in another partition of AWS, where this installation's credentials count for nothing";
        return Err(Cause::Rejected(refused.to_owned()));
    }
    if request::is_own(batch, queue) {
        return Ok(());
    }
    grants.ok_or(Cause::StoreDown(Store::Secrets))?.check_target(queue)
}

/// The messages by the queue that they go to, each with the number of its job.
fn by_queue(batch: &Batch<'_>, jobs: &[Job]) -> BTreeMap<QueueArn, (Vec<usize>, Vec<Outgoing>)> {
    let mut by_queue: BTreeMap<QueueArn, (Vec<usize>, Vec<Outgoing>)> = BTreeMap::new();
    let mut last: Option<(&Job, QueueArn)> = None;
    for (index, job) in jobs.iter().enumerate() {
        // Most batches are one sink's, and each message of a sink goes to the same queue.
        if !last.as_ref().is_some_and(|(before, _)| Arc::ptr_eq(&before.sink, &job.sink)) {
            last = request::target(batch, &job.sink).map(|queue| (job, queue));
        }
        let Some((_, queue)) = &last else { continue };
        let message = request::message(&job.delivery, queue.is_fifo(), request::format(job));
        let (indexes, messages) = by_queue.entry(queue.clone()).or_default();
        indexes.push(index);
        messages.push(message);
    }
    by_queue
}
