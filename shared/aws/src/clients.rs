//! The SDK's clients, made once per process: one place for the retries and timeouts of every call.
//!
//! The endpoint, region and credentials come from the SDK's own chain, so `AWS_ENDPOINT_URL` is all that leads to a local AWS.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};

/// A call that connects connects in milliseconds; one that does not should be tried anew.
const CONNECT: Duration = Duration::from_secs(2);
/// One try of a call. `DynamoDB` and SQS answer in tens of milliseconds; after five seconds the answer is not coming.
const ATTEMPT: Duration = Duration::from_secs(5);
/// A call with all its tries: far below a function's timeout of 60 s, so that a batch can still answer.
const OPERATION: Duration = Duration::from_secs(15);
const ATTEMPTS: u32 = 3;

/// One client of each service.
#[derive(Debug, Clone)]
pub struct Clients {
    /// `DynamoDB`.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// The parameter store.
    pub ssm: aws_sdk_ssm::Client,
}

impl Clients {
    /// Makes the clients.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            ssm: aws_sdk_ssm::Client::new(config),
        }
    }
}

/// Loads what the environment says, with the timeouts and retries that all our calls have.
///
/// `region` goes before the one of the environment.
pub async fn load_config(region: Option<String>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts);
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    loader.load().await
}
