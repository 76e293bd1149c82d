//! Forwards batches by Lambda's runtime, its crate of events and the AWS SDK, and does nothing else: no event is read,
//! nothing is checked, remembered or told. What this takes, no function takes less than, whatever of ours is left out.

use acequia_lambda::Environment;
use anyhow::{Result, anyhow};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

/// How many messages a call takes.
const ENTRIES: usize = 10;

pub(crate) async fn run() -> Result<()> {
    let mut environment = Environment::of_process();
    let endpoint = environment.text("AWS_ENDPOINT_URL");
    let sqs = crate::clients(endpoint.clone()).sqs;
    let queue = format!("{endpoint}/000000000000/acequia_local_acme_out");
    let (sqs, queue) = (&sqs, &queue);
    let handle = service_fn(move |event: LambdaEvent<SqsEvent>| forward(sqs, queue, event.payload));
    lambda_runtime::run(handle).await.map_err(|error| anyhow!(error))
}

async fn forward(sqs: &Client, queue: &str, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
    let mut records = event.records.into_iter().peekable();
    while records.peek().is_some() {
        let mut request = sqs.send_message_batch().queue_url(queue);
        for (index, record) in records.by_ref().take(ENTRIES).enumerate() {
            let mut entry = SendMessageBatchRequestEntry::builder().id(index.to_string());
            // As many and as long attributes as a forwarded message has.
            let attributes = [
                ("acequia-delivery-id", "dlv_0123456789abcdef0123456789abcdef"),
                ("acequia-tenant", "acme"),
                ("acequia-event-type", "action.signed"),
            ];
            for (name, value) in attributes {
                let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
                entry = entry.message_attributes(name, value);
            }
            request = request.entries(entry.message_body(record.body.unwrap_or_default()).build()?);
        }
        request.send().await?;
    }
    Ok(SqsBatchResponse::default())
}
