//! A topic of SNS with a queue that is subscribed to it: what the suite of alerts reads.
#![expect(clippy::unwrap_used, reason = "what a test builds on fails by panicking")]

use std::sync::Mutex;

use acequia_aws::SnsAlerts;
use acequia_core::id::TenantId;
use acequia_core::port::{Alerts, Unavailable};
use acequia_testkit::conformance::alerts::{AlertsInTest, Read};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value as Json, json};

use crate::World;

/// How often a second is waited for what is on its way.
const LOOKS: usize = 30;

/// SNS, and the operators' queue.
pub(crate) struct RealAlerts {
    alerts: SnsAlerts,
    topic: String,
    queue: String,
    read: Mutex<Vec<Read>>,
    world: World,
}

impl RealAlerts {
    pub(crate) async fn new(world: World) -> Self {
        let (sns, sqs) = (&world.clients.sns, &world.clients.sqs);
        let name = format!("acequia-{}-alerts", world.stage);
        let topic = sns.create_topic().name(&name).send().await.unwrap().topic_arn.unwrap();
        let queue = sqs.create_queue().queue_name(&name).send().await.unwrap().queue_url.unwrap();
        let request = sqs.get_queue_attributes().queue_url(&queue).attribute_names(QueueAttributeName::QueueArn);
        let attributes = request.send().await.unwrap().attributes.unwrap();
        let arn = attributes.get(&QueueAttributeName::QueueArn).unwrap();
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]});
        let request = sqs.set_queue_attributes().queue_url(&queue);
        request.attributes(QueueAttributeName::Policy, policy.to_string()).send().await.unwrap();
        sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await.unwrap();
        Self { alerts: SnsAlerts::new(sns.clone(), &topic), topic, queue, read: Mutex::default(), world }
    }
}

impl Alerts for RealAlerts {
    async fn send(&self, tenant: &TenantId, subject: &str, text: &str) -> Result<(), Unavailable> {
        self.alerts.send(tenant, subject, text).await
    }

    async fn send_of_platform(&self, subject: &str, text: &str) -> Result<(), Unavailable> {
        self.alerts.send_of_platform(subject, text).await
    }
}

impl AlertsInTest for RealAlerts {
    async fn read(&self, count: usize) -> Vec<Read> {
        for _ in 0..LOOKS {
            let request = self.world.clients.sqs.receive_message().queue_url(&self.queue).wait_time_seconds(1);
            let messages = request.max_number_of_messages(10).send().await.unwrap().messages.unwrap_or_default();
            let mut read = self.read.lock().unwrap();
            read.extend(messages.iter().map(|message| notification(message.body.as_deref().unwrap())));
            if read.len() >= count {
                break;
            }
        }
        self.read.lock().unwrap().clone()
    }

    fn astray(&self) -> impl Alerts {
        SnsAlerts::new(self.world.clients.sns.clone(), format!("{}-missing", self.topic))
    }
}

/// What SNS puts into a queue.
fn notification(body: &str) -> Read {
    let notification: Json = serde_json::from_str(body).unwrap();
    let text = |pointer: &str| notification.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
    Read {
        subject: text("/Subject").unwrap(),
        text: text("/Message").unwrap(),
        tenant: text("/MessageAttributes/tenant/Value"),
    }
}
