//! Whose the topics of Kafka are, in memory.

use std::collections::BTreeMap;

use acequia_core::port::{TopicStore, Unavailable};
use acequia_core::queue::{Queue, QueueArn};
use acequia_core::topic::Topic;

use crate::fault::Faults;
use crate::shared::Shared;

/// Topics in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryTopics {
    rows: Shared<BTreeMap<String, Queue>>,
    /// Makes reading fail.
    pub reads: Faults,
}

impl InMemoryTopics {
    /// No topic feeds anybody.
    pub fn new() -> Self {
        Self::default()
    }

    /// This topic's records go to this queue.
    ///
    /// # Panics
    /// Where it is no queue of Acequia's: a test wrote it.
    #[must_use]
    pub fn with(self, topic: &str, intake: QueueArn) -> Self {
        self.put(topic, intake);
        self
    }

    /// The same of one that is there already.
    ///
    /// # Panics
    /// Where it is no queue of Acequia's: a test wrote it.
    #[expect(clippy::expect_used, reason = "a test's own mistake should stop the test where it was made")]
    pub fn put(&self, topic: &str, intake: QueueArn) {
        self.rows.lock().insert(topic.to_owned(), Queue::at(intake).expect("a queue of Acequia's"));
    }
}

impl TopicStore for InMemoryTopics {
    async fn intake(&self, topic: &Topic) -> Result<Option<Queue>, Unavailable> {
        self.reads.call("read whose a topic is")?;
        Ok(self.rows.lock().get(topic.as_str()).cloned())
    }
}
