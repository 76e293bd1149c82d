//! The queues of all tenants as the watch sees them: listed, measured, and asked for their tags. Nothing is received.

use acequia_core::id::Stage;
use acequia_core::port::{Unavailable, WatchedQueues};
use acequia_core::queue::QueueArn;
use acequia_core::watch::Watched;
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;

use crate::operator::OperatorQueues;
use crate::refusal::unavailable;

const LIST: &str = "list queues";
const MEASURE: &str = "measure a queue";
const TAG: &str = "read the tags of a queue";
/// The most that a page of the list holds.
const PAGE: i32 = 1_000;
/// What a queue can hold: visible, received and hidden, sent with a delay.
const HOLDS: [Attribute; 3] = [
    Attribute::ApproximateNumberOfMessages,
    Attribute::ApproximateNumberOfMessagesNotVisible,
    Attribute::ApproximateNumberOfMessagesDelayed,
];

impl WatchedQueues for OperatorQueues {
    async fn list(&self, stage: &Stage) -> Result<Vec<Watched>, Unavailable> {
        let region = self.client.config().region().map(ToString::to_string).unwrap_or_default();
        let request = self.client.list_queues().queue_name_prefix(format!("acequia_{stage}_")).max_results(PAGE);
        let mut urls = request.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(url) = urls.next().await {
            let url = url.map_err(|error| unavailable(LIST, error))?;
            found.extend(QueueArn::of_url(&url, &region).and_then(Watched::of).filter(|one| one.name.stage == *stage));
        }
        found.sort_by(|one, other| one.queue.name().cmp(other.queue.name()));
        Ok(found)
    }

    async fn messages(&self, queue: &QueueArn) -> Result<Option<u64>, Unavailable> {
        let request = self.client.get_queue_attributes().queue_url(queue.url());
        let attributes = match request.set_attribute_names(Some(HOLDS.to_vec())).send().await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) if error.as_service_error().is_some_and(GetQueueAttributesError::is_queue_does_not_exist) => {
                return Ok(None);
            }
            Err(error) => return Err(unavailable(MEASURE, error)),
        };
        let count = |name| attributes.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        Ok(Some(HOLDS.iter().map(count).sum()))
    }

    async fn tag(&self, queue: &QueueArn, key: &str) -> Result<Option<String>, Unavailable> {
        let answer = self.client.list_queue_tags().queue_url(queue.url()).send().await;
        let tags = answer.map_err(|error| unavailable(TAG, error))?.tags;
        Ok(tags.and_then(|mut tags| tags.remove(key)))
    }
}
