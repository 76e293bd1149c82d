//! Puts deliveries into the queues of their sinks: what the router does with an event, and the outbox with one that was released.

use std::collections::BTreeMap;

use acequia_core::config::SinkKind;
use acequia_core::delivery::{Delivery, Outgoing};
use acequia_core::order::send_in_order;
use acequia_core::outcome::Cause;
use acequia_core::port::{Queues, SendError};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};

use crate::CurrentTenant;

/// Sends deliveries of one tenant, batched by the queue that they go to; one answer each, in order: nothing, or what went wrong.
///
/// `queue` is any queue of the tenant, and `name` its name: the others stand beside it. A delivery whose sink the tenant does not have (any
/// more) is left out, and no failure.
pub async fn dispatch(
    queues: &impl Queues,
    current: &CurrentTenant,
    queue: &QueueArn,
    name: &QueueName,
    deliveries: &[Delivery],
) -> Vec<Option<Cause>> {
    let mut by_kind: BTreeMap<SinkKind, (Vec<usize>, Vec<Outgoing>)> = BTreeMap::new();
    for (index, delivery) in deliveries.iter().enumerate() {
        let Some(sink) = current.tenant.sink(&delivery.sink) else { continue };
        let kind = sink.kind();
        let (indexes, messages) = by_kind.entry(kind).or_default();
        indexes.push(index);
        messages.push(if keeps_order(name, kind) { delivery.to_ordered_message() } else { delivery.to_message() });
    }
    let sends = by_kind.into_iter().map(|(kind, (indexes, messages))| async move {
        let fifo = keeps_order(name, kind);
        let target = queue.beside(&QueueName { fifo, ..name.sibling(QueueRole::Sink(kind)) });
        (kind, indexes, send_in_order(queues, &target, &messages, || true).await)
    });
    let mut failures: Vec<Option<Cause>> = deliveries.iter().map(|_| None).collect();
    for (kind, indexes, answers) in futures::future::join_all(sends).await {
        let mut answers = answers.into_iter();
        for index in indexes {
            let failure = match answers.next() {
                Some(Ok(_)) => continue,
                Some(Err(SendError::Refused(problem))) => {
                    tracing::error!(tenant.id = %name.tenant, sink.kind = %kind, error = problem, "a sink's queue refuses deliveries");
                    Cause::QueueRefused(kind)
                }
                Some(Err(SendError::Unavailable(error))) => {
                    tracing::warn!(tenant.id = %name.tenant, sink.kind = %kind, error = ?error, "a sink's queue does not answer");
                    Cause::QueueDown
                }
                None => Cause::QueueDown,
            };
            if let Some(slot) = failures.get_mut(index) {
                *slot = Some(failure);
            }
        }
    }
    failures
}

/// One parameter of the tenant's stack makes its intake and its forward queue FIFO, both or none.
fn keeps_order(name: &QueueName, kind: SinkKind) -> bool {
    name.fifo && kind == SinkKind::Forward
}
