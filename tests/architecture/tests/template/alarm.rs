//! What alarms look at is there: the metrics that AWS's services have, with the dimensions that they have them by.

use serde_json::Value;

use crate::document::{Resource, Template, alternatives};

/// Metrics of a namespace, with the dimensions of one time series.
struct Known {
    namespace: &'static str,
    metrics: &'static [&'static str],
    dimensions: &'static [&'static str],
}

/// From AWS's documentation: "Available `CloudWatch` metrics for Amazon SQS", "Types of metrics for Lambda functions",
/// "`DynamoDB` Metrics and dimensions", "Monitoring your Amazon SES sending activity" (reputation), "Monitor HTTP
/// APIs".
const KNOWN: &[Known] = &[
    Known {
        namespace: "AWS/SQS",
        metrics: &[
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfEmptyReceives",
            "NumberOfMessagesDeleted",
            "NumberOfMessagesReceived",
            "NumberOfMessagesSent",
            "SentMessageSize",
        ],
        dimensions: &["QueueName"],
    },
    Known {
        namespace: "AWS/Lambda",
        metrics: &[
            "AsyncEventAge",
            "AsyncEventsDropped",
            "AsyncEventsReceived",
            "ConcurrentExecutions",
            "Duration",
            "Errors",
            "Invocations",
            "IteratorAge",
            "Throttles",
        ],
        dimensions: &["FunctionName"],
    },
    Known {
        namespace: "AWS/Lambda",
        metrics: &["Duration", "Errors", "Invocations", "Throttles"],
        dimensions: &["FunctionName", "Resource"],
    },
    Known {
        namespace: "AWS/Lambda",
        metrics: &["ConcurrentExecutions", "UnreservedConcurrentExecutions"],
        dimensions: &[],
    },
    // Requests that were throttled or failed are counted by operation only; what was throttled in them by the table
    // too.
    Known {
        namespace: "AWS/DynamoDB",
        metrics: &[
            "ReadThrottleEvents",
            "WriteThrottleEvents",
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
        ],
        dimensions: &["TableName"],
    },
    Known {
        namespace: "AWS/DynamoDB",
        metrics: &[
            "ReadThrottleEvents",
            "WriteThrottleEvents",
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
        ],
        dimensions: &["GlobalSecondaryIndexName", "TableName"],
    },
    Known {
        namespace: "AWS/DynamoDB",
        metrics: &["SuccessfulRequestLatency", "SystemErrors", "ThrottledRequests"],
        dimensions: &["Operation", "TableName"],
    },
    Known { namespace: "AWS/DynamoDB", metrics: &["UserErrors"], dimensions: &[] },
    Known { namespace: "AWS/SES", metrics: &["Reputation.BounceRate", "Reputation.ComplaintRate"], dimensions: &[] },
    Known {
        namespace: "AWS/SES",
        metrics: &["Reputation.BounceRate", "Reputation.ComplaintRate"],
        dimensions: &["ses:configuration-set"],
    },
    Known {
        namespace: "AWS/ApiGateway",
        metrics: &["4xx", "5xx", "Count", "IntegrationLatency", "Latency"],
        dimensions: &["ApiId"],
    },
    Known {
        namespace: "AWS/ApiGateway",
        metrics: &["4xx", "5xx", "Count", "IntegrationLatency", "Latency"],
        dimensions: &["ApiId", "Stage"],
    },
];

/// One metric that an alarm looks at.
pub(crate) struct Watched<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) dimensions: Vec<(&'a str, &'a Value)>,
}

/// The metric of an alarm, or the metrics of its expression.
pub(crate) fn watched<'a>(alarm: &Resource<'a>) -> Vec<Watched<'a>> {
    let of = |metric: &'a Value| Watched {
        namespace: metric["Namespace"].as_str().unwrap_or_default(),
        name: metric["MetricName"].as_str().unwrap_or_default(),
        dimensions: alternatives(&metric["Dimensions"])
            .into_iter()
            .filter_map(|one| Some((one["Name"].as_str()?, &one["Value"])))
            .collect(),
    };
    let several = alternatives(alarm.property("Metrics")).into_iter();
    let several: Vec<_> = several.filter_map(|one| one.pointer("/MetricStat/Metric")).map(of).collect();
    if several.is_empty() { vec![of(&alarm.body["Properties"])] } else { several }
}

pub(crate) fn alarm_watches_what_aws_measures(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for alarm in template.of_kind("AWS::CloudWatch::Alarm") {
        for watched in watched(&alarm).into_iter().filter(|watched| watched.namespace != "Acequia") {
            let mut names: Vec<&str> = watched.dimensions.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            let is_known = KNOWN.iter().any(|known| {
                known.namespace == watched.namespace
                    && known.metrics.contains(&watched.name)
                    && known.dimensions == names
            });
            if !is_known {
                let metric = format!("{} {} by {names:?}", watched.namespace, watched.name);
                found.push(template.says(alarm.name, &format!("watches what there is; nothing measures {metric}")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
Resources:
  One:
    Type: AWS::CloudWatch::Alarm
    Properties: { Namespace: AWS/SQS, MetricName: NumberOfMessagesSent, Dimensions: [{ Name: QueueName, Value: x }] }
  Two:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Metrics:
        - { Id: all, Expression: "SUM(METRICS())" }
        - Id: a
          MetricStat:
            Metric:
              Namespace: AWS/DynamoDB
              MetricName: SystemErrors
              Dimensions: [{ Name: TableName, Value: x }, { Name: Operation, Value: GetItem }]
"#;

    fn broken(from: &str, to: &str) -> Vec<String> {
        alarm_watches_what_aws_measures(&Template::parse("broken.yaml", &WHOLE.replacen(from, to, 1)))
    }

    #[test]
    fn an_alarm_on_what_nothing_measures_is_found() {
        assert_eq!(broken("", ""), Vec::<String>::new());
        let wanted =
            "broken.yaml: One: watches what there is; nothing measures AWS/SQS NumberOfMessageSent by [\"QueueName\"]";
        assert_eq!(broken("NumberOfMessagesSent", "NumberOfMessageSent"), [wanted]);
        assert_eq!(broken("Name: QueueName", "Name: Queue").len(), 1);
        assert_eq!(broken("AWS/SQS", "AWS/Sqs").len(), 1);
        assert_eq!(broken("SystemErrors", "ReadThrottleEvents").len(), 1, "these are not counted by operation");
    }
}
