//! SES, behind a port: what leaves the system is one mail and what comes back is an id or a reason.

use std::future::Future;
use std::time::Duration;

use acequia_core::id::{DeliveryId, TenantId};
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag};

use crate::classify;

/// One mail to one recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The subject, one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML, where there is one.
    pub html: Option<String>,
    /// The delivery: SES gives it back with every notice about the mail.
    pub delivery: DeliveryId,
    /// Whose mail it is.
    pub tenant: TenantId,
}

/// Only what identifies the mail to us is printed: the rest is personal.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("delivery", &self.delivery).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// Why a mail was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Nothing was sent; it may work later.
    #[error("SES does not take mails now: {0}")]
    Throttled(String),
    /// Nothing was sent, and never will be.
    #[error("SES refuses the mail: {0}")]
    Refused(String),
    /// Nothing was sent: there was no connection.
    #[error("no connection to SES")]
    NoConnection,
    /// It may have been sent or not: the call ended without an answer.
    #[error("SES did not answer")]
    NoAnswer,
}

/// Takes mails.
pub trait Mailer: Send + Sync {
    /// Sends one mail, at most once; answers SES's id of it.
    fn send(&self, mail: &Mail) -> impl Future<Output = Result<String, MailError>> + Send;
}

/// SES v2.
#[derive(Debug, Clone)]
pub struct SesMailer {
    client: Client,
    configuration_set: String,
}

/// How long one call to SES may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

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
        let message = Message::builder().subject(content(&mail.subject).map_err(unbuilt)?).body(body).build();
        let tag = |name: &str, value: &str| MessageTag::builder().name(name).value(value).build();
        let sent = self
            .client
            .send_email()
            .from_email_address(&mail.from)
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .set_reply_to_addresses(mail.reply_to.clone().map(|address| vec![address]))
            .content(EmailContent::builder().simple(message).build())
            .configuration_set_name(&self.configuration_set)
            .email_tags(tag("acequia-delivery-id", mail.delivery.as_str()).map_err(unbuilt)?)
            .email_tags(tag("acequia-tenant", mail.tenant.as_str()).map_err(unbuilt)?)
            .send()
            .await
            .map_err(|error| classify::ses(&error))?;
        Ok(sent.message_id.unwrap_or_default())
    }
}
