//! The SDK's clients, made once per process: one place for the retries and timeouts of every call.
//!
//! A function's region, credentials and endpoint are what Lambda puts into its environment; the operator's command goes
//! by the SDK's own chain. In both `AWS_ENDPOINT_URL` is all that leads to a local AWS.

use std::time::Duration;

use acequia_core::egress::Reach;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;

use crate::{Lazy, ParameterStore, trust};

/// A call that connects connects in milliseconds; one that does not should be tried anew.
const CONNECT: Duration = Duration::from_secs(2);
/// One try of a call. `DynamoDB` and SQS answer in tens of milliseconds; after five seconds the answer is not coming.
const ATTEMPT: Duration = Duration::from_secs(5);
/// A call with all its tries: far below a function's timeout of 60 s, so that a batch can still answer.
const OPERATION: Duration = Duration::from_secs(15);
const ATTEMPTS: u32 = 3;

/// One client of each service. `DynamoDB` is needed by every invocation of every function, so its client is there from
/// the start.
#[derive(Debug, Clone)]
pub struct Clients {
    /// `DynamoDB`.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// SQS.
    pub sqs: Lazy<aws_sdk_sqs::Client>,
    /// SNS.
    pub sns: Lazy<aws_sdk_sns::Client>,
    /// The parameter store.
    pub ssm: Lazy<ParameterStore>,
}

impl Clients {
    /// Makes the clients, or what makes them.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            sqs: Lazy::new(config, aws_sdk_sqs::Client::new),
            sns: Lazy::new(config, aws_sdk_sns::Client::new),
            ssm: Lazy::new(config, ParameterStore::new),
        }
    }
}

/// The configuration of a function: credentials from the variables that Lambda sets, and nothing else that could be
/// asked for them. The SDK's chain would read files and wait for metadata services, and makes up half a megabyte of
/// each function.
pub fn function_config(reach: &Reach) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(reach.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .http_client(trust::http_client(reach))
        .retry_config(retries())
        .timeout_config(timeouts());
    config.set_endpoint_url(reach.endpoint.clone());
    config.build()
}

/// Loads what the operator's environment and files say. `region` goes before the one of the environment.
pub async fn operator_config(region: Option<String>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).retry_config(retries()).timeout_config(timeouts());
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    loader.load().await
}

pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}
