//! The in-memory queues as an operator's redrive sees them.

use std::time::Duration;

use acequia_core::delivery::redrive::Received;
use acequia_core::message::Outgoing;
use acequia_core::port::{DeadLetters, Depths, Queues as _, Search, SendError, Sending, Unavailable};
use acequia_core::queue::{QueueArn, QueueName};

use crate::queues::{InMemoryQueues, MAX_BYTES};

impl DeadLetters for InMemoryQueues {
    async fn receive(
        &self,
        queue: &QueueArn,
        visibility: Duration,
        _search: Search,
    ) -> Result<Vec<Received>, Unavailable> {
        if self.is_missing(queue) {
            return Err(Unavailable::new("receive messages", "the queue does not exist"));
        }
        let received = Self::receive(self, queue, 10, visibility).into_iter().map(|message| {
            let group = self.group(queue, &message.message_id);
            Received { message, group }
        });
        Ok(received.collect())
    }

    async fn send_once(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Sending> {
        let sending = |answer| match answer {
            Ok(_) => Sending::Sent,
            // What fails here by a switch was not taken.
            Err(SendError::Refused(why)) => Sending::NotSent(why),
            Err(SendError::Unavailable(error)) => Sending::NotSent(error.to_string()),
        };
        // In a FIFO queue nothing overtakes what is too large.
        let too_large = messages.iter().position(|message| message.bytes() > MAX_BYTES);
        let (sent, kept) = match too_large.filter(|_| queue.is_fifo()) {
            Some(place) => messages.split_at(place),
            None => (messages, &[][..]),
        };
        let behind = kept.iter().map(|_| Sending::NotSent("it is too large, or behind one that is".to_owned()));
        self.send(queue, sent).await.into_iter().map(sending).chain(behind).collect()
    }

    async fn hide(&self, queue: &QueueArn, handles: &[String], time: Duration) -> Vec<Result<(), Unavailable>> {
        let messages: Vec<_> = handles.iter().map(|handle| (handle.clone(), time)).collect();
        acequia_core::port::Queues::hide(self, queue, &messages).await
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        acequia_core::port::Queues::delete(self, queue, handles).await
    }
}

impl Depths for InMemoryQueues {
    async fn measure(&self, name: &QueueName) -> Result<Option<(QueueArn, u64)>, Unavailable> {
        let queue = crate::build::named_queue(name);
        let depth = self.depth(&queue);
        Ok((!self.is_missing(&queue)).then_some((queue, (depth.visible + depth.hidden) as u64)))
    }
}
