//! The in-memory queues keep the order of a FIFO queue's groups as SQS does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use acequia_core::message::{Incoming, Outgoing};
use acequia_core::port::Queues as _;
use acequia_core::queue::QueueArn;
use acequia_testkit::{FixedClock, InMemoryQueues};

const HIDDEN: Duration = Duration::from_mins(6);

fn fifo() -> QueueArn {
    "arn:aws:sqs:us-east-1:000000000000:acequia_test_acme_intake.fifo".parse().unwrap()
}

/// Queues with these messages, each of the group that its first letter is.
async fn queues(bodies: &[&str]) -> (InMemoryQueues, FixedClock) {
    let clock = FixedClock::default();
    let queues = InMemoryQueues::new(clock.clone());
    for body in bodies {
        let group = body.get(..1).map(str::to_owned);
        let deduplication = Some((*body).to_owned());
        let message = Outgoing { body: (*body).to_owned(), group, deduplication, ..Outgoing::default() };
        queues.send(&fifo(), &[message]).await.remove(0).unwrap();
    }
    (queues, clock)
}

fn bodies(messages: &[Incoming]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

#[tokio::test]
async fn a_group_with_a_message_in_flight_hands_out_no_other_and_other_groups_go_on() {
    let (queues, _) = queues(&["a1", "a2", "b1", "a3"]).await;
    let first = queues.receive(&fifo(), 1, HIDDEN);
    assert_eq!(bodies(&first), ["a1"]);
    assert_eq!(queues.visible(&fifo()).len(), 1);
    assert_eq!(bodies(&queues.receive(&fifo(), 10, HIDDEN)), ["b1"]);
    queues.delete(&fifo(), &first[0].receipt_handle);
    assert_eq!(bodies(&queues.receive(&fifo(), 10, HIDDEN)), ["a2", "a3"]);
}

#[tokio::test]
async fn what_becomes_visible_again_comes_before_what_is_behind_it() {
    let (queues, clock) = queues(&["a1", "a2"]).await;
    assert_eq!(bodies(&queues.receive(&fifo(), 1, HIDDEN)), ["a1"]);
    assert!(queues.receive(&fifo(), 10, HIDDEN).is_empty());
    clock.advance(HIDDEN);
    let ids = queues.visible(&fifo());
    assert!(queues.receive_one(&fifo(), &ids[1], HIDDEN).is_none());
    assert_eq!(queues.receive_one(&fifo(), &ids[0], HIDDEN).unwrap().body, "a1");
}

#[tokio::test]
async fn one_deduplication_id_is_one_message_for_five_minutes() {
    let (queues, clock) = queues(&["a1", "a1"]).await;
    assert_eq!(queues.messages(&fifo()).len(), 1);
    clock.advance(Duration::from_mins(5));
    let again = Outgoing {
        body: "a1".to_owned(),
        group: Some("a".to_owned()),
        deduplication: Some("a1".to_owned()),
        ..Outgoing::default()
    };
    queues.send(&fifo(), &[again]).await.remove(0).unwrap();
    assert_eq!(queues.messages(&fifo()).len(), 2);
}
