//! One message of SES's event publishing, read
//! (<https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>).

use std::collections::BTreeMap;

use acequia_core::consent::{ActionId, ConsentKey, ListId, SubjectId};
use acequia_core::delivery::ledger::DeliveryKey;
use acequia_core::id::TenantId;
use acequia_core::mail::read_event_tag;
use serde::Deserialize;

/// What happened to a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// The address does not exist, or refuses for good.
    HardBounce,
    /// It could not be delivered this time: a full mailbox, say.
    SoftBounce,
    /// Its reader called it spam.
    Complaint,
    /// It arrived.
    Delivered,
    /// It is late.
    Delayed,
    /// SES refused it.
    Rejected,
    /// SES took it.
    Sent,
    /// Something else, which changes nothing.
    Other,
}

impl Happened {
    /// The word for it in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HardBounce => "hard-bounce",
            Self::SoftBounce => "soft-bounce",
            Self::Complaint => "complaint",
            Self::Delivered => "delivered",
            Self::Delayed => "delayed",
            Self::Rejected => "rejected",
            Self::Sent => "sent",
            Self::Other => "other",
        }
    }
}

/// One notice about one mail of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub happened: Happened,
    /// Whose mail it was.
    pub tenant: TenantId,
    /// The addresses that it is about: personal, so they are never printed.
    pub addresses: Vec<String>,
    /// SES's id of the mail.
    pub message_id: Option<String>,
    /// Which delivery the mail was.
    pub delivery: Option<DeliveryKey>,
    /// Whose consent the mail was about, and which action, where it was about one.
    pub about: Option<(ConsentKey, ActionId)>,
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notice").field("happened", &self.happened).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// What SES publishes to a topic when an event destination is made with it, and never again: that it can. It is about
/// no mail, and no JSON.
const GREETING: &str = "Successfully validated SNS topic for Amazon SES event publishing.";

/// Whether a message is SES's greeting, as it is or as a topic without raw delivery wraps it.
pub(crate) fn is_greeting(body: &str) -> bool {
    let wrapped = || serde_json::from_str::<Wrapped>(body).ok()?.message;
    body.trim() == GREETING || wrapped().is_some_and(|message| message.trim() == GREETING)
}

/// Why a message is no notice of ours. None of these will ever be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// It is none of SES's events.
    #[error("it is no event of SES's publishing")]
    NotSes,
    /// It comes from another configuration set.
    #[error("it does not come from one of our configuration sets")]
    Foreign,
    /// It does not say whose mail it was.
    #[error("it has no valid tag acequia-tenant")]
    Untagged,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    event_type: String,
    #[serde(default)]
    mail: Mail,
    #[serde(default)]
    bounce: Option<Bounce>,
    #[serde(default)]
    complaint: Option<Complaint>,
}

#[derive(Default, Deserialize)]
struct Mail {
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    destination: Vec<String>,
    #[serde(default, rename = "messageId")]
    message_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    #[serde(default)]
    bounce_type: String,
    #[serde(default)]
    bounced_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    #[serde(default)]
    complained_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    #[serde(default)]
    email_address: String,
}

/// What a topic without raw delivery, or an event bus, puts around it.
#[derive(Deserialize)]
struct Wrapped {
    #[serde(default, rename = "Message")]
    message: Option<String>,
    #[serde(default)]
    detail: Option<serde_json::Value>,
}

impl Notice {
    /// Reads a message; `set` is the platform's configuration set.
    ///
    /// # Errors
    /// A [`NoticeError`]; nothing of the message is repeated in it.
    pub fn read(body: &str, set: &str) -> Result<Self, NoticeError> {
        let wrapped: Wrapped = serde_json::from_str(body).map_err(|_| NoticeError::NotSes)?;
        let inner = wrapped.message.or_else(|| wrapped.detail.map(|detail| detail.to_string()));
        let wire: Wire = serde_json::from_str(inner.as_deref().unwrap_or(body)).map_err(|_| NoticeError::NotSes)?;
        let tag = |name: &str| match wire.mail.tags.get(name).map(Vec::as_slice) {
            Some([one]) => Some(one.as_str()),
            _ => None,
        };
        if wire.event_type.is_empty() {
            return Err(NoticeError::NotSes);
        }
        let from = tag("ses:configuration-set").ok_or(NoticeError::Foreign)?;
        let tenant: TenantId = tag("acequia-tenant").and_then(|id| id.parse().ok()).ok_or(NoticeError::Untagged)?;
        if from != set && from != format!("{set}-{tenant}") {
            return Err(NoticeError::Foreign);
        }
        let subject = tag("acequia-subject").and_then(|id| id.parse::<SubjectId>().ok());
        let list = tag("acequia-list").and_then(|id| id.parse::<ListId>().ok());
        let action = tag("acequia-action").and_then(|id| id.parse::<ActionId>().ok());
        let about =
            subject.zip(list).zip(action).map(|((subject, list), action)| (ConsentKey { subject, list }, action));
        let sink = tag("acequia-sink").and_then(|sink| sink.parse().ok());
        let replay = tag("acequia-replay").and_then(|id| id.parse().ok());
        let event = tag("acequia-event").and_then(read_event_tag);
        let delivery = event.zip(sink).map(|(event, sink)| DeliveryKey { event, sink, replay });
        let of = |recipients: &[Recipient]| recipients.iter().map(|it| it.email_address.clone()).collect::<Vec<_>>();
        let (happened, addresses) = match (&*wire.event_type, &wire.bounce, &wire.complaint) {
            ("Bounce", Some(bounce), _) if bounce.bounce_type == "Permanent" => {
                (Happened::HardBounce, of(&bounce.bounced_recipients))
            }
            ("Bounce", Some(bounce), _) => (Happened::SoftBounce, of(&bounce.bounced_recipients)),
            ("Complaint", _, Some(complaint)) => (Happened::Complaint, of(&complaint.complained_recipients)),
            ("Delivery", ..) => (Happened::Delivered, wire.mail.destination.clone()),
            ("DeliveryDelay", ..) => (Happened::Delayed, wire.mail.destination.clone()),
            ("Reject", ..) => (Happened::Rejected, wire.mail.destination.clone()),
            ("Send", ..) => (Happened::Sent, wire.mail.destination.clone()),
            _ => (Happened::Other, Vec::new()),
        };
        // An address may come with a name around it.
        let bare = |text: String| match text.rsplit_once('<') {
            Some((_, rest)) => rest.trim_end_matches('>').to_owned(),
            None => text,
        };
        Ok(Self {
            happened,
            tenant,
            addresses: addresses.into_iter().map(bare).collect(),
            about,
            delivery,
            message_id: wire.mail.message_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounce(set: &str, tenant: &str, kind: &str) -> String {
        format!(
            r#"{{"eventType":"Bounce","mail":{{"destination":["ana@example.org"],"tags":{{"ses:configuration-set":["{set}"],
            "acequia-tenant":["{tenant}"]}}}},"bounce":{{"bounceType":"{kind}","bouncedRecipients":[{{"emailAddress":"Ana <ana@example.org>"}}]}}}}"#
        )
    }

    #[test]
    fn a_notice_is_read_bare_or_wrapped_by_a_topic_or_a_bus() {
        let bare = bounce("acequia-dev", "acme", "Permanent");
        let topic = serde_json::json!({ "Type": "Notification", "Message": bare }).to_string();
        let inner: serde_json::Value = serde_json::from_str(&bare).unwrap();
        let bus = serde_json::json!({ "source": "aws.ses", "detail": inner }).to_string();
        for body in [bare, topic, bus] {
            let notice = Notice::read(&body, "acequia-dev").unwrap();
            assert_eq!((notice.happened, notice.tenant.as_str()), (Happened::HardBounce, "acme"));
            assert_eq!(notice.addresses, ["ana@example.org"]);
            assert!(!format!("{notice:?}").contains("ana@"));
        }
    }

    #[test]
    fn only_our_configuration_sets_are_believed() {
        let read = |set: &str| Notice::read(&bounce(set, "acme", "Transient"), "acequia-dev");
        assert_eq!(read("acequia-dev-acme").unwrap().happened, Happened::SoftBounce);
        for foreign in ["acequia-prod", "acequia-dev-bona", "other", ""] {
            assert_eq!(read(foreign), Err(NoticeError::Foreign), "{foreign}");
        }
        assert_eq!(
            Notice::read(&bounce("acequia-dev", "Not One", "Permanent"), "acequia-dev"),
            Err(NoticeError::Untagged)
        );
        for body in ["", "{}", "[]", "no json", r#"{"eventType":1}"#] {
            assert_eq!(Notice::read(body, "acequia-dev"), Err(NoticeError::NotSes), "{body}");
        }
    }
}
