//! `CloudWatch`'s alarms of a stage, and who hears of them by SNS.

use acequia_core::id::Stage;
use acequia_core::port::Unavailable;

use super::Account;
use super::wire::{Service, pair};
use super::xml::Xml;

const WATCH: Service = Service::regional("monitoring", "monitoring");
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
    /// Whom it tells, as ARNs; none where its actions are off.
    pub actions: Vec<String>,
}

/// A topic with the number of those who hear of what is published.
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
        let mut token = String::new();
        loop {
            let mut parameters = vec![
                pair("Action", "DescribeAlarms"),
                pair("Version", "2010-08-01"),
                pair("AlarmNamePrefix", format!("acequia-{stage}-")),
                pair("MaxRecords", "100"),
            ];
            if !token.is_empty() {
                parameters.push(pair("NextToken", &token));
            }
            let answer = self.wire.query(LIST, WATCH, &parameters).await?;
            let Some(result) = answer.find("DescribeAlarmsResult") else { break };
            found.extend(["MetricAlarms", "CompositeAlarms"].iter().flat_map(|list| result.members(list)).map(alarm));
            result.text("NextToken").clone_into(&mut token);
            if token.is_empty() {
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
            let subscription = subscription.map_err(|error| Unavailable::new(SUBSCRIBERS, error))?;
            if subscription.subscription_arn() == Some(PENDING) {
                topic.pending += 1;
            } else {
                topic.confirmed += 1;
            }
        }
        Ok(topic)
    }
}

fn alarm(xml: &Xml) -> Alarm {
    let enabled = xml.text("ActionsEnabled") != "false";
    let actions = xml.members("AlarmActions").iter().map(|action| action.own_text().to_owned());
    Alarm {
        name: xml.text("AlarmName").to_owned(),
        state: xml.text("StateValue").to_owned(),
        actions: actions.filter(|_| enabled).collect(),
    }
}
