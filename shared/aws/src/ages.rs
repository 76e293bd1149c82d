//! How old messages are, as `CloudWatch` has measured it (`ApproximateAgeOfOldestMessage`). Its operation
//! `GetMetricData` is called without its SDK crate
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>).

use std::time::Duration;

use acequia_core::port::Ages;
use acequia_core::port::Unavailable;
use acequia_core::queue::QueueArn;
use aws_config::SdkConfig;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::json_client::{JsonClient, JsonService};
use crate::service::Service;

const ASK: &str = "ask how old messages are";
/// What one call asks about at most.
const QUERIES: usize = 500;
/// A metric of SQS comes once a minute, some minutes late.
const PERIOD_S: i64 = 60;
const WINDOW_S: i64 = 10 * 60;

/// `CloudWatch`. The next look asks again, so that no call is repeated.
pub(crate) const CLOUDWATCH: JsonService = JsonService {
    name: "CloudWatch",
    service: Service::regional("monitoring", "monitoring"),
    target: "GraniteServiceVersion20100801",
    version: "1.0",
    retries: false,
};

/// The metrics of SQS.
#[derive(Debug)]
pub struct CloudWatchAges(JsonClient);

impl CloudWatchAges {
    /// The metrics of this configuration's account and region.
    pub fn new(config: &SdkConfig) -> Self {
        Self(JsonClient::new(config, CLOUDWATCH))
    }
}

impl Ages for CloudWatchAges {
    async fn ages(&self, queues: &[QueueArn], now: Timestamp) -> Result<Vec<Option<Duration>>, Unavailable> {
        let mut ages = Vec::with_capacity(queues.len());
        for some in queues.chunks(QUERIES) {
            let answer = self.0.call::<Answer>("GetMetricData", &question(some, now)).await;
            let answer = answer.map_err(|error| error.unavailable(ASK))?;
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
