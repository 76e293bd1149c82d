//! Where a replay's deliveries go: into the queues of their sinks, or into a count.

use std::collections::BTreeMap;
use std::future::Future;

use acequia_core::delivery::Delivery;
use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::port::{Queues, SendError};
use acequia_core::queue::QueueArn;
use futures::future::join_all;

/// Takes deliveries.
pub trait Sender: Sync {
    /// Sends deliveries; one answer each, in order.
    fn send(&self, deliveries: &[Delivery]) -> impl Future<Output = Vec<Result<(), SendError>>> + Send;
}

/// Sends nothing: what a dry run counts by.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Sender for Nowhere {
    async fn send(&self, deliveries: &[Delivery]) -> Vec<Result<(), SendError>> {
        deliveries.iter().map(|_| Ok(())).collect()
    }
}

/// The queues of a tenant's sinks.
#[derive(Debug)]
pub struct ToQueues<Q> {
    /// SQS.
    pub queues: Q,
    /// The queue of each kind that is sent to.
    pub of: BTreeMap<SinkKind, QueueArn>,
    /// The kind of each sink that is sent to.
    pub kinds: BTreeMap<acequia_core::id::SinkId, SinkKind>,
}

impl<Q: Queues> Sender for ToQueues<Q> {
    async fn send(&self, deliveries: &[Delivery]) -> Vec<Result<(), SendError>> {
        let mut calls: BTreeMap<&QueueArn, Vec<(usize, Outgoing)>> = BTreeMap::new();
        let unknown = || Err(SendError::Refused("its sink has no queue".to_owned()));
        let mut answers: Vec<Result<(), SendError>> = deliveries.iter().map(|_| unknown()).collect();
        for (place, delivery) in deliveries.iter().enumerate() {
            let Some(queue) = self.kinds.get(&delivery.sink).and_then(|kind| self.of.get(kind)) else { continue };
            let message = if queue.is_fifo() { delivery.to_ordered_message() } else { delivery.to_message() };
            calls.entry(queue).or_default().push((place, message));
        }
        let calls = calls.into_iter().map(async |(queue, messages)| {
            let (places, messages): (Vec<usize>, Vec<Outgoing>) = messages.into_iter().unzip();
            (places, self.queues.send(queue, &messages).await)
        });
        for (places, sent) in join_all(calls).await {
            for (place, sent) in places.into_iter().zip(sent) {
                if let Some(answer) = answers.get_mut(place) {
                    *answer = sent.map(drop);
                }
            }
        }
        answers
    }
}
