//! SES v2, which sends the mails.

use acequia_core::port::{MAIL_TIMEOUT, Mail, MailError, Mailer};
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag};

use crate::classify;

/// SES v2.
#[derive(Debug, Clone)]
pub struct SesMailer {
    client: Client,
    configuration_set: String,
}

impl SesMailer {
    /// Builds the client. It makes each call once: a repeated call could send a second mail.
    pub fn new(shared: &aws_config::SdkConfig, configuration_set: String) -> Self {
        let timeouts = aws_sdk_sesv2::config::timeout::TimeoutConfig::builder().operation_timeout(MAIL_TIMEOUT).build();
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
        let tag = |(name, value)| MessageTag::builder().name(name).value(value).build().map_err(unbuilt);
        let tags = mail.tags().into_iter().map(tag).collect::<Result<Vec<_>, _>>()?;
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
