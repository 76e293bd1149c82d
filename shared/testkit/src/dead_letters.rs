//! The in-memory queues as an operator's redrive sees them.

use std::time::Duration;

use acequia_core::delivery::redrive::Received;
use acequia_core::message::Outgoing;
use acequia_core::port::{DeadLetters, Depths, Queues as _, Search, SendError, Sending, Unavailable};
use acequia_core::queue::{QueueArn, QueueName};

use crate::queues::InMemoryQueues;

impl DeadLetters for InMemoryQueues {
    async fn receive(
        &self,
        queue: &QueueArn,
        visibility: Duration,
        _search: Search,
    ) -> Result<Vec<Received>, Unavailable> {
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
        self.send(queue, messages).await.into_iter().map(sending).collect()
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
