//! The suite of the queues: batches of any size, a verdict per message.

use std::time::Duration;

use acequia_core::message::{Attribute, AttributeValue, Incoming, Outgoing};
use acequia_core::port::{Queues, SendError};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};

use crate::build::{named_queue, stage, tenant_id};

/// Queues that a test can also make and receive from.
pub trait QueuesInTest: Queues {
    /// Makes a queue of this name and gives its address.
    fn make(&self, name: &QueueName) -> impl Future<Output = QueueArn>;
    /// The address of a queue that does not exist.
    fn missing(&self) -> QueueArn;
    /// Receives up to ten messages that are visible now and hides them for five minutes.
    fn receive(&self, queue: &QueueArn) -> impl Future<Output = Vec<Incoming>>;
}

impl QueuesInTest for crate::InMemoryQueues {
    async fn make(&self, name: &QueueName) -> QueueArn {
        named_queue(name)
    }

    fn missing(&self) -> QueueArn {
        let missing = crate::build::queue("missing", QueueRole::Out);
        self.remove(&missing);
        missing
    }

    async fn receive(&self, queue: &QueueArn) -> Vec<Incoming> {
        Self::receive(self, queue, 10, Duration::from_mins(5))
    }
}

fn name(tenant: &str) -> QueueName {
    QueueName::new(&stage(), &tenant_id(tenant), QueueRole::Out)
}

fn outgoing(body: impl Into<String>) -> Outgoing {
    Outgoing { body: body.into(), ..Outgoing::default() }
}

/// Everything that can be received, until nothing comes any more.
async fn drain(queues: &impl QueuesInTest, queue: &QueueArn) -> Vec<Incoming> {
    let mut all = Vec::new();
    loop {
        let some = queues.receive(queue).await;
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

/// Twenty-five, with attributes of each type, and one answer each in order.
pub async fn more_than_ten_messages_arrive_with_their_attributes(queues: &impl QueuesInTest) {
    let queue = queues.make(&name("q-many")).await;
    let binary = Attribute { data_type: "Binary".to_owned(), value: AttributeValue::Binary(vec![0, 159, 255]) };
    let message = |n: i64| Outgoing {
        attributes: [
            ("text".to_owned(), Attribute::text(format!("t{n}"))),
            ("number".to_owned(), Attribute::number(n)),
            ("binary".to_owned(), binary.clone()),
        ]
        .into(),
        ..outgoing(format!("body {n} <ü>"))
    };
    let messages: Vec<Outgoing> = (0..25).map(message).collect();
    let ids: Vec<String> = queues.send(&queue, &messages).await.into_iter().map(Result::unwrap).collect();
    let received = drain(queues, &queue).await;
    assert_eq!((ids.len(), received.len()), (25, 25));
    for (id, sent) in ids.iter().zip(&messages) {
        let found = received.iter().find(|message| message.message_id == *id).unwrap();
        assert_eq!((&found.body, &found.attributes, found.receive_count), (&sent.body, &sent.attributes, 1));
    }
}

/// Five of 400 KiB fit no single call.
pub async fn messages_of_more_than_a_mebibyte_together_arrive(queues: &impl QueuesInTest) {
    let queue = queues.make(&name("q-large")).await;
    let messages: Vec<Outgoing> = (0..5).map(|_| outgoing("x".repeat(400 * 1024))).collect();
    for answer in queues.send(&queue, &messages).await {
        answer.unwrap();
    }
    assert_eq!(drain(queues, &queue).await.len(), 5);
}

/// SQS will never take it, so it is refused for good; the others are sent.
pub async fn a_message_that_is_too_large_is_refused_and_its_neighbours_arrive(queues: &impl QueuesInTest) {
    let queue = queues.make(&name("q-too-large")).await;
    let messages = [outgoing("before"), outgoing("x".repeat(1024 * 1024 + 1)), outgoing("after")];
    let answers = queues.send(&queue, &messages).await;
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(SendError::Refused(_))), "{answers:?}");
    assert_eq!(drain(queues, &queue).await.len(), 2);
}

/// Each of twelve is refused for good.
pub async fn a_queue_that_does_not_exist_refuses_every_message(queues: &impl QueuesInTest) {
    let messages: Vec<Outgoing> = (0..12).map(|n| outgoing(n.to_string())).collect();
    let answers = queues.send(&queues.missing(), &messages).await;
    assert_eq!(answers.len(), 12);
    assert!(answers.iter().all(|answer| matches!(answer, Err(SendError::Refused(_)))), "{answers:?}");
}

/// The repetition is answered like the first, and not stored.
pub async fn a_fifo_queue_drops_a_repeated_deduplication_id(queues: &impl QueuesInTest) {
    let queue = queues.make(&QueueName { fifo: true, ..name("q-fifo") }).await;
    let message = |deduplication: &str| Outgoing {
        group: Some("g".to_owned()),
        deduplication: Some(deduplication.to_owned()),
        ..outgoing(format!("body of {deduplication}"))
    };
    for _ in 0..2 {
        for answer in queues.send(&queue, &[message("one"), message("two")]).await {
            answer.unwrap();
        }
    }
    let bodies: Vec<String> = drain(queues, &queue).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, ["body of one", "body of two"]);
}

/// Hidden ones are not received; hidden for no time they are, with their receives counted.
pub async fn more_than_ten_messages_are_hidden_and_shown_again(queues: &impl QueuesInTest) {
    let queue = queues.make(&name("q-hide")).await;
    let messages: Vec<Outgoing> = (0..12).map(|n| outgoing(n.to_string())).collect();
    assert!(queues.send(&queue, &messages).await.iter().all(Result::is_ok));
    let received = drain(queues, &queue).await;
    for (time, visible) in [(Duration::from_mins(10), 0), (Duration::ZERO, 12)] {
        let handles: Vec<_> = received.iter().map(|message| (message.receipt_handle.clone(), time)).collect();
        let answers = queues.hide(&queue, &handles).await;
        assert!(answers.len() == 12 && answers.iter().all(Result::is_ok), "{answers:?}");
        let again = drain(queues, &queue).await;
        assert_eq!(again.len(), visible);
        assert!(again.iter().all(|message| message.receive_count == 2));
    }
}

/// The messages that are named, and no others.
pub async fn more_than_ten_messages_are_deleted(queues: &impl QueuesInTest) {
    let queue = queues.make(&name("q-delete")).await;
    let messages: Vec<Outgoing> = (0..14).map(|n| outgoing(n.to_string())).collect();
    assert!(queues.send(&queue, &messages).await.iter().all(Result::is_ok));
    let mut received = drain(queues, &queue).await;
    received.sort_by_key(|message| message.body.parse::<u32>().unwrap());
    let kept = received.split_off(12);
    let handles: Vec<_> = received.iter().map(|message| message.receipt_handle.clone()).collect();
    let answers = queues.delete(&queue, &handles).await;
    assert!(answers.len() == 12 && answers.iter().all(Result::is_ok), "{answers:?}");
    // Were they only hidden, they would be shown by this.
    let shown: Vec<_> = kept.iter().map(|message| (message.receipt_handle.clone(), Duration::ZERO)).collect();
    assert!(queues.hide(&queue, &shown).await.iter().all(Result::is_ok));
    let shown: Vec<_> = handles.into_iter().map(|handle| (handle, Duration::ZERO)).collect();
    assert!(queues.hide(&queue, &shown).await.len() == 12);
    let mut left: Vec<String> = drain(queues, &queue).await.into_iter().map(|message| message.body).collect();
    left.sort();
    assert_eq!(left, ["12", "13"]);
    assert!(queues.delete(&queue, &[]).await.is_empty());
}

/// The others of the call are hidden, or deleted, all the same.
pub async fn a_handle_that_is_not_valid_fails_alone(queues: &impl QueuesInTest) {
    let queue = queues.make(&name("q-handle")).await;
    assert!(queues.send(&queue, &[outgoing("a")]).await.iter().all(Result::is_ok));
    let received = drain(queues, &queue).await;
    let handles = [("no handle".to_owned(), Duration::ZERO), (received[0].receipt_handle.clone(), Duration::ZERO)];
    let answers = queues.hide(&queue, &handles).await;
    assert!(answers[0].is_err() && answers[1].is_ok(), "{answers:?}");
    let received = drain(queues, &queue).await;
    assert_eq!(received.len(), 1);
    let answers = queues.delete(&queue, &["no handle".to_owned(), received[0].receipt_handle.clone()]).await;
    assert!(answers[0].is_err() && answers[1].is_ok(), "{answers:?}");
}

/// And in no other, even where one tenant's name begins with the other's.
pub async fn a_message_arrives_in_its_tenants_queue_alone(queues: &impl QueuesInTest) {
    let (one, two) = (queues.make(&name("q-iso")).await, queues.make(&name("q-iso-b")).await);
    assert!(queues.send(&one, &[outgoing("of one")]).await.iter().all(Result::is_ok));
    assert_eq!(drain(queues, &two).await.len(), 0);
    assert_eq!(drain(queues, &one).await.len(), 1);
}
