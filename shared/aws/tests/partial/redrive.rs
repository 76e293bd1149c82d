//! Sending dead letters back, each once: what SQS says of a call decides what is known of its messages.

use acequia_aws::operator::OperatorQueues;
use acequia_core::message::Outgoing;
use acequia_core::port::{DeadLetters as _, Sending};
use acequia_core::queue::QueueRole;
use acequia_testkit::build;

use crate::aws::{Aws, error, fails, omits};
use crate::queues::{fifo, message};

fn operator(aws: &Aws) -> OperatorQueues {
    OperatorQueues::new(aws.clients().sqs)
}

fn fates(answers: &[Sending]) -> Vec<&str> {
    let fate = |answer: &Sending| match answer {
        Sending::Sent => "sent",
        Sending::NotSent(_) => "not sent",
        Sending::Unknown(_) => "unknown",
    };
    answers.iter().map(fate).collect()
}

fn messages(count: usize) -> Vec<Outgoing> {
    (0..count).map(message).collect()
}

#[tokio::test]
async fn of_dead_letters_that_were_sent_in_part_each_has_its_own_answer_in_order() {
    let failed = fails(&[(1, "InvalidMessageContents", true), (2, "InternalError", false)]);
    let aws = Aws::new().then("SendMessageBatch", omits(&[3], failed));
    let answers = operator(&aws).send_once(&build::queue("acme", QueueRole::Intake), &messages(5)).await;
    // What the answer does not name may be there.
    assert_eq!(fates(&answers), ["sent", "not sent", "not sent", "unknown", "sent"]);
    assert_eq!(aws.asked("SendMessageBatch"), [vec![0, 1, 2, 3, 4]]);
}

#[tokio::test]
async fn a_dead_letter_that_fits_no_call_is_left_out_of_it_and_keeps_the_answers_of_its_neighbours_in_order() {
    let mut some = messages(3);
    some[1].body = "x".repeat(1024 * 1024 + 1);
    for (queue, fate, call) in
        [(build::queue("acme", QueueRole::Intake), "sent", vec![0, 2]), (fifo(), "not sent", vec![0])]
    {
        let aws = Aws::new();
        assert_eq!(fates(&operator(&aws).send_once(&queue, &some).await), ["sent", "not sent", fate], "{queue}");
        assert_eq!(aws.asked("SendMessageBatch"), [call], "{queue}");
    }
}

#[tokio::test]
async fn what_sqs_refuses_was_not_sent_and_what_it_broke_on_may_have_been_and_neither_is_repeated() {
    for (status, code, fate) in [(400, "ThrottlingException", "not sent"), (500, "InternalError", "unknown")] {
        let aws = Aws::new().then("SendMessageBatch", error(status, code));
        let answers = operator(&aws).send_once(&build::queue("acme", QueueRole::Intake), &messages(2)).await;
        assert_eq!(fates(&answers), [fate; 2], "{code}");
        assert_eq!(aws.asked("SendMessageBatch").len(), 1, "{code}");
    }
}

#[tokio::test]
async fn behind_a_call_that_failed_in_part_a_fifo_queue_gets_no_dead_letter() {
    let large: Vec<Outgoing> = messages(3)
        .into_iter()
        .map(|message| Outgoing { body: format!("{} {}", message.body, "x".repeat(400 * 1024)), ..message })
        .collect();
    let aws = Aws::new().then("SendMessageBatch", fails(&[(1, "InternalError", false)]));
    assert_eq!(fates(&operator(&aws).send_once(&fifo(), &large).await), ["sent", "not sent", "not sent"]);
    assert_eq!(aws.asked("SendMessageBatch"), [vec![0, 1]]);
    // A standard queue keeps no order: there the second call is made.
    let aws = Aws::new().then("SendMessageBatch", fails(&[(1, "InternalError", false)]));
    let answers = operator(&aws).send_once(&build::queue("acme", QueueRole::Intake), &large).await;
    assert_eq!(fates(&answers), ["sent", "not sent", "sent"]);
}
