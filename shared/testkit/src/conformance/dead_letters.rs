//! The suites of what redriving asks of SQS: dead-letter queues, and how deep queues are.

use std::time::Duration;

use acequia_core::delivery::redrive::Received;
use acequia_core::id::Stage;
use acequia_core::kind::SinkKind;
use acequia_core::message::{Attribute, Outgoing};
use acequia_core::port::{DeadLetters, Depths, Search, Sending};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};

use crate::build::{named_queue, stage, tenant_id};

/// Longer than any case lasts.
const LONG: Duration = Duration::from_mins(5);
/// How often a case looks for a message that comes back after a second.
const LOOKS: usize = 30;

/// Queues of a stage that no other test has, which a case can also make and fill.
pub trait DeadLettersInTest: DeadLetters + Depths {
    /// The stage.
    fn stage(&self) -> Stage;
    /// Makes a queue of this name.
    fn make(&self, name: &QueueName) -> impl Future<Output = QueueArn>;
    /// The address of a queue of this name that does not exist.
    fn missing(&self, name: &QueueName) -> QueueArn;
    /// Puts a message into a queue that cannot be received for a quarter of an hour.
    fn put_delayed(&self, queue: &QueueArn) -> impl Future<Output = ()>;
    /// Lets a second pass where the test has the time in its hands. On AWS a whole search takes its time by itself.
    fn tick(&self);
}

impl DeadLettersInTest for crate::InMemoryQueues {
    fn stage(&self) -> Stage {
        stage()
    }

    async fn make(&self, name: &QueueName) -> QueueArn {
        named_queue(name)
    }

    fn missing(&self, name: &QueueName) -> QueueArn {
        let missing = named_queue(name);
        self.remove(&missing);
        missing
    }

    async fn put_delayed(&self, queue: &QueueArn) {
        self.delay(queue, &outgoing("delayed"), Duration::from_mins(15)).unwrap();
    }

    fn tick(&self) {
        self.clock().advance(Duration::from_secs(1));
    }
}

fn name(queues: &impl DeadLettersInTest, tenant: &str) -> QueueName {
    QueueName::new(&queues.stage(), &tenant_id(tenant), QueueRole::Sink(SinkKind::Webhook)).dead_letter()
}

fn fifo(queues: &impl DeadLettersInTest, tenant: &str) -> QueueName {
    QueueName { fifo: true, ..name(queues, tenant) }
}

fn outgoing(body: impl Into<String>) -> Outgoing {
    Outgoing { body: body.into(), ..Outgoing::default() }
}

/// The message of a FIFO queue that has this number.
fn ordered(number: usize, body: impl Into<String>) -> Outgoing {
    Outgoing { group: Some("g".to_owned()), deduplication: Some(format!("d{number}")), ..outgoing(body) }
}

async fn sent(queues: &impl DeadLettersInTest, queue: &QueueArn, messages: &[Outgoing]) {
    let answers = queues.send_once(queue, messages).await;
    assert!(answers.iter().all(|answer| matches!(answer, Sending::Sent)), "{answers:?}");
    assert_eq!(answers.len(), messages.len());
}

async fn receive(queues: &impl DeadLettersInTest, queue: &QueueArn) -> Vec<Received> {
    queues.receive(queue, LONG, Search::Whole).await.unwrap()
}

/// Everything that can be received, until nothing comes any more.
async fn drain(queues: &impl DeadLettersInTest, queue: &QueueArn) -> Vec<Received> {
    let mut all = Vec::new();
    loop {
        let some = receive(queues, queue).await;
        assert!(some.len() <= 10, "{}", some.len());
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn bodies(received: Vec<Received>) -> Vec<String> {
    received.into_iter().map(|received| received.message.body).collect()
}

fn handles(received: &[Received]) -> Vec<String> {
    received.iter().map(|received| received.message.receipt_handle.clone()).collect()
}

/// With its attributes, its group and how often it was received; then no other call receives it.
pub async fn a_message_is_received_with_its_group_and_then_hidden(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&fifo(queues, "d-group")).await;
    let reason = [("reason".to_owned(), Attribute::text("rejected")), ("attempts".to_owned(), Attribute::number(3))];
    sent(queues, &queue, &[Outgoing { attributes: reason.clone().into(), ..ordered(1, "<ü>") }]).await;
    let received = receive(queues, &queue).await;
    assert_eq!(received.len(), 1);
    let (message, group) = (&received[0].message, received[0].group.as_deref());
    assert_eq!((group, message.group.as_deref(), message.receive_count), (Some("g"), Some("g"), 1));
    assert_eq!((message.body.as_str(), &message.attributes, &message.queue), ("<ü>", &reason.into(), &queue));
    assert!(!message.message_id.is_empty() && !message.receipt_handle.is_empty());
    assert!(receive(queues, &queue).await.is_empty());
}

/// Hidden for a second it is there again soon after, and received for the second time. In a standard queue it has no
/// group.
pub async fn a_message_comes_back_when_its_time_is_over(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&name(queues, "d-back")).await;
    sent(queues, &queue, &[outgoing("a")]).await;
    assert_eq!(queues.receive(&queue, Duration::from_secs(1), Search::Whole).await.unwrap().len(), 1);
    let mut again = Vec::new();
    for _ in 0..LOOKS {
        queues.tick();
        again = receive(queues, &queue).await;
        if !again.is_empty() {
            break;
        }
    }
    assert_eq!(again.len(), 1, "it is still hidden");
    assert_eq!((again[0].message.receive_count, again[0].group.as_deref()), (2, None));
}

/// The quick one may miss it, but not always.
pub async fn a_quick_and_a_whole_search_find_what_is_there(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&name(queues, "d-search")).await;
    for search in [Search::Quick, Search::Whole] {
        assert!(queues.receive(&queue, LONG, search).await.unwrap().is_empty(), "{search:?}");
    }
    sent(queues, &queue, &[outgoing("a")]).await;
    let mut found = Vec::new();
    for _ in 0..LOOKS {
        found = queues.receive(&queue, LONG, Search::Quick).await.unwrap();
        if !found.is_empty() {
            break;
        }
    }
    assert_eq!(bodies(found.clone()), ["a"]);
    assert!(queues.hide(&queue, &handles(&found), Duration::ZERO).await.iter().all(Result::is_ok));
    assert_eq!(bodies(queues.receive(&queue, LONG, Search::Whole).await.unwrap()), ["a"]);
}

/// At most ten at once, and none twice.
pub async fn more_than_ten_messages_are_received_by_several_calls(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&name(queues, "d-many")).await;
    let messages: Vec<Outgoing> = (10..24).map(|number| outgoing(number.to_string())).collect();
    for ten in messages.chunks(10) {
        sent(queues, &queue, ten).await;
    }
    let mut received = bodies(drain(queues, &queue).await);
    received.sort();
    assert_eq!(received, messages.into_iter().map(|message| message.body).collect::<Vec<_>>());
}

/// Each arrives once, in the order in which they were sent.
pub async fn ten_messages_to_a_fifo_queue_are_sent_once_and_keep_their_order(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&fifo(queues, "d-order")).await;
    let messages: Vec<Outgoing> = (0..10).map(|number| ordered(number, number.to_string())).collect();
    sent(queues, &queue, &messages).await;
    assert_eq!(bodies(drain(queues, &queue).await), (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(queues.send_once(&queue, &[]).await.is_empty());
}

/// Four of 400 KiB fit no single call of SQS.
pub async fn messages_of_more_than_a_mebibyte_together_are_sent_in_order(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&fifo(queues, "d-large")).await;
    let body = |number: usize| format!("{number}{}", "x".repeat(400 * 1024));
    let messages: Vec<Outgoing> = (0..4).map(|number| ordered(number, body(number))).collect();
    sent(queues, &queue, &messages).await;
    let numbers: String = bodies(drain(queues, &queue).await).iter().filter_map(|body| body.chars().next()).collect();
    assert_eq!(numbers, "0123");
}

/// Each has the answer of its own, wherever the large one stands.
pub async fn a_message_that_is_too_large_is_not_sent_and_its_neighbours_are(queues: &impl DeadLettersInTest) {
    let large = "x".repeat(1024 * 1024 + 1);
    for place in 0..3 {
        let queue = queues.make(&name(queues, &format!("d-too-large-{place}"))).await;
        let mut messages = vec![outgoing("one"), outgoing("two")];
        messages.insert(place, outgoing(large.clone()));
        let answers = queues.send_once(&queue, &messages).await;
        assert_eq!(answers.len(), 3);
        for (index, answer) in answers.iter().enumerate() {
            let is_right = match answer {
                Sending::Sent => index != place,
                Sending::NotSent(why) => index == place && !why.is_empty(),
                Sending::Unknown(_) => false,
            };
            assert!(is_right, "the large one is the message {place}: {answers:?}");
        }
        let mut received = bodies(drain(queues, &queue).await);
        received.sort();
        assert_eq!(received, ["one", "two"]);
    }
}

/// What stands behind a message that was not sent is not sent either.
pub async fn in_a_fifo_queue_nothing_overtakes_what_was_not_sent(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&fifo(queues, "d-overtake")).await;
    let messages = [ordered(0, "first"), ordered(1, "x".repeat(1024 * 1024 + 1)), ordered(2, "last")];
    let answers = queues.send_once(&queue, &messages).await;
    assert!(matches!(answers[..], [Sending::Sent, Sending::NotSent(_), Sending::NotSent(_)]), "{answers:?}");
    assert_eq!(bodies(drain(queues, &queue).await), ["first"]);
}

/// Each was certainly not sent; and receiving from it is an error, and no empty queue.
pub async fn a_queue_that_does_not_exist_certainly_took_nothing(queues: &impl DeadLettersInTest) {
    let queue = queues.missing(&name(queues, "d-missing"));
    let answers = queues.send_once(&queue, &[outgoing("a"), outgoing("b")]).await;
    assert!(matches!(answers[..], [Sending::NotSent(_), Sending::NotSent(_)]), "{answers:?}");
    assert!(queues.receive(&queue, LONG, Search::Whole).await.is_err());
}

/// Hidden for long they do not come; hidden for no time they do.
pub async fn received_messages_are_hidden_and_shown_again(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&name(queues, "d-hide")).await;
    sent(queues, &queue, &[outgoing("a"), outgoing("b"), outgoing("c")]).await;
    let received = drain(queues, &queue).await;
    for (time, visible) in [(Duration::from_hours(1), 0), (Duration::ZERO, 3)] {
        let answers = queues.hide(&queue, &handles(&received), time).await;
        assert!(answers.len() == 3 && answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(drain(queues, &queue).await.len(), visible);
    }
}

/// The messages that are named, and no others.
pub async fn received_messages_are_deleted(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&name(queues, "d-delete")).await;
    sent(queues, &queue, &[outgoing("a"), outgoing("b"), outgoing("c")]).await;
    let mut received = drain(queues, &queue).await;
    received.sort_by(|one, other| one.message.body.cmp(&other.message.body));
    let answers = queues.delete(&queue, &handles(&received[..2])).await;
    assert!(answers.len() == 2 && answers.iter().all(Result::is_ok), "{answers:?}");
    // Were they only hidden, they would be shown by this.
    assert_eq!(queues.hide(&queue, &handles(&received), Duration::ZERO).await.len(), 3);
    assert_eq!(bodies(drain(queues, &queue).await), ["c"]);
}

/// The others of the call are hidden, or deleted, all the same.
pub async fn of_several_handles_one_that_is_not_valid_fails_alone(queues: &impl DeadLettersInTest) {
    let queue = queues.make(&name(queues, "d-handle")).await;
    sent(queues, &queue, &[outgoing("a"), outgoing("b")]).await;
    let with_a_bad_one = |received: &[Received]| {
        let mut handles = handles(received);
        handles.insert(1, "no handle".to_owned());
        handles
    };
    let received = drain(queues, &queue).await;
    let answers = queues.hide(&queue, &with_a_bad_one(&received), Duration::ZERO).await;
    assert!(matches!(answers[..], [Ok(()), Err(_), Ok(())]), "{answers:?}");
    let received = drain(queues, &queue).await;
    assert_eq!(received.len(), 2);
    let answers = queues.delete(&queue, &with_a_bad_one(&received)).await;
    assert!(matches!(answers[..], [Ok(()), Err(_), Ok(())]), "{answers:?}");
}

/// And in no other, even where one tenant's name begins with the other's.
pub async fn what_is_sent_back_is_in_its_tenants_queue_alone(queues: &impl DeadLettersInTest) {
    let (one, two) = (queues.make(&name(queues, "d-iso")).await, queues.make(&name(queues, "d-iso-b")).await);
    sent(queues, &one, &[outgoing("of one")]).await;
    assert!(drain(queues, &two).await.is_empty());
    assert_eq!(bodies(drain(queues, &one).await), ["of one"]);
}

/// All that it holds, whether it can be received now or not.
pub async fn a_depth_counts_what_is_visible_hidden_and_delayed(queues: &impl DeadLettersInTest) {
    let name = name(queues, "d-depth");
    let queue = queues.make(&name).await;
    let depth = async || queues.measure(&name).await.unwrap();
    assert_eq!(depth().await, Some((queue.clone(), 0)));
    sent(queues, &queue, &[outgoing("a"), outgoing("b")]).await;
    assert_eq!(depth().await, Some((queue.clone(), 2)));
    assert_eq!(receive(queues, &queue).await.len(), 2);
    assert_eq!(depth().await, Some((queue.clone(), 2)), "hidden ones count");
    sent(queues, &queue, &[outgoing("c")]).await;
    queues.put_delayed(&queue).await;
    assert_eq!(depth().await, Some((queue.clone(), 4)), "and delayed ones");
    assert_eq!(bodies(receive(queues, &queue).await), ["c"], "what is delayed is not received");
}

/// A FIFO queue is found by its name, too, and a name that no queue has is no queue of depth zero.
pub async fn a_queue_is_measured_by_its_name_and_one_that_is_not_there_has_no_depth(queues: &impl DeadLettersInTest) {
    let ordered = fifo(queues, "d-named");
    let queue = queues.make(&ordered).await;
    assert_eq!(queues.measure(&ordered).await.unwrap(), Some((queue, 0)));
    let missing = name(queues, "d-nowhere");
    queues.missing(&missing);
    assert_eq!(queues.measure(&missing).await.unwrap(), None);
}

/// What one tenant's queue holds counts for no other's, even where one tenant's name begins with the other's.
pub async fn a_depth_is_that_of_one_tenants_queue(queues: &impl DeadLettersInTest) {
    let (one, two) = (name(queues, "d-deep"), name(queues, "d-deep-b"));
    let (deep, empty) = (queues.make(&one).await, queues.make(&two).await);
    sent(queues, &deep, &[outgoing("of one")]).await;
    assert_eq!(queues.measure(&one).await.unwrap(), Some((deep, 1)));
    assert_eq!(queues.measure(&two).await.unwrap(), Some((empty, 0)));
}
