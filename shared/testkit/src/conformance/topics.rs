//! The suite of whose the topics of Kafka are.

use acequia_core::port::TopicStore;
use acequia_core::queue::{QueueArn, QueueRole};

use crate::build;

/// A store of topics that a test can also fill, as the stack does that maps one.
pub trait TopicsInTest: TopicStore {
    /// This topic's records go to this queue.
    fn put(&self, topic: &str, intake: &QueueArn) -> impl Future<Output = ()>;
}

impl TopicsInTest for crate::InMemoryTopics {
    async fn put(&self, topic: &str, intake: &QueueArn) {
        Self::put(self, topic, intake.clone());
    }
}

/// Also where one topic's name begins with the other's, and in a name with all that Kafka takes.
pub async fn each_topic_has_the_intake_that_its_stack_says(store: &impl TopicsInTest) {
    let (acme, bona) = (build::queue("t-acme", QueueRole::Intake), build::queue("t-bona", QueueRole::Intake));
    for (topic, intake) in [("t.orders_v2-X", &acme), ("t.orders_v2", &bona)] {
        store.put(topic, intake).await;
    }
    for (topic, intake) in [("t.orders_v2-X", &acme), ("t.orders_v2", &bona)] {
        let queue = store.intake(&topic.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(&queue.arn, intake);
    }
}

/// It is no failure of the store.
pub async fn a_topic_that_no_stack_maps_has_none(store: &impl TopicsInTest) {
    assert_eq!(store.intake(&"t.nobodys".parse().unwrap()).await.unwrap(), None);
}
