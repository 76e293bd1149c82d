//! How long each service takes to answer.

use std::time::Duration;

/// What the stub waits before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies {
    /// `DynamoDB`, one item.
    pub dynamodb_item: Duration,
    /// `DynamoDB`, a batch of items or statements.
    pub dynamodb_batch: Duration,
    /// SQS, a batch of messages: taken to be as long as a batch of `DynamoDB`.
    pub sqs: Duration,
    /// The parameter store: taken to be as long as an item of `DynamoDB`.
    pub ssm: Duration,
    /// SES, one mail.
    pub ses: Duration,
    /// S3, one object.
    pub s3: Duration,
    /// The endpoint of a webhook.
    pub webhook: Duration,
}

impl Latencies {
    /// None: for counting, which does not depend on them.
    pub const NONE: Self = Self {
        dynamodb_item: Duration::ZERO,
        dynamodb_batch: Duration::ZERO,
        sqs: Duration::ZERO,
        ssm: Duration::ZERO,
        ses: Duration::ZERO,
        s3: Duration::ZERO,
        webhook: Duration::ZERO,
    };

    /// The latencies of a usual day within one region, and of a usual endpoint.
    pub const USUAL: Self = Self {
        dynamodb_item: Duration::from_millis(4),
        dynamodb_batch: Duration::from_millis(9),
        sqs: Duration::from_millis(9),
        ssm: Duration::from_millis(4),
        ses: Duration::from_millis(45),
        s3: Duration::from_millis(25),
        webhook: Duration::from_millis(150),
    };
}
