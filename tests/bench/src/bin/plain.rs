//! What a team writes by hand, and what Acequia's throughput is compared with: a Lambda function that takes batches of
//! SQS, sixteen messages at once. It claims each by a conditional write in `DynamoDB`, posts it signed by Standard
//! Webhooks (or sends it to another queue), and notes that it is done. It answers with the messages to be received again.
//!
//! It is written for speed as far as such handlers are: clients and the secret are made once, connections are kept, and
//! nothing is done for a message but that. The versions of all crates are those of Acequia.

#![recursion_limit = "256"]
#![expect(
    clippy::disallowed_methods,
    reason = "it is what somebody writes who has no ports, and reads clock and environment"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::BehaviorVersion;
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use sha2::Sha256;

/// How many messages are under way at once.
const AT_ONCE: usize = 16;
/// How long an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a claim is kept, in seconds.
const KEPT: u64 = 7 * 24 * 3600;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let handler = Handler::from_env().await?;
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| handler.handle(event.payload))).await
}

struct Handler {
    dynamodb: aws_sdk_dynamodb::Client,
    table: String,
    effect: Effect,
}

/// What is done with a message.
enum Effect {
    Post { http: reqwest::Client, url: String, key: Vec<u8> },
    Send { sqs: aws_sdk_sqs::Client, queue: String },
}

impl Handler {
    /// `LEDGER_TABLE`, and either `ENDPOINT` with `WEBHOOK_SECRET`, or `QUEUE_URL`.
    async fn from_env() -> Result<Self, Error> {
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let effect = if let Ok(queue) = std::env::var("QUEUE_URL") {
            Effect::Send { sqs: aws_sdk_sqs::Client::new(&config), queue }
        } else {
            let secret = std::env::var("WEBHOOK_SECRET")?;
            let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(&secret))?;
            let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
            Effect::Post { http, url: std::env::var("ENDPOINT")?, key }
        };
        let table = std::env::var("LEDGER_TABLE")?;
        Ok(Self { dynamodb: aws_sdk_dynamodb::Client::new(&config), table, effect })
    }

    async fn handle(&self, batch: SqsEvent) -> Result<SqsBatchResponse, Error> {
        let messages = futures::stream::iter(batch.records).map(|message| async move {
            let id = message.message_id.clone().unwrap_or_default();
            self.process(message).await.err().map(|_| id)
        });
        let failed: Vec<Option<String>> = messages.buffer_unordered(AT_ONCE).collect().await;
        let mut response = SqsBatchResponse::default();
        for item_identifier in failed.into_iter().flatten() {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = item_identifier;
            response.batch_item_failures.push(failure);
        }
        Ok(response)
    }

    async fn process(&self, message: SqsMessage) -> Result<(), Error> {
        let body = message.body.unwrap_or_default();
        let event: serde_json::Value = serde_json::from_str(&body)?;
        let id = event.get("id").and_then(serde_json::Value::as_str).ok_or("the event has no id")?;
        if !self.claim(id).await? {
            return Ok(());
        }
        match self.perform(id, &body).await {
            Ok(()) => self.complete(id).await,
            Err(error) => {
                self.give_up(id).await?;
                Err(error)
            }
        }
    }

    async fn perform(&self, id: &str, body: &str) -> Result<(), Error> {
        match &self.effect {
            Effect::Post { http, url, key } => post(http, url, key, id, body.to_owned()).await,
            Effect::Send { sqs, queue } => {
                sqs.send_message().queue_url(queue).message_body(body).send().await?;
                Ok(())
            }
        }
    }

    /// Whether the event is new.
    async fn claim(&self, id: &str) -> Result<bool, Error> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .item("pk", text(id))
            .item("sk", text("event"))
            .item("status", text("claimed"))
            .item("expires_at", AttributeValue::N((now()?.as_secs() + KEPT).to_string()))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a claim back, so that the next receive of the message performs it.
    async fn give_up(&self, id: &str) -> Result<(), Error> {
        let delete = self.dynamodb.delete_item().table_name(&self.table);
        let key = |text: &str| AttributeValue::S(text.to_owned());
        delete.key("pk", key(id)).key("sk", key("event")).send().await?;
        Ok(())
    }

    async fn complete(&self, id: &str) -> Result<(), Error> {
        let update = self
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(id.to_owned()))
            .key("sk", AttributeValue::S("event".to_owned()))
            .update_expression("SET #status = :done")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":done", AttributeValue::S("done".to_owned()));
        update.send().await?;
        Ok(())
    }
}

async fn post(http: &reqwest::Client, url: &str, key: &[u8], id: &str, body: String) -> Result<(), Error> {
    let timestamp = now()?.as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let request = http
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signature)
        .body(body);
    request.send().await?.error_for_status()?;
    Ok(())
}

fn now() -> Result<Duration, Error> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}
