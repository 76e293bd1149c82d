//! What sends mails: one mail leaves the system, and an id or a reason comes back.

use std::future::Future;
use std::time::Duration;

use crate::consent::{ActionId, ConsentKey};
use crate::delivery::ledger::DeliveryKey;
use crate::id::{DeliveryId, TenantId};
use crate::mail::event_tag;
use crate::outcome::stall::MailHold;

/// How long sending one mail may take.
pub const MAIL_TIMEOUT: Duration = Duration::from_secs(10);
/// The first length that SES takes for no value of a tag any more
/// (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html>).
const LONGEST_TAG: usize = 256;

/// One mail to one recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender.
    pub from: String,
    /// The recipient's address, as SES takes it.
    pub to: String,
    /// The same as the event has it, by which the tenant may know who gets no mails.
    pub written: String,
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
    /// Where the ledger has that delivery: SES gives it back, so that what it took is known where its answer was not.
    pub key: DeliveryKey,
    /// Whose mail it is.
    pub tenant: TenantId,
    /// Headers besides those that every mail has.
    pub headers: Vec<(&'static str, String)>,
    /// Whose consent it is about, and which action: SES gives them back with every notice about the mail.
    pub about: Option<(ConsentKey, ActionId)>,
    /// The tenant of SES, and its configuration set of the same name, that the mail goes through; else the platform's
    /// set.
    pub ses_tenant: Option<String>,
}

/// Only what identifies the mail to us is printed: the rest is personal.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("delivery", &self.delivery).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Mail {
    /// What SES gives back with every notice about the mail, by name: of which delivery it is, and of whose consent.
    ///
    /// Where the ledger has the delivery is left out where it is too long for a tag: then it stays unknown whether a
    /// mail without an answer was sent.
    pub fn tags(&self) -> Vec<(&'static str, String)> {
        let mut tags = vec![
            ("acequia-delivery-id", self.delivery.as_str().to_owned()),
            ("acequia-tenant", self.tenant.as_str().to_owned()),
        ];
        let event = event_tag(&self.key.event);
        if event.len() < LONGEST_TAG {
            tags.push(("acequia-event", event));
            tags.push(("acequia-sink", self.key.sink.as_str().to_owned()));
            tags.extend(self.key.replay.iter().map(|replay| ("acequia-replay", replay.as_str().to_owned())));
        }
        if let Some((key, action)) = &self.about {
            tags.push(("acequia-subject", key.subject.to_string()));
            tags.push(("acequia-list", key.list.to_string()));
            tags.push(("acequia-action", action.to_string()));
        }
        tags
    }
}

/// Why a mail was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Nothing was sent; it may work later.
    #[error("SES does not take mails now: {0}")]
    Throttled(String),
    /// Nothing was sent, because of the account's standing or the sender's.
    #[error("SES does not take the mail: {0}")]
    Held(MailHold),
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
