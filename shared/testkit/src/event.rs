//! The JSON with which Lambda's event source mapping hands a batch of SQS messages to a function.

use std::time::Duration;

use acequia_core::message::{AttributeValue, Incoming};
use acequia_core::queue::QueueArn;
use serde_json::{Map, Value, json};

use crate::InMemoryQueues;

/// The event of a batch
/// (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event>). Binary
/// attributes are left out.
pub fn lambda_event(messages: &[Incoming]) -> Value {
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}

/// Receives what is visible in a queue (at most ten messages, hidden for two minutes) as the event of a batch.
pub fn receive_event(queues: &InMemoryQueues, queue: &QueueArn) -> Value {
    lambda_event(&queues.receive(queue, 10, Duration::from_mins(2)))
}

fn record(message: &Incoming) -> Value {
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .filter_map(|(name, attribute)| match &attribute.value {
            AttributeValue::Text(text) => {
                Some((name.clone(), json!({ "stringValue": text, "dataType": attribute.data_type })))
            }
            AttributeValue::Binary(_) => None,
        })
        .collect();
    let mut system = json!({
        "ApproximateReceiveCount": message.receive_count.to_string(),
        "SentTimestamp": message.sent_at.as_millisecond().to_string(),
    });
    for (name, value) in [("MessageGroupId", &message.group), ("SenderId", &message.sender)] {
        if let (Some(value), Some(system)) = (value, system.as_object_mut()) {
            system.insert(name.to_owned(), value.as_str().into());
        }
    }
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": system,
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": message.queue.to_string(),
        "awsRegion": message.queue.region(),
    })
}
