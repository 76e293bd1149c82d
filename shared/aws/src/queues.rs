//! SQS: messages are sent, hidden and deleted ten at a time, and every entry of a 200 answer is looked at.

use std::time::Duration;

use acequia_core::message::{Attribute, AttributeValue, Attributes, Outgoing};
use acequia_core::port::{QueueAddresses, Queues, SendError, Unavailable};
use acequia_core::queue::{QueueArn, QueueName};
use acequia_core::wire::trace_of;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use futures::StreamExt as _;

use crate::Lazy;
use crate::elsewhere::Elsewhere;
use crate::error::{EntryError, SharedError};
use crate::refusal::{Refused, unavailable};

/// SQS's bounds of one call: ten entries, and 1 MiB in one message or in all of a call together.
const ENTRIES: usize = 10;
pub(crate) const BYTES: usize = 1024 * 1024;
/// The longest that a message can be hidden: 12 hours.
const LONGEST: u64 = 43_200;
/// How many calls run at once.
const CALLS: usize = 10;

const SEND: &str = "send messages";
const HIDE: &str = "hide messages";
const LOCATE: &str = "find a queue";
const DELETE: &str = "delete messages";

/// SQS.
#[derive(Debug, Clone)]
pub struct SqsQueues {
    client: Lazy<Client>,
    elsewhere: Elsewhere,
}

/// What one message came to.
type Sent = Result<String, SendError>;

impl SqsQueues {
    /// The queues that this client reaches.
    pub fn new(client: Lazy<Client>) -> Self {
        Self { client, elsewhere: Elsewhere::default() }
    }

    /// Sends what fits one call, each message with its place in the caller's list.
    async fn send_chunk(&self, queue: &QueueArn, chunk: &[(usize, &Outgoing)]) -> Vec<(usize, Sent)> {
        let mut request = self.elsewhere.client(&self.client, queue).send_message_batch().queue_url(queue.url());
        for (index, outgoing) in chunk {
            match entry(*index, outgoing) {
                Ok(entry) => request = request.entries(entry),
                Err(error) => return all(chunk, &|| unavailable(SEND, EntryError::new("Build", &error)).into()),
            }
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return self.sort_out(queue, chunk, error).await,
        };
        let mut results = Vec::with_capacity(chunk.len());
        for (index, _) in chunk {
            let id = index.to_string();
            let sent = answer.successful().iter().find(|entry| entry.id == id);
            let failed = answer.failed().iter().find(|entry| entry.id == id);
            let result = match (sent, failed) {
                (Some(sent), _) => Ok(sent.message_id.clone()),
                (None, Some(failed)) if failed.sender_fault => {
                    Err(SendError::Refused(described(&failed.code, failed.message.as_deref())))
                }
                (None, Some(failed)) => Err(unanswered(&failed.code, failed.message.as_deref())),
                (None, None) => Err(unanswered("Missing", Some("the answer does not name the message"))),
            };
            results.push((*index, result));
        }
        results
    }

    /// Says what a failed call means for its messages.
    async fn sort_out(
        &self,
        queue: &QueueArn,
        chunk: &[(usize, &Outgoing)],
        error: SdkError<SendMessageBatchError>,
    ) -> Vec<(usize, Sent)> {
        let code = error.code().unwrap_or_default().to_owned();
        let is_about_the_queue = error.as_service_error().is_some_and(SendMessageBatchError::is_queue_does_not_exist)
            || code.contains("NonExistentQueue")
            || code.contains("AccessDenied")
            || code == "InvalidAddress";
        let is_about_a_message = ["InvalidMessageContents", "InvalidParameterValue", "BatchRequestTooLong"]
            .iter()
            .any(|known| code.contains(known));
        if is_about_the_queue || (is_about_a_message && chunk.len() == 1) {
            let message = error.message().map(str::to_owned);
            return all(chunk, &|| SendError::Refused(described(&code, message.as_deref())));
        }
        if is_about_a_message {
            // One message that SQS will not have must not keep its neighbours back: each goes alone.
            let mut results = Vec::with_capacity(chunk.len());
            for one in chunk {
                results.extend(Box::pin(self.send_chunk(queue, std::slice::from_ref(one))).await);
            }
            return results;
        }
        let error = SharedError::new(error);
        all(chunk, &|| error.unavailable(SEND).into())
    }

    async fn hide_chunk(&self, queue: &QueueArn, chunk: &[(String, Duration)]) -> Vec<Result<(), Unavailable>> {
        let mut request =
            self.elsewhere.client(&self.client, queue).change_message_visibility_batch().queue_url(queue.url());
        for (index, (handle, time)) in chunk.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(handle)
                .visibility_timeout(whole_seconds(*time))
                .build();
            match entry {
                Ok(entry) => request = request.entries(entry),
                Err(error) => return none(HIDE, chunk.len(), error),
            }
        }
        match request.send().await {
            Err(error) => none(HIDE, chunk.len(), error),
            Ok(answer) => {
                let done: Vec<&str> = answer.successful().iter().map(|entry| entry.id.as_str()).collect();
                verdicts(HIDE, chunk.len(), &done, answer.failed())
            }
        }
    }

    async fn delete_chunk(&self, queue: &QueueArn, chunk: &[String]) -> Vec<Result<(), Unavailable>> {
        let mut request = self.elsewhere.client(&self.client, queue).delete_message_batch().queue_url(queue.url());
        for (index, handle) in chunk.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(handle).build();
            match entry {
                Ok(entry) => request = request.entries(entry),
                Err(error) => return none(DELETE, chunk.len(), error),
            }
        }
        match request.send().await {
            Err(error) => none(DELETE, chunk.len(), error),
            Ok(answer) => {
                let done: Vec<&str> = answer.successful().iter().map(|entry| entry.id.as_str()).collect();
                verdicts(DELETE, chunk.len(), &done, answer.failed())
            }
        }
    }
}

/// What a call came to that did nothing for any of its messages.
fn none(
    operation: &'static str,
    count: usize,
    error: impl Refused + std::error::Error + Send + Sync + 'static,
) -> Vec<Result<(), Unavailable>> {
    let error = SharedError::new(error);
    (0..count).map(|_| Err(error.unavailable(operation))).collect()
}

/// What a call came to that answered, for each of its messages.
fn verdicts(
    operation: &'static str,
    count: usize,
    done: &[&str],
    failed: &[BatchResultErrorEntry],
) -> Vec<Result<(), Unavailable>> {
    let verdict = |index: usize| {
        let id = index.to_string();
        if done.contains(&id.as_str()) {
            return Ok(());
        }
        let failed = failed.iter().find(|entry| entry.id == id);
        let (code, message) =
            failed.map_or(("Missing", None), |failed| (failed.code.as_str(), failed.message.as_deref()));
        Err(unavailable(operation, EntryError::new(code, message.unwrap_or("no reason given"))))
    };
    (0..count).map(verdict).collect()
}

impl QueueAddresses for SqsQueues {
    async fn locate(&self, name: &QueueName) -> Result<Option<QueueArn>, Unavailable> {
        let url = match self.client.get_queue_url().queue_name(name.to_string()).send().await {
            Ok(answer) => answer.queue_url.unwrap_or_default(),
            Err(error) if error.as_service_error().is_some_and(GetQueueUrlError::is_queue_does_not_exist) => {
                return Ok(None);
            }
            Err(error) => return Err(unavailable(LOCATE, error)),
        };
        let region = self.client.config().region().map(ToString::to_string).unwrap_or_default();
        let arn = QueueArn::of_url(&url, &region);
        arn.map(Some)
            .ok_or_else(|| unavailable(LOCATE, EntryError::new("Url", "the queue's URL has no account and name")))
    }
}

impl Queues for SqsQueues {
    async fn send(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Sent> {
        let mut results: Vec<Option<Sent>> = messages.iter().map(refuse_large).collect();
        let chunks = chunks(messages);
        let sent: Vec<Vec<(usize, Sent)>> = if queue.is_fifo() {
            // Order counts: one call after the other, and none after one that failed.
            let mut sent = Vec::with_capacity(chunks.len());
            let mut failed = false;
            for chunk in &chunks {
                let answers = if failed {
                    all(chunk, &|| unanswered("Earlier", Some("a message before this one was not sent")))
                } else {
                    self.send_chunk(queue, chunk).await
                };
                failed |= answers.iter().any(|(_, answer)| answer.is_err());
                sent.push(answers);
            }
            sent
        } else {
            let calls: Vec<_> = chunks.iter().map(|chunk| self.send_chunk(queue, chunk)).collect();
            futures::stream::iter(calls).buffered(CALLS).collect().await
        };
        for (index, answer) in sent.into_iter().flatten() {
            if let Some(place) = results.get_mut(index) {
                *place = Some(answer);
            }
        }
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(unanswered("Missing", None)))).collect()
    }

    async fn hide(&self, queue: &QueueArn, messages: &[(String, Duration)]) -> Vec<Result<(), Unavailable>> {
        let calls: Vec<_> = messages.chunks(ENTRIES).map(|chunk| self.hide_chunk(queue, chunk)).collect();
        let answers: Vec<_> = futures::stream::iter(calls).buffered(CALLS).collect().await;
        answers.into_iter().flatten().collect()
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        let calls: Vec<_> = handles.chunks(ENTRIES).map(|chunk| self.delete_chunk(queue, chunk)).collect();
        let answers: Vec<_> = futures::stream::iter(calls).buffered(CALLS).collect().await;
        answers.into_iter().flatten().collect()
    }
}

/// Sorts messages into calls by SQS's bounds, in their order; messages that fit no call are left out.
pub(crate) fn chunks(messages: &[Outgoing]) -> Vec<Vec<(usize, &Outgoing)>> {
    let mut chunks: Vec<Vec<(usize, &Outgoing)>> = Vec::new();
    let mut room = 0;
    for (index, message) in messages.iter().enumerate() {
        let bytes = message.bytes();
        if bytes > BYTES {
            continue;
        }
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < ENTRIES && bytes <= room => chunk.push((index, message)),
            _ => {
                chunks.push(vec![(index, message)]);
                room = BYTES;
            }
        }
        room -= bytes;
    }
    chunks
}

fn refuse_large(message: &Outgoing) -> Option<Sent> {
    let bytes = message.bytes();
    (bytes > BYTES).then(|| Err(SendError::Refused(format!("it has {bytes} bytes; SQS takes {BYTES}"))))
}

fn all(chunk: &[(usize, &Outgoing)], error: &dyn Fn() -> SendError) -> Vec<(usize, Sent)> {
    chunk.iter().map(|(index, _)| (*index, Err(error()))).collect()
}

fn unanswered(code: &str, message: Option<&str>) -> SendError {
    unavailable(SEND, EntryError::new(code, message.unwrap_or("no reason given"))).into()
}

fn described(code: &str, message: Option<&str>) -> String {
    message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"))
}

/// Whole seconds, rounded up: a message must not come back before its time.
fn whole_seconds(time: Duration) -> i32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds.min(LONGEST)).unwrap_or(i32::MAX)
}

pub(crate) fn entry(index: usize, outgoing: &Outgoing) -> Result<SendMessageBatchRequestEntry, String> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&outgoing.body)
        .set_message_group_id(outgoing.group.clone())
        .set_message_deduplication_id(outgoing.deduplication.clone());
    if let Some(trace) = trace_of(&outgoing.attributes) {
        let header = MessageSystemAttributeValue::builder().data_type("String").string_value(trace.to_aws()).build();
        let header = header.map_err(|error| error.to_string())?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, header);
    }
    for (name, attribute) in &outgoing.attributes {
        entry = entry.message_attributes(name, to_sdk(attribute).map_err(|error| error.to_string())?);
    }
    entry.build().map_err(|error| error.to_string())
}

fn to_sdk(attribute: &Attribute) -> Result<MessageAttributeValue, aws_sdk_sqs::error::BuildError> {
    let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
    match &attribute.value {
        AttributeValue::Text(text) => value.string_value(text),
        AttributeValue::Binary(bytes) => value.binary_value(Blob::new(bytes.clone())),
    }
    .build()
}

/// The attributes of a message as SQS hands them out. One without a value is left out.
pub(crate) fn from_sdk<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a MessageAttributeValue)>,
) -> Attributes {
    let read = |(name, value): (&String, &MessageAttributeValue)| {
        let content = match (&value.string_value, &value.binary_value) {
            (Some(text), _) => AttributeValue::Text(text.clone()),
            (None, Some(blob)) => AttributeValue::Binary(blob.as_ref().to_vec()),
            (None, None) => return None,
        };
        Some((name.clone(), Attribute { data_type: value.data_type.clone(), value: content }))
    };
    attributes.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(bytes: usize) -> Outgoing {
        Outgoing { body: "x".repeat(bytes), ..Outgoing::default() }
    }

    #[test]
    fn a_call_has_at_most_ten_messages_and_a_mebibyte() {
        let sizes = |messages: &[Outgoing]| chunks(messages).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&vec![outgoing(1); 25]), [10, 10, 5]);
        assert_eq!(sizes(&[outgoing(BYTES), outgoing(1)]), [1, 1]);
        assert_eq!(sizes(&[outgoing(BYTES / 2), outgoing(BYTES / 2), outgoing(1)]), [2, 1]);
        assert_eq!(sizes(&[outgoing(1), outgoing(BYTES + 1), outgoing(1)]), [2]);
    }

    #[test]
    fn times_are_rounded_up_and_bounded_by_twelve_hours() {
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
        assert_eq!(whole_seconds(Duration::from_hours(24)), 43_200);
    }
}
