//! SQS: calls that are answered with 200 and entries that failed, and calls that fail for one message of several.

use std::time::Duration;

use acequia_aws::SqsQueues;
use acequia_core::message::{Attribute, Outgoing};
use acequia_core::port::{Queues as _, SendError};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_testkit::build;

use crate::aws::{Aws, Turn, error, fails, omits, words};

fn queues(aws: &Aws) -> SqsQueues {
    SqsQueues::new(aws.clients().sqs)
}

fn queue() -> QueueArn {
    build::queue("acme", QueueRole::Out)
}

pub(crate) fn fifo() -> QueueArn {
    let mut arn = queue().to_string();
    arn.push_str(".fifo");
    arn.parse().unwrap()
}

pub(crate) fn message(number: usize) -> Outgoing {
    let attributes = [("acequia-sink".to_owned(), Attribute::text("crm"))].into();
    let (group, deduplication) = (Some(format!("g{number}")), Some(format!("d{number}")));
    Outgoing { body: format!("m-{number}"), attributes, group, deduplication }
}

fn messages(count: usize) -> Vec<Outgoing> {
    (0..count).map(message).collect()
}

/// What each message came to: `ok`, `refused`, or the code of what may go well later.
fn fates(answers: &[Result<String, SendError>]) -> Vec<String> {
    let fate = |answer: &Result<String, SendError>| match answer {
        Err(SendError::Refused(_)) => "refused".to_owned(),
        answer => crate::aws::word(answer),
    };
    answers.iter().map(fate).collect()
}

#[tokio::test]
async fn of_a_send_that_failed_in_part_each_message_has_its_own_answer_in_order() {
    let failed = fails(&[(1, "InvalidMessageContents", true), (2, "InternalError", false)]);
    let aws = Aws::new().then("SendMessageBatch", omits(&[3], failed));
    let answers = queues(&aws).send(&queue(), &messages(5)).await;
    assert_eq!(fates(&answers), ["ok", "refused", "InternalError", "Missing", "ok"]);
    assert!(answers[1].as_ref().unwrap_err().to_string().contains("InvalidMessageContents"), "{answers:?}");
    // The first message's id, not that of a neighbour.
    assert!(answers[0].as_ref().unwrap().ends_with("000") && answers[4].as_ref().unwrap().ends_with("004"));
    assert_eq!(aws.asked("SendMessageBatch"), [vec![0, 1, 2, 3, 4]], "what was taken is not sent again");
}

#[tokio::test]
async fn a_call_that_failed_in_part_costs_the_other_calls_nothing() {
    let failed = || fails(&[(12, "InternalError", false)]);
    let aws = (0..3).fold(Aws::new(), |aws, _| aws.then("SendMessageBatch", failed()));
    let answers = queues(&aws).send(&queue(), &messages(25)).await;
    let failed: Vec<usize> = (0..25).filter(|number| answers[*number].is_err()).collect();
    assert_eq!(failed, [12]);
    let mut asked = aws.asked("SendMessageBatch").concat();
    asked.sort_unstable();
    assert_eq!(asked, (0..25).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_for_which_the_whole_call_fails_is_refused_and_its_neighbours_go_alone() {
    let well: fn() -> Turn = || fails(&[]);
    for code in ["InvalidMessageContents", "InvalidParameterValue", "BatchRequestTooLong"] {
        let turns = [error(400, code), well(), error(400, code), well()];
        let aws = turns.into_iter().fold(Aws::new(), |aws, turn| aws.then("SendMessageBatch", turn));
        let answers = queues(&aws).send(&queue(), &messages(3)).await;
        assert_eq!(fates(&answers), ["ok", "refused", "ok"], "{code}");
        assert_eq!(aws.asked("SendMessageBatch"), [vec![0, 1, 2], vec![0], vec![1], vec![2]]);
    }
}

#[tokio::test]
async fn a_queue_that_is_not_there_or_not_ours_refuses_all_and_is_asked_once() {
    // The first is how the SDK reads QueueDoesNotExist: SQS gives the older name in a header.
    for code in ["AWS.SimpleQueueService.NonExistentQueue", "AccessDeniedException", "InvalidAddress"] {
        let aws = Aws::new().then("SendMessageBatch", error(400, code));
        assert_eq!(fates(&queues(&aws).send(&queue(), &messages(2)).await), ["refused", "refused"], "{code}");
        assert_eq!(aws.asked("SendMessageBatch").len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_fails_for_another_reason_may_go_well_later_and_none_goes_alone() {
    let aws = Aws::new().then("SendMessageBatch", error(400, "SomethingNew"));
    let answers = queues(&aws).send(&queue(), &messages(2)).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(SendError::Unavailable(_)))), "{answers:?}");
    assert_eq!(aws.asked("SendMessageBatch").len(), 1);
}

#[tokio::test]
async fn behind_a_call_that_failed_in_part_a_fifo_queue_gets_no_further_one() {
    let aws = Aws::new().then("SendMessageBatch", fails(&[(3, "InternalError", false)]));
    let answers = queues(&aws).send(&fifo(), &messages(12)).await;
    let mut wanted = ["ok"; 12];
    (wanted[3], wanted[10], wanted[11]) = ("InternalError", "Earlier", "Earlier");
    assert_eq!(fates(&answers), wanted);
    assert_eq!(aws.asked("SendMessageBatch").len(), 1);
}

#[tokio::test]
async fn of_messages_that_are_hidden_or_deleted_in_part_each_has_its_own_answer_in_order() {
    let failed = || omits(&[2], fails(&[(1, "ReceiptHandleIsInvalid", true), (11, "InternalError", false)]));
    let mut aws = Aws::new();
    for operation in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        aws = aws.then(operation, failed()).then(operation, failed());
    }
    let handles: Vec<String> = (0..12).map(|number| format!("m-{number}")).collect();
    let hidden: Vec<_> = handles.iter().map(|handle| (handle.clone(), Duration::from_mins(1))).collect();
    let mut wanted = ["ok"; 12];
    (wanted[1], wanted[2], wanted[11]) = ("ReceiptHandleIsInvalid", "Missing", "InternalError");
    assert_eq!(words(&queues(&aws).hide(&queue(), &hidden).await), wanted);
    assert_eq!(words(&queues(&aws).delete(&queue(), &handles).await), wanted);
    for operation in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        let mut asked = aws.asked(operation).concat();
        asked.sort_unstable();
        assert_eq!(asked, (0..12).collect::<Vec<_>>(), "each once");
    }
}

#[tokio::test]
async fn a_call_to_hide_or_delete_that_fails_as_a_whole_did_it_for_none() {
    let failing = || error(400, "QueueDoesNotExist");
    let aws = Aws::new().then("ChangeMessageVisibilityBatch", failing()).then("DeleteMessageBatch", failing());
    let handles = ["m-0".to_owned(), "m-1".to_owned()];
    let hidden = handles.clone().map(|handle| (handle, Duration::ZERO));
    assert!(queues(&aws).hide(&queue(), &hidden).await.iter().all(Result::is_err));
    assert!(queues(&aws).delete(&queue(), &handles).await.iter().all(Result::is_err));
}

/// Takes one request, answers that SQS has the message, and gives the request's text back.
fn one_request() -> (u16, std::thread::JoinHandle<String>) {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut some) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"}") {
            let read = stream.read(&mut some).unwrap();
            request.extend_from_slice(&some[..read]);
        }
        let body = r#"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"x"}],"Failed":[]}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close";
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (port, taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_queue_of_another_region_is_called_as_that_region() {
    let (port, taken) = one_request();
    let queue: QueueArn = "arn:aws:sqs:eu-central-1:123456789012:analytics".parse().unwrap();
    let message = Outgoing { body: "x".to_owned(), ..Outgoing::default() };
    // The clients are of us-east-1.
    let answers = SqsQueues::new(crate::aws::clients_at(port).sqs).send(&queue, &[message]).await;
    assert_eq!(fates(&answers), ["ok"]);
    let request = taken.join().unwrap();
    assert!(request.contains("/eu-central-1/sqs/aws4_request"), "signed for another region: {request}");
    assert!(request.contains("https://sqs.eu-central-1.amazonaws.com/123456789012/analytics"), "{request}");
}
