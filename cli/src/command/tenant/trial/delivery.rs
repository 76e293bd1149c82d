//! One delivery as its function would send it, without its secrets.

use std::collections::BTreeMap;

use acequia_core::archive::{Hour, ObjectKey};
use acequia_core::consent::link::Links;
use acequia_core::consent::token::{LinkKey, Purpose};
use acequia_core::consent::{ActionId, ConsentKey, ListId, SubjectId};
use acequia_core::delivery::Delivery;
use acequia_core::id::{SecretName, Stage, TenantId};
use acequia_core::mail::MailRef;
use acequia_core::message::AttributeValue;
use acequia_core::outcome::{Cause, DisabledBy};
use acequia_core::port::{Clock as _, Mail, SecretError, Secrets};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_core::table::{Cell, Row};
use acequia_core::template::Context;
use acequia_core::tenant::{
    EmailSink, EventbridgeSink, ForwardSink, ForwardTarget, TableSink, Target, Tenant, WebhookSink,
};
use acequia_core::time::after;
use serde::Serialize;
use webhook::request::Sender;

use super::Problem;
use crate::context::SystemClock;

/// A signing secret in its form. What is signed with it is not shown.
const SIGNING: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// Where links lead before they are shown by their purpose: to a name that can never exist (RFC 2606).
const NOWHERE: &str = "https://links.invalid";
const SIGNATURE: &str = "webhook-signature";

/// One delivery.
#[derive(Debug, Serialize)]
pub(super) struct Tried {
    pub(super) sink: String,
    pub(super) kind: &'static str,
    #[serde(flatten)]
    pub(super) what: What,
}

/// What would be sent, or why nothing would.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum What {
    Request {
        method: &'static str,
        url: String,
        headers: BTreeMap<String, String>,
        body: String,
    },
    Message {
        /// The queue's name, or its ARN where it is not the tenant's own.
        queue: String,
        attributes: BTreeMap<String, String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        deduplication: Option<String>,
        body: String,
    },
    Entry {
        /// The bus's ARN.
        bus: String,
        source: String,
        detail_type: String,
        detail: String,
    },
    Kept {
        /// What the name of its object begins with.
        archive: String,
        body: String,
    },
    Row {
        /// The table, and where it is.
        table: String,
        /// The columns with their values; nothing where the event has none.
        values: BTreeMap<String, Option<String>>,
    },
    Mail {
        from: String,
        to: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<String>,
        subject: String,
        headers: BTreeMap<String, String>,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        html: Option<String>,
    },
    /// Nothing goes out for now, by the tenant's own choice.
    Held {
        held: &'static str,
    },
    Failed {
        problem: Problem,
    },
}

impl Tried {
    pub(super) fn is_problem(&self) -> bool {
        matches!(self.what, What::Failed { .. })
    }
}

/// Makes what the functions would send for one tenant.
pub(super) struct Maker<'t> {
    stage: &'t Stage,
    tenant: &'t Tenant,
}

impl<'t> Maker<'t> {
    pub(super) fn new(stage: &'t Stage, tenant: &'t Tenant) -> Self {
        Self { stage, tenant }
    }

    pub(super) async fn deliver(&self, delivery: &Delivery) -> Tried {
        let sink = delivery.sink.to_string();
        let Some(settings) = self.tenant.sink(&delivery.sink) else {
            return Tried { sink, kind: "", what: What::Failed { problem: Problem::of(&Cause::SinkUnknown) } };
        };
        let what = if !settings.enabled {
            Err(Cause::SinkDisabled(DisabledBy::Configuration))
        } else if delivery.envelope.expires_at.is_some_and(|at| at <= SystemClock.now()) {
            Ok(What::Held { held: "its expirytime has passed" })
        } else if settings.paused {
            Ok(What::Held { held: "paused" })
        } else {
            match &settings.target {
                Target::Webhook(webhook) => self.request(webhook, delivery).await,
                Target::Forward(forward) => Ok(self.message(forward, delivery)),
                Target::Email(email) => self.mail(email, delivery),
                Target::Eventbridge(eventbridge) => entry(eventbridge, delivery),
                Target::Archive(_) => Ok(kept(delivery)),
                Target::Table(table) => row(table, delivery),
            }
        };
        let what = match what {
            // By the tenant's wish, and no fault.
            Err(Cause::NotWanted(why)) => What::Held { held: why },
            Err(cause) => What::Failed { problem: Problem::of(&cause) },
            Ok(what) => what,
        };
        Tried { sink, kind: settings.kind().as_str(), what }
    }

    async fn request(&self, webhook: &WebhookSink, delivery: &Delivery) -> Result<What, Cause> {
        let sender = Sender::of(&Placeholders, &self.tenant.summary.id, webhook).await?;
        let headers = sender.headers(delivery, SystemClock.now())?;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut headers: BTreeMap<String, String> =
            headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        if let Some(signature) = headers.get_mut(SIGNATURE) {
            let names: Vec<&str> = webhook.secrets.iter().map(SecretName::as_str).collect();
            *signature = format!("(signed by secret {})", names.join(" and "));
        }
        let body = String::from(&*delivery.envelope.body);
        Ok(What::Request { method: "POST", url: webhook.url.to_string(), headers, body })
    }

    fn message(&self, forward: &ForwardSink, delivery: &Delivery) -> What {
        let (queue, fifo) = match &forward.target {
            ForwardTarget::Out { fifo } => {
                let name = QueueName::new(self.stage, &self.tenant.summary.id, QueueRole::Out);
                (QueueName { fifo: *fifo, ..name }.to_string(), *fifo)
            }
            ForwardTarget::Arn(arn) => (arn.to_string(), arn.is_fifo()),
        };
        let message = forward::request::message(delivery, fifo, forward.format);
        let attributes = message.attributes.into_iter().map(|(name, attribute)| {
            let value = match attribute.value {
                AttributeValue::Text(text) => text,
                AttributeValue::Binary(bytes) => format!("({} bytes)", bytes.len()),
            };
            (name, value)
        });
        What::Message {
            queue,
            attributes: attributes.collect(),
            group: message.group,
            deduplication: message.deduplication,
            body: String::from(&*message.body),
        }
    }

    fn mail(&self, sink: &EmailSink, delivery: &Delivery) -> Result<What, Cause> {
        let tenant = self.tenant;
        let context = Context::new(&tenant.summary, &delivery.envelope);
        let Some(settings) = tenant.consent.as_ref().filter(|_| MailRef::of(&delivery.sink).is_some()) else {
            return email::request::mail(tenant, sink, delivery, &context, None).map(|mail| shown(mail, &[]));
        };
        let id = &tenant.summary.id;
        let need = settings.need(&context)?;
        let name = settings.keys.first().cloned().ok_or(Cause::Bug("the consent of a configuration has no key"))?;
        let key = LinkKey::new(name, &Secret::new(SIGNING))
            .map_err(|_| Cause::Bug("the key that stands for a tenant's is none"))?;
        let links = Links {
            base: NOWHERE,
            tenant: id,
            key: &key,
            consent: ConsentKey { subject: SubjectId::derive(id, &need.subject), list: ListId::derive(id, &need.list) },
            action: ActionId::derive(id, &delivery.envelope.event),
            expires_at: after(SystemClock.now(), settings.valid_for),
        };
        let names = [
            ("accept", Purpose::Accept),
            ("accept_opt_in", Purpose::AcceptOptIn),
            ("reject", Purpose::Reject),
            ("unsubscribe", Purpose::Unsubscribe),
        ];
        let names = names.map(|(name, purpose)| (links.url(purpose), format!("(link {name})")));
        email::request::mail(tenant, sink, delivery, &context, Some(&links)).map(|mail| shown(mail, &names))
    }
}

/// The entry of an event bus.
fn entry(sink: &EventbridgeSink, delivery: &Delivery) -> Result<What, Cause> {
    let entry = eventbridge::request::entry(delivery)?;
    Ok(What::Entry {
        bus: sink.bus.to_string(),
        source: entry.source.to_owned(),
        detail_type: entry.detail_type.to_owned(),
        detail: entry.detail.to_owned(),
    })
}

/// A line of the archive.
fn kept(delivery: &Delivery) -> What {
    let envelope = &delivery.envelope;
    let archive = format!("{}{}/", ObjectKey::prefix(&envelope.tenant), Hour::of(envelope.accepted_at));
    What::Kept { archive, body: envelope.body.clone() }
}

/// A row of a database.
fn row(sink: &TableSink, delivery: &Delivery) -> Result<What, Cause> {
    let row = Row::of(&sink.layout, delivery)?;
    let value = |cell: &Option<Cell>| cell.as_ref().map(|cell| cell.written(false).into_owned());
    let values =
        sink.layout.columns.iter().zip(&row.cells).map(|(column, cell)| (column.name.to_string(), value(cell)));
    let table = format!("{} of {}", sink.layout.table, sink.database.address);
    Ok(What::Row { table, values: values.collect() })
}

/// A mail, with the names of its links in their places.
fn shown(mail: Mail, links: &[(String, String)]) -> What {
    let named = |text: String| links.iter().fold(text, |text, (link, name)| text.replace(link, name));
    What::Mail {
        from: mail.from,
        to: mail.to,
        reply_to: mail.reply_to,
        subject: mail.subject,
        headers: mail.headers.into_iter().map(|(name, value)| (name.to_owned(), named(value))).collect(),
        text: named(mail.text),
        html: mail.html.map(named),
    }
}

/// Answers the name of a secret in place of its value; for a secret that signs, a key in its form, since the code that
/// signs reads it.
struct Placeholders;

impl Secrets for Placeholders {
    async fn secret(&self, _: &TenantId, purpose: SecretPurpose, name: &SecretName) -> Result<Secret, SecretError> {
        Ok(if purpose == SecretPurpose::Webhook {
            Secret::new(SIGNING)
        } else {
            Secret::new(format!("(secret {name})"))
        })
    }
}
