//! What operators do with queues, and functions may not do: find them, see how deep they are, look into dead-letter
//! queues.

use std::time::Duration;

use acequia_core::id::{Stage, TenantId};
use acequia_core::message::Incoming;
use acequia_core::port::{QueueAddresses, Search, StageQueues, Unavailable};
use acequia_core::queue::{Depth, QueueArn, QueueName};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System, QueueAttributeName as Attribute};
use jiff::Timestamp;

use crate::Lazy;
use crate::error::EntryError;
use crate::queues::from_sdk;
use crate::refusal::unavailable;

const FIND: &str = "find the queues";
const MEASURE: &str = "measure a queue";
const RECEIVE: &str = "receive messages";

/// The queues of a stage, as an operator sees them.
#[derive(Debug, Clone)]
pub struct OperatorQueues {
    pub(crate) client: Lazy<Client>,
    /// The same, without repeating a call: the second of two equal messages is one too many.
    pub(crate) once: Client,
}

impl OperatorQueues {
    /// The queues that this client reaches.
    pub fn new(client: Lazy<Client>) -> Self {
        let once = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        Self { client, once: Client::from_conf(once) }
    }

    /// Receives up to ten messages and hides them for `visibility` (whole seconds). Empty where none came at once.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn receive(&self, queue: &QueueArn, visibility: Duration) -> Result<Vec<Incoming>, Unavailable> {
        let messages = self.receive_raw(queue, visibility, Search::Whole).await?;
        Ok(messages.iter().filter_map(|message| incoming(queue, message)).collect())
    }

    pub(crate) async fn receive_raw(
        &self,
        queue: &QueueArn,
        visibility: Duration,
        search: Search,
    ) -> Result<Vec<Message>, Unavailable> {
        // A short wait makes SQS ask all of its servers, not a sample of them.
        let wait = match search {
            Search::Whole => 1,
            Search::Quick => 0,
        };
        let request = self
            .client
            .receive_message()
            .queue_url(queue.url())
            .max_number_of_messages(10)
            .wait_time_seconds(wait)
            .visibility_timeout(i32::try_from(visibility.as_secs()).unwrap_or(i32::MAX))
            .message_attribute_names("All")
            .message_system_attribute_names(System::ApproximateReceiveCount)
            .message_system_attribute_names(System::SentTimestamp)
            .message_system_attribute_names(System::MessageGroupId)
            .message_system_attribute_names(System::MessageDeduplicationId);
        let answer = request.send().await.map_err(|error| unavailable(RECEIVE, error))?;
        Ok(answer.messages.unwrap_or_default())
    }
}

impl QueueAddresses for OperatorQueues {
    async fn locate(&self, name: &QueueName) -> Result<Option<QueueArn>, Unavailable> {
        let url = match self.client.get_queue_url().queue_name(name.to_string()).send().await {
            Ok(answer) => answer.queue_url.unwrap_or_default(),
            Err(error) if error.as_service_error().is_some_and(GetQueueUrlError::is_queue_does_not_exist) => {
                return Ok(None);
            }
            Err(error) => return Err(unavailable(FIND, error)),
        };
        let request = self.client.get_queue_attributes().queue_url(url).attribute_names(Attribute::QueueArn);
        let answer = request.send().await.map_err(|error| unavailable(FIND, error))?;
        let arn = answer.attributes.and_then(|mut attributes| attributes.remove(&Attribute::QueueArn));
        let arn = arn.ok_or_else(|| unavailable(FIND, EntryError::new("Missing", "the queue has no ARN")))?;
        arn.parse().map(Some).map_err(|error| Unavailable::new(FIND, error))
    }
}

impl StageQueues for OperatorQueues {
    async fn find(&self, stage: &Stage, tenant: Option<&TenantId>) -> Result<Vec<QueueName>, Unavailable> {
        let prefix = tenant.map_or_else(|| format!("acequia_{stage}_"), |tenant| format!("acequia_{stage}_{tenant}_"));
        let mut urls =
            self.client.list_queues().queue_name_prefix(prefix).max_results(1000).into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(url) = urls.next().await {
            let url = url.map_err(|error| unavailable(FIND, error))?;
            let name = url.rsplit('/').next().and_then(|name| name.parse::<QueueName>().ok());
            names
                .extend(name.filter(|name| name.stage == *stage && tenant.is_none_or(|tenant| name.tenant == *tenant)));
        }
        names.sort();
        Ok(names)
    }

    async fn depth(&self, queue: &QueueArn) -> Result<Depth, Unavailable> {
        let names = [
            Attribute::ApproximateNumberOfMessages,
            Attribute::ApproximateNumberOfMessagesNotVisible,
            Attribute::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.client.get_queue_attributes().queue_url(queue.url());
        let answer = request.set_attribute_names(Some(names.to_vec())).send().await;
        let attributes = answer.map_err(|error| unavailable(MEASURE, error))?.attributes.unwrap_or_default();
        let [visible, in_flight, not_yet_visible] =
            names.map(|name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or_default());
        Ok(Depth { visible, in_flight, not_yet_visible })
    }
}

pub(crate) fn incoming(queue: &QueueArn, message: &Message) -> Option<Incoming> {
    let system = |name: System| message.attributes.as_ref().and_then(|attributes| attributes.get(&name));
    let receive_count = system(System::ApproximateReceiveCount).and_then(|text| text.parse().ok()).unwrap_or(1);
    let sent_at = system(System::SentTimestamp).and_then(|text| text.parse().ok());
    Some(Incoming {
        message_id: message.message_id.clone()?,
        receipt_handle: message.receipt_handle.clone()?,
        body: message.body.clone()?,
        attributes: from_sdk(message.message_attributes.iter().flatten()),
        receive_count,
        sent_at: sent_at.and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or(Timestamp::UNIX_EPOCH),
        queue: queue.clone(),
        group: system(System::MessageGroupId).cloned(),
        sender: system(System::SenderId).cloned(),
    })
}
