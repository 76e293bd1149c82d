//! Whose the topics of Kafka are: the parameters `/acequia/<stage>/kafka/<topic>` that the stacks write which map them,
//! remembered for a minute.

use acequia_core::id::Stage;
use acequia_core::port::{Clock, TopicStore, Unavailable};
use acequia_core::queue::{Queue, QueueArn};
use acequia_core::topic::Topic;

use crate::memory::{Known, Memory};
use crate::{Lazy, ParameterStore, keys};

const READ: &str = "read whose a topic is";

/// The parameter store, with a memory.
pub struct SsmTopics<C> {
    client: Lazy<ParameterStore>,
    stage: Stage,
    clock: C,
    known: Memory<Queue>,
}

impl<C: Clock> SsmTopics<C> {
    /// The topics of this stage.
    pub fn new(client: Lazy<ParameterStore>, stage: Stage, clock: C) -> Self {
        Self { client, stage, clock, known: Memory::new() }
    }
}

impl<C: Clock> TopicStore for SsmTopics<C> {
    async fn intake(&self, topic: &Topic) -> Result<Option<Queue>, Unavailable> {
        let path = keys::topic(&self.stage, topic);
        match self.known.recall(&path, self.clock.now()) {
            Some(Known::Value(queue)) => return Ok(Some(queue)),
            Some(Known::Absent) => return Ok(None),
            None => {}
        }
        let value = self.client.get(&path).await.map_err(|error| error.unavailable(READ))?;
        let read = |text: String| text.parse::<QueueArn>().and_then(Queue::at);
        let queue = value.map(read).transpose().map_err(|error| Unavailable::new(READ, error))?;
        self.known.remember(path, queue.clone(), self.clock.now());
        Ok(queue)
    }
}
