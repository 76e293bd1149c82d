//! The suite of what sends mails: a mail arrives as it was written, or its error says whether it may have been sent.

use std::collections::BTreeMap;

use acequia_core::consent::{ActionId, ConsentKey, ListId, SubjectId};
use acequia_core::delivery::ledger::DeliveryKey;
use acequia_core::id::DeliveryId;
use acequia_core::outcome::stall::MailHold;
use acequia_core::port::{Mail, MailError, Mailer};

use crate::build::{delivery_key, envelope, event_id, sink_id, tenant_id};

/// A mail as what sends it takes it over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrived {
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// Where answers go.
    pub reply_to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML.
    pub html: Option<String>,
    /// The headers that the mail has besides, in their order.
    pub headers: Vec<(String, String)>,
    /// What comes back with every notice about the mail.
    pub tags: BTreeMap<String, String>,
    /// The tenant of SES that the mail goes through.
    pub ses_tenant: Option<String>,
}

/// What becomes of the next mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// One of its addresses is none.
    Refused,
    /// There are too many mails now.
    Throttled,
    /// The account may send no mails now.
    Paused,
    /// It is taken, and the answer is lost.
    AnswerLost,
}

/// A mailer of which a test knows what it sent, and can make it fail.
pub trait MailerInTest: Mailer {
    /// The mails that arrived so far, in order.
    fn arrived(&self) -> Vec<Arrived>;
    /// Lets the next mail get into trouble.
    fn fail_next(&self, trouble: Trouble);
    /// A mailer that reaches nothing that sends mails.
    fn unconnected(&self) -> impl Mailer;
}

impl MailerInTest for crate::InMemoryMailer {
    fn arrived(&self) -> Vec<Arrived> {
        let arrived = |mail: Mail| Arrived {
            tags: mail.tags().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            from: mail.from,
            to: vec![mail.to],
            reply_to: mail.reply_to.into_iter().collect(),
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
            headers: mail.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ses_tenant: mail.ses_tenant,
        };
        self.sent().into_iter().map(arrived).collect()
    }

    fn fail_next(&self, trouble: Trouble) {
        let error = match trouble {
            Trouble::Refused => MailError::Refused("BadRequestException".to_owned()),
            Trouble::Throttled => MailError::Throttled("TooManyRequestsException".to_owned()),
            Trouble::Paused => MailError::Held(MailHold::Paused),
            Trouble::AnswerLost => MailError::NoAnswer,
        };
        Self::fail_next(self, 1, &error);
    }

    fn unconnected(&self) -> impl Mailer {
        let unconnected = Self::new();
        Self::fail_next(&unconnected, 1, &MailError::NoConnection);
        unconnected
    }
}

fn delivery(sink: &str) -> DeliveryId {
    acequia_core::delivery::Delivery::new(sink_id(sink), envelope("m-acme", "1", "action.signed", "{}")).id
}

/// A mail with what every mail has, and nothing else.
fn plain() -> Mail {
    Mail {
        from: "hello@acme.example".to_owned(),
        to: "ana@example.org".to_owned(),
        written: "Ana@example.org".to_owned(),
        reply_to: None,
        subject: "Thank you".to_owned(),
        text: "Dear Ana".to_owned(),
        html: None,
        delivery: delivery("thanks"),
        key: delivery_key("1", "thanks"),
        tenant: tenant_id("m-acme"),
        headers: Vec::new(),
        about: None,
        ses_tenant: None,
    }
}

/// Sends a mail that arrives, and gives what arrived.
async fn sent(mailer: &impl MailerInTest, mail: &Mail) -> Arrived {
    let before = mailer.arrived().len();
    let id = mailer.send(mail).await.unwrap();
    assert!(!id.is_empty(), "a mail that was sent has an id");
    let mut arrived = mailer.arrived().split_off(before);
    assert_eq!(arrived.len(), 1, "once");
    arrived.remove(0)
}

fn tags(arrived: &Arrived) -> Vec<&str> {
    arrived.tags.keys().map(String::as_str).collect()
}

/// Nothing is added that was not in it.
pub async fn a_plain_mail_arrives_once_as_it_was_written(mailer: &impl MailerInTest) {
    let mail = plain();
    let arrived = sent(mailer, &mail).await;
    assert_eq!(tags(&arrived), ["acequia-delivery-id", "acequia-event", "acequia-sink", "acequia-tenant"]);
    assert_eq!(arrived.tags["acequia-delivery-id"], mail.delivery.as_str());
    assert_eq!((arrived.tags["acequia-tenant"].as_str(), arrived.tags["acequia-sink"].as_str()), ("m-acme", "thanks"));
    let event = acequia_core::mail::read_event_tag(&arrived.tags["acequia-event"]);
    assert_eq!(event, Some(mail.key.event.clone()));
    let wanted = Arrived {
        from: mail.from,
        to: vec![mail.to],
        subject: mail.subject,
        text: mail.text,
        tags: arrived.tags.clone(),
        ..Arrived::default()
    };
    assert_eq!(arrived, wanted);
}

/// HTML, headers, where answers go, the tenant of SES, and whose consent it is about; in letters of any language.
pub async fn a_mail_with_all_that_it_may_have_arrives_whole(mailer: &impl MailerInTest) {
    let tenant = tenant_id("m-acme");
    let (subject, list) = (SubjectId::derive(&tenant, "ana@example.org"), ListId::derive(&tenant, "all"));
    let action = ActionId::derive(&tenant, &event_id("1"));
    let mail = Mail {
        from: "Acme <hello@acme.example>".to_owned(),
        reply_to: Some("Team <team@acme.example>".to_owned()),
        subject: "Merci, Zoë & \"Ana\"".to_owned(),
        text: "Chère Zoë,\n\nмерси <3\n".to_owned(),
        html: Some("<p>Chère Zoë &amp; \"Ana\"</p>\n".to_owned()),
        headers: vec![
            ("List-Unsubscribe", "<https://acme.example/u?a=1&b=2>".to_owned()),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ],
        about: Some((ConsentKey { subject, list }, action)),
        ses_tenant: Some("acequia-test-m-acme".to_owned()),
        ..plain()
    };
    let arrived = sent(mailer, &mail).await;
    assert_eq!((arrived.from, arrived.to), (mail.from, vec![mail.to]));
    assert_eq!(arrived.reply_to, ["Team <team@acme.example>"]);
    assert_eq!((arrived.subject, arrived.text, arrived.html), (mail.subject, mail.text, mail.html));
    let headers: Vec<_> = mail.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!((arrived.headers, arrived.ses_tenant), (headers, mail.ses_tenant));
    assert_eq!(arrived.tags["acequia-subject"], subject.to_string());
    assert_eq!(arrived.tags["acequia-list"], list.to_string());
    assert_eq!(arrived.tags["acequia-action"], action.to_string());
}

/// SES takes no longer tag, and would refuse the mail for it.
pub async fn an_event_too_long_for_a_tag_is_left_out_and_the_mail_is_sent(mailer: &impl MailerInTest) {
    let key = DeliveryKey { event: event_id(&"1".repeat(250)), sink: sink_id("thanks"), replay: None };
    let arrived = sent(mailer, &Mail { key, ..plain() }).await;
    assert_eq!(tags(&arrived), ["acequia-delivery-id", "acequia-tenant"]);
}

/// Two equal mails are two: what is the same mail is not for what sends it to say.
pub async fn each_mail_has_its_own_id_and_its_own_tenant(mailer: &impl MailerInTest) {
    let first = mailer.send(&plain()).await.unwrap();
    let second = mailer.send(&Mail { tenant: tenant_id("m-acme-b"), ..plain() }).await.unwrap();
    assert_ne!(first, second);
    let tenants: Vec<String> = mailer.arrived().iter().map(|mail| mail.tags["acequia-tenant"].clone()).collect();
    assert_eq!(tenants, ["m-acme", "m-acme-b"]);
}

/// And the next is sent.
pub async fn a_refused_mail_does_not_arrive(mailer: &impl MailerInTest) {
    mailer.fail_next(Trouble::Refused);
    assert_eq!(mailer.send(&plain()).await, Err(MailError::Refused("BadRequestException".to_owned())));
    assert!(mailer.arrived().is_empty());
    sent(mailer, &plain()).await;
}

/// It is not sent again by itself.
pub async fn a_throttled_mail_does_not_arrive(mailer: &impl MailerInTest) {
    mailer.fail_next(Trouble::Throttled);
    assert_eq!(mailer.send(&plain()).await, Err(MailError::Throttled("TooManyRequestsException".to_owned())));
    assert!(mailer.arrived().is_empty());
    sent(mailer, &plain()).await;
}

/// It is no fault of the mail's.
pub async fn while_the_account_is_paused_no_mail_arrives(mailer: &impl MailerInTest) {
    mailer.fail_next(Trouble::Paused);
    assert_eq!(mailer.send(&plain()).await, Err(MailError::Held(MailHold::Paused)));
    assert!(mailer.arrived().is_empty());
}

/// It arrived, and only once: the call is not repeated.
pub async fn a_mail_whose_answer_is_lost_may_have_arrived(mailer: &impl MailerInTest) {
    mailer.fail_next(Trouble::AnswerLost);
    assert_eq!(mailer.send(&plain()).await, Err(MailError::NoAnswer));
    assert_eq!(mailer.arrived().len(), 1);
}

/// It is known that it was not sent.
pub async fn without_a_connection_no_mail_was_sent(mailer: &impl MailerInTest) {
    let unconnected = mailer.unconnected();
    assert_eq!(unconnected.send(&plain()).await, Err(MailError::NoConnection));
    assert!(mailer.arrived().is_empty());
}
