//! `CloudWatch`'s alarms of a stage, and the subscribers of their SNS topics.

use acequia_core::id::Stage;
use acequia_core::port::Unavailable;
use serde_json::{Value as Json, json};

use super::Account;
use crate::refusal::unavailable;

const LIST: &str = "list the alarms";
const SUBSCRIBERS: &str = "list a topic's subscribers";
/// What SNS names a subscription that its owner has not confirmed.
const PENDING: &str = "PendingConfirmation";

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// The ARNs of its actions; none where they are off.
    pub actions: Vec<String>,
}

/// A topic with the number of its subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its ARN.
    pub arn: String,
    /// Subscriptions that are confirmed.
    pub confirmed: usize,
    /// Subscriptions whose owners were asked and have not answered.
    pub pending: usize,
}

impl Account {
    /// The alarms whose names begin with `acequia-<stage>-`.
    ///
    /// # Errors
    /// When `CloudWatch` does not answer, or refuses.
    pub async fn alarms(&self, stage: &Stage) -> Result<Vec<Alarm>, Unavailable> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let mut asked = json!({"AlarmNamePrefix": format!("acequia-{stage}-"), "MaxRecords": 100,
                "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]});
            if let (Some(token), Some(asked)) = (token.take(), asked.as_object_mut()) {
                asked.insert("NextToken".to_owned(), token);
            }
            let answer: Json =
                self.watch.call("DescribeAlarms", &asked).await.map_err(|error| error.unavailable(LIST))?;
            let listed = ["MetricAlarms", "CompositeAlarms"].iter().filter_map(|list| answer.get(list)?.as_array());
            found.extend(listed.flatten().filter_map(alarm));
            token =
                answer.get("NextToken").filter(|token| token.as_str().is_some_and(|text| !text.is_empty())).cloned();
            if token.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// How many hear of what a topic is told.
    ///
    /// # Errors
    /// When SNS does not answer, or refuses.
    pub async fn topic(&self, arn: &str) -> Result<Topic, Unavailable> {
        let mut topic = Topic { arn: arn.to_owned(), confirmed: 0, pending: 0 };
        let request = self.clients.sns.list_subscriptions_by_topic().topic_arn(arn);
        let mut found = request.into_paginator().items().send();
        while let Some(subscription) = found.next().await {
            let subscription = subscription.map_err(|error| unavailable(SUBSCRIBERS, error))?;
            if subscription.subscription_arn() == Some(PENDING) {
                topic.pending += 1;
            } else {
                topic.confirmed += 1;
            }
        }
        Ok(topic)
    }
}

fn alarm(json: &Json) -> Option<Alarm> {
    let enabled = json.get("ActionsEnabled").and_then(Json::as_bool).unwrap_or(true);
    let actions = json.get("AlarmActions").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    Some(Alarm {
        name: json.get("AlarmName")?.as_str()?.to_owned(),
        state: json.get("StateValue").and_then(Json::as_str).unwrap_or_default().to_owned(),
        actions: actions.filter(|_| enabled).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_whose_actions_are_off_tells_nobody() {
        let of = |enabled| {
            alarm(&json!({"AlarmName": "a", "StateValue": "OK", "ActionsEnabled": enabled, "AlarmActions": ["t"]}))
        };
        assert_eq!(of(true).unwrap().actions, ["t"]);
        assert!(of(false).unwrap().actions.is_empty());
        assert_eq!(alarm(&json!({})), None);
    }
}
