//! How old messages are, as `CloudWatch` has measured it (`ApproximateAgeOfOldestMessage`).
//!
//! One operation of `CloudWatch` is all that is needed of it, and its SDK would bring a second HTTP crate, a second binary format and
//! compression into every function. So the operation is put together here from the parts that the other clients have: their HTTP client,
//! credentials, signature and time limits, and `CloudWatch`'s JSON protocol
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>).

use std::fmt;
use std::time::Duration;

use acequia_core::port::Unavailable;
use acequia_core::queue::QueueArn;
use acequia_core::watch::Ages;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};

const ASK: &str = "ask how old messages are";
/// What one call asks about at most.
const QUERIES: usize = 500;
/// A metric of SQS comes once a minute, some minutes late.
const PERIOD_S: i64 = 60;
const WINDOW_S: i64 = 10 * 60;
/// Where an error is told, its answer is cut to so many characters.
const TOLD: usize = 300;

type GetMetricData = Operation<Json, Vec<u8>, Refused>;

/// `CloudWatch`'s answer where it is none of success.
#[derive(Debug, thiserror::Error)]
#[error("CloudWatch answers {status}: {text}")]
struct Refused {
    status: u16,
    text: String,
}

/// An answer that is not what `CloudWatch` documents.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not understood")]
struct NotUnderstood(#[source] serde_json::Error);

/// The metrics of SQS.
pub struct CloudWatchAges {
    operation: GetMetricData,
}

impl fmt::Debug for CloudWatchAges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudWatchAges")
    }
}

impl CloudWatchAges {
    /// The metrics of this configuration's account and region.
    pub fn new(config: &SdkConfig) -> Self {
        let region = config.region().cloned().unwrap_or_else(|| aws_config::Region::new(""));
        let suffix = if region.as_ref().starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = format!("https://monitoring.{region}.{suffix}");
        let mut layer = Layer::new("GetMetricData");
        layer.store_put(SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(region)),
            name: Some(SigningName::from_static("monitoring")),
            ..SigV4OperationSigningConfig::default()
        });
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        let components = RuntimeComponentsBuilder::new("GetMetricData")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
            .with_identity_cache(Some(IdentityCache::no_cache()))
            .with_http_client(config.http_client());
        let components = match config.credentials_provider() {
            Some(provider) => components.with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(provider)),
            None => components,
        };
        let operation = Operation::builder()
            .service_name("CloudWatch")
            .operation_name("GetMetricData")
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(config.endpoint_url().unwrap_or(&endpoint))
            .timeout_config(config.timeout_config().cloned().unwrap_or_else(crate::clients::timeouts))
            // The next look asks again.
            .no_retry()
            .runtime_plugin(StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components))
            .serializer(request)
            .deserializer(answer)
            .build();
        Self { operation }
    }
}

impl Ages for CloudWatchAges {
    async fn ages(&self, queues: &[QueueArn], now: Timestamp) -> Result<Vec<Option<Duration>>, Unavailable> {
        let mut ages = Vec::with_capacity(queues.len());
        for some in queues.chunks(QUERIES) {
            let body = self.operation.invoke(question(some, now)).await;
            let body = body.map_err(|error| Unavailable::new(ASK, error))?;
            let answer: Answer =
                serde_json::from_slice(&body).map_err(|error| Unavailable::new(ASK, NotUnderstood(error)))?;
            ages.extend((0..some.len()).map(|index| answer.newest(index)));
        }
        Ok(ages)
    }
}

fn question(queues: &[QueueArn], now: Timestamp) -> Json {
    let query = |(index, queue): (usize, &QueueArn)| {
        json!({"Id": id(index), "MetricStat": {"Period": PERIOD_S, "Stat": "Maximum", "Metric": {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{"Name": "QueueName", "Value": queue.name()}],
        }}})
    };
    let queries: Vec<Json> = queues.iter().enumerate().map(query).collect();
    json!({
        "MetricDataQueries": queries,
        "StartTime": now.as_second() - WINDOW_S,
        // The minute that has begun counts.
        "EndTime": now.as_second() + PERIOD_S,
        "ScanBy": "TimestampDescending",
    })
}

/// Begins with a letter, as it must.
fn id(index: usize) -> String {
    format!("q{index}")
}

#[expect(clippy::needless_pass_by_value, reason = "an operation owns what it is asked")]
fn request(question: Json) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(question.to_string()));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().try_insert("content-type", "application/x-amz-json-1.0")?;
    request.headers_mut().try_insert("x-amz-target", "GraniteServiceVersion20100801.GetMetricData")?;
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Vec<u8>, OrchestratorError<Refused>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(body.to_vec());
    }
    let text = String::from_utf8_lossy(body).chars().take(TOLD).collect();
    Err(OrchestratorError::operation(Refused { status: response.status().as_u16(), text }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    metric_data_results: Vec<Series>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Series {
    id: String,
    /// Seconds, the newest first.
    #[serde(default)]
    values: Vec<f64>,
}

impl Answer {
    fn newest(&self, index: usize) -> Option<Duration> {
        let wanted = id(index);
        let series = self.metric_data_results.iter().find(|series| series.id == wanted)?;
        series.values.first().and_then(|seconds| Duration::try_from_secs_f64(*seconds).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_the_newest_value_of_its_own_series() {
        let text = r#"{"MetricDataResults": [
            {"Id": "q1", "Label": "b", "Timestamps": [1767225660, 1767225600], "Values": [120.0, 60.0], "StatusCode": "Complete"},
            {"Id": "q0", "Label": "a", "Values": []}], "Messages": []}"#;
        let answer: Answer = serde_json::from_str(text).unwrap();
        assert_eq!([0, 1, 2].map(|index| answer.newest(index)), [None, Some(Duration::from_mins(2)), None]);
    }

    #[test]
    fn the_question_names_the_queue_and_the_last_minutes() {
        let queue: QueueArn = "arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_out.fifo".parse().unwrap();
        let question = question(&[queue], Timestamp::from_second(1_000).unwrap());
        assert_eq!((&question["StartTime"], &question["EndTime"]), (&json!(400), &json!(1_060)));
        let metric = &question["MetricDataQueries"][0]["MetricStat"]["Metric"];
        assert_eq!(metric["Dimensions"][0]["Value"], "acequia_dev_acme_out.fifo");
    }
}
