//! Dead-letter queues for redriving: messages are received with their groups, and sent back in calls that are never
//! repeated.

use std::time::Duration;

use acequia_core::delivery::redrive::Received;
use acequia_core::message::Outgoing;
use acequia_core::port::{
    DeadLetters, Depths, QueueAddresses as _, Queues as _, Search, Sending, StageQueues as _, Unavailable,
};
use acequia_core::queue::{QueueArn, QueueName};
use aws_sdk_sqs::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchError, SendMessageBatchOutput};
use aws_sdk_sqs::types::MessageSystemAttributeName as System;

use crate::error::{EntryError, SharedError};
use crate::operator::{OperatorQueues, incoming};
use crate::queues::{self, SqsQueues};
use crate::refusal::unavailable;

const SEND: &str = "send messages back";
/// Why a message of a FIFO queue was not sent, where nothing is wrong with it.
const BEHIND: &str = "a message before it was not sent";

impl OperatorQueues {
    /// Sends what fits one call, once; one answer each, in order.
    async fn send_call(&self, queue: &QueueArn, call: &[(usize, &Outgoing)]) -> Vec<Sending> {
        let mut request = self.once.send_message_batch().queue_url(queue.url());
        for (index, outgoing) in call {
            match queues::entry(*index, outgoing) {
                Ok(entry) => request = request.entries(entry),
                Err(error) => return call.iter().map(|_| Sending::NotSent(error.clone())).collect(),
            }
        }
        match request.send().await {
            Ok(answer) => call.iter().map(|(index, _)| verdict(&answer, *index)).collect(),
            Err(error) => failed(error, call.len()),
        }
    }
}

impl DeadLetters for OperatorQueues {
    async fn receive(
        &self,
        queue: &QueueArn,
        visibility: Duration,
        search: Search,
    ) -> Result<Vec<Received>, Unavailable> {
        let messages = self.receive_raw(queue, visibility, search).await?;
        let received = messages.iter().filter_map(|message| {
            let group = message.attributes.as_ref().and_then(|known| known.get(&System::MessageGroupId)).cloned();
            Some(Received { message: incoming(queue, message)?, group })
        });
        Ok(received.collect())
    }

    async fn send_once(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Sending> {
        let is_too_large = |outgoing: &Outgoing| outgoing.bytes() > queues::BYTES;
        // In a FIFO queue nothing overtakes what stays.
        let end = messages.iter().position(is_too_large).filter(|_| queue.is_fifo()).unwrap_or(messages.len());
        let unsent = |outgoing: &Outgoing| {
            if is_too_large(outgoing) { too_large(outgoing) } else { Sending::NotSent(BEHIND.to_owned()) }
        };
        let mut answers: Vec<Sending> = messages.iter().map(unsent).collect();
        for call in queues::chunks(messages.get(..end).unwrap_or_default()) {
            let sent = self.send_call(queue, &call).await;
            let is_whole = sent.iter().all(|answer| matches!(answer, Sending::Sent));
            for ((index, _), answer) in call.iter().zip(sent) {
                if let Some(place) = answers.get_mut(*index) {
                    *place = answer;
                }
            }
            if queue.is_fifo() && !is_whole {
                break;
            }
        }
        answers
    }

    async fn hide(&self, queue: &QueueArn, handles: &[String], time: Duration) -> Vec<Result<(), Unavailable>> {
        let messages: Vec<_> = handles.iter().map(|handle| (handle.clone(), time)).collect();
        SqsQueues::new(self.client.clone()).hide(queue, &messages).await
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        SqsQueues::new(self.client.clone()).delete(queue, handles).await
    }
}

impl Depths for OperatorQueues {
    async fn measure(&self, name: &QueueName) -> Result<Option<(QueueArn, u64)>, Unavailable> {
        let Some(queue) = self.locate(name).await? else { return Ok(None) };
        let depth = self.depth(&queue).await?;
        Ok(Some((queue, depth.total())))
    }
}

fn too_large(outgoing: &Outgoing) -> Sending {
    Sending::NotSent(format!("it has {} bytes, which SQS does not take", outgoing.bytes()))
}

fn verdict(answer: &SendMessageBatchOutput, index: usize) -> Sending {
    let id = index.to_string();
    if answer.successful().iter().any(|entry| entry.id == id) {
        return Sending::Sent;
    }
    match answer.failed().iter().find(|entry| entry.id == id) {
        Some(failed) => Sending::NotSent(format!("{}: {}", failed.code, failed.message.as_deref().unwrap_or_default())),
        None => Sending::Unknown(unavailable(SEND, EntryError::new("Missing", "the answer does not name it"))),
    }
}

/// What a call without a good answer means for its messages: only what SQS itself refused was certainly not sent.
fn failed(error: SdkError<SendMessageBatchError>, count: usize) -> Vec<Sending> {
    let refused = match &error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(answer) => answer.raw().status().is_client_error(),
        // No connection, so no request.
        SdkError::DispatchFailure(failure) => failure.is_user(),
        _ => false,
    };
    if refused {
        let why = error
            .code()
            .map_or_else(|| error.to_string(), |code| format!("{code}: {}", error.message().unwrap_or_default()));
        return (0..count).map(|_| Sending::NotSent(why.clone())).collect();
    }
    let error = SharedError::new(error);
    (0..count).map(|_| Sending::Unknown(error.unavailable(SEND))).collect()
}
