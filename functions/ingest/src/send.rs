//! From events to the tenant's intake queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acequia_core::delivery::order::to_intake;
use acequia_core::event::envelope::Envelope;
use acequia_core::flow::order::send_in_order;
use acequia_core::id::{Stage, TenantId};
use acequia_core::message::Outgoing;
use acequia_core::port::{Clock, QueueAddresses, Queues, SendError, Unavailable};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_lambda::Timing;
use jiff::Timestamp;

/// How long it is believed where a tenant's intake is.
const FRESH: Duration = Duration::from_mins(5);
/// The most tenants whose intakes are remembered; one more and all are forgotten.
const MOST: usize = 1000;

/// Where tenants' intakes are.
pub(crate) struct Intakes<S> {
    queues: S,
    stage: Stage,
    clock: Arc<dyn Clock>,
    known: Mutex<BTreeMap<TenantId, (Timestamp, QueueArn)>>,
}

impl<S: QueueAddresses> Intakes<S> {
    pub(crate) fn new(queues: S, stage: Stage, clock: Arc<dyn Clock>) -> Self {
        Self { queues, stage, clock, known: Mutex::default() }
    }

    /// The tenant's intake, FIFO where its stack keeps order; `None` where its stack is not there.
    pub(crate) async fn of(&self, tenant: &TenantId) -> Result<Option<QueueArn>, Unavailable> {
        let now = self.clock.now();
        let is_fresh = |at: Timestamp| Duration::try_from(now.duration_since(at)).is_ok_and(|age| age < FRESH);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        if let Some((_, queue)) = known.filter(|(at, _)| is_fresh(*at)) {
            return Ok(Some(queue));
        }
        let standard = QueueName::new(&self.stage, tenant, QueueRole::Intake);
        let ordered = QueueName { fifo: true, ..standard.clone() };
        let (standard, ordered) = futures::join!(self.queues.locate(&standard), self.queues.locate(&ordered));
        let Some(queue) = standard?.or(ordered?) else { return Ok(None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(tenant.clone(), (now, queue.clone()));
        Ok(Some(queue))
    }

    /// Looks for the tenant's intake anew the next time.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }
}

/// Sends events to their intake; one answer each, in order: whether SQS has it. What SQS has and could not say in time
/// counts as not taken, and comes twice when it is sent again.
pub(crate) async fn send<S: QueueAddresses>(
    queues: &impl Queues,
    intakes: &Intakes<S>,
    tenant: &TenantId,
    queue: &QueueArn,
    events: &[Envelope],
    timing: Timing<'_>,
) -> Vec<bool> {
    let messages: Vec<Outgoing> = events.iter().map(|envelope| to_intake(queue, envelope)).collect();
    let has_time = || !timing.deadline.for_effects(timing.clock).is_zero();
    let sent = timing.for_effects(send_in_order(queues, queue, &messages, has_time)).await;
    let Some(answers) = sent else {
        tracing::warn!(tenant.id = %tenant, events = events.len(), "SQS did not answer in time");
        return vec![false; events.len()];
    };
    let first = answers.iter().find_map(|answer| answer.as_ref().err());
    match first {
        Some(SendError::Refused(problem)) => {
            // The queue may have gone, or become one of the other kind.
            intakes.forget(tenant);
            tracing::error!(tenant.id = %tenant, error = problem, "the tenant's intake refuses events");
        }
        Some(SendError::Unavailable(error)) => {
            let count = answers.iter().filter(|answer| answer.is_err()).count();
            tracing::warn!(tenant.id = %tenant, events = count, error = ?error, "SQS did not take events");
        }
        None => {}
    }
    let mut taken: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    taken.resize(events.len(), false);
    taken
}
