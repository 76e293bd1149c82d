//! SES v2, which sends the mails.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag};

use crate::classify;
use crate::mailer::{CALL_TIMEOUT, Mail, MailError, Mailer};

/// The first length that SES takes for no value of a tag any more
/// (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html>).
const LONGEST_TAG: usize = 256;

/// SES v2.
#[derive(Debug, Clone)]
pub struct SesMailer {
    client: Client,
    configuration_set: String,
}

impl SesMailer {
    /// Builds the client. It makes each call once: a repeated call could send a second mail.
    pub fn new(shared: &aws_config::SdkConfig, configuration_set: String) -> Self {
        let timeouts = aws_sdk_sesv2::config::timeout::TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build();
        let config = aws_sdk_sesv2::config::Builder::from(shared)
            .retry_config(aws_sdk_sesv2::config::retry::RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config), configuration_set }
    }
}

impl Mailer for SesMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let content = |text: &str| Content::builder().data(text).charset("UTF-8").build();
        let unbuilt = |_| MailError::Refused("the mail lacks a part".to_owned());
        let body = Body::builder()
            .text(content(&mail.text).map_err(unbuilt)?)
            .set_html(mail.html.as_deref().map(content).transpose().map_err(unbuilt)?)
            .build();
        let mut message = Message::builder().subject(content(&mail.subject).map_err(unbuilt)?).body(body);
        for (name, value) in &mail.headers {
            message = message.headers(MessageHeader::builder().name(*name).value(value).build().map_err(unbuilt)?);
        }
        let message = message.build();
        let tag = |name: &str, value: &str| MessageTag::builder().name(name).value(value).build();
        let mut tags = vec![
            tag("acequia-delivery-id", mail.delivery.as_str()).map_err(unbuilt)?,
            tag("acequia-tenant", mail.tenant.as_str()).map_err(unbuilt)?,
        ];
        let event = acequia_core::mail::event_tag(&mail.key.event);
        // A longer one is no tag of SES's; of such a mail it stays unknown what is unknown.
        if event.len() < LONGEST_TAG {
            tags.push(tag("acequia-event", &event).map_err(unbuilt)?);
            tags.push(tag("acequia-sink", mail.key.sink.as_str()).map_err(unbuilt)?);
        }
        if let Some((key, action)) = &mail.about {
            for (name, value) in [
                ("acequia-subject", key.subject.to_string()),
                ("acequia-list", key.list.to_string()),
                ("acequia-action", action.to_string()),
            ] {
                tags.push(tag(name, &value).map_err(unbuilt)?);
            }
        }
        let sent = self
            .client
            .send_email()
            .from_email_address(&mail.from)
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .set_reply_to_addresses(mail.reply_to.clone().map(|address| vec![address]))
            .content(EmailContent::builder().simple(message).build())
            .configuration_set_name(mail.ses_tenant.as_ref().unwrap_or(&self.configuration_set))
            .set_tenant_name(mail.ses_tenant.clone())
            .set_email_tags(Some(tags))
            .send()
            .await
            .map_err(|error| classify::ses(&error, &mail.from))?;
        Ok(sent.message_id.unwrap_or_default())
    }
}
