//! Sends alerts by SNS to the subscribers of the installation's topic: its operators.

use acequia_core::id::TenantId;
use acequia_core::port::{Alerts, Unavailable};
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;

use crate::Lazy;
use crate::refusal::unavailable;

const TELL: &str = "tell the operators";

/// The installation's topic.
#[derive(Debug, Clone)]
pub struct SnsAlerts {
    client: Lazy<Client>,
    topic: String,
}

impl SnsAlerts {
    /// Tells the subscribers of this topic, by its ARN.
    pub fn new(client: Lazy<Client>, topic: impl Into<String>) -> Self {
        Self { client, topic: topic.into() }
    }
}

impl Alerts for SnsAlerts {
    async fn send(&self, tenant: &TenantId, subject: &str, text: &str) -> Result<(), Unavailable> {
        let tenant = MessageAttributeValue::builder().data_type("String").string_value(tenant.as_str()).build();
        let request = self.client.publish().topic_arn(&self.topic).subject(subject).message(text);
        let tenant = tenant.map_err(|error| Unavailable::new(TELL, error))?;
        let answer = request.message_attributes("tenant", tenant).send().await;
        answer.map(|_| ()).map_err(|error| unavailable(TELL, error))
    }

    async fn send_of_platform(&self, subject: &str, text: &str) -> Result<(), Unavailable> {
        let request = self.client.publish().topic_arn(&self.topic).subject(subject).message(text);
        request.send().await.map(|_| ()).map_err(|error| unavailable(TELL, error))
    }
}
