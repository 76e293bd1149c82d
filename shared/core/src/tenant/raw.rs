//! A tenant's configuration as it is written, field by field, before anything is believed of it.
//!
//! It is what a tenant's TOML file holds and what the tenants table stores (as JSON). Unknown fields are refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::consent::RawConsent;
use super::intake::RawIntake;
use super::issue::{Issue, Issues};
use super::mail::{RawMail, RawTemplates};
use super::pace::RawBreaker;
use super::redrive::RawAutoRedrive;

/// How much the ledger keeps of deliveries that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trace {
    /// The routing and every outcome: `acequia explain` answers for every event.
    #[default]
    All,
    /// Only what was unmatched, failed or claimed: the cheap way for millions of events.
    Failures,
}

/// What to do with a mail of which nobody knows whether it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ambiguous {
    /// Send it again: nobody goes without, somebody may get it twice.
    #[default]
    Resend,
    /// Keep it for a person to decide: nobody gets it twice.
    Quarantine,
}

/// What stands beside an event's bytes when a sink sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinkFormat {
    /// What receivers of Acequia expect.
    #[default]
    Event,
    /// What receivers of Proca expect, and nothing else that they might notice.
    Proca,
}

/// A tenant as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTenant {
    /// The tenant's id.
    pub tenant: String,
    /// The tenant's name, as people read it.
    pub name: String,
    /// How much the ledger keeps.
    #[serde(default)]
    pub trace: Trace,
    /// What the tenant's intake takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intake: Option<RawIntake>,
    /// Which dead letters go back by themselves; none without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_redrive: Option<RawAutoRedrive>,
    /// Where the tenant's events go.
    #[serde(default)]
    pub sinks: Vec<RawSink>,
    /// Which events need consent, and how it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<RawConsent>,
    /// What all mails have in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<RawMail>,
    /// The mails' templates, by name and language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: RawTemplates,
}

/// The value of a custom header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RawHeader {
    /// The value itself.
    Plain(String),
    /// The name of the secret that holds the value.
    Secret(RawSecretRef),
}

/// A reference to one of the tenant's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSecretRef {
    /// The secret's name: the last part of its parameter's path.
    pub secret: String,
}

/// A sink as written: the fields of all kinds in one, so that a field of the wrong kind gets an error of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSink {
    /// Its id, unique in the document.
    pub id: String,
    /// `webhook`, `email` or `forward`.
    pub kind: String,
    /// Which types of events it takes.
    pub types: Vec<String>,
    /// An event pattern in `EventBridge`'s syntax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Json>,
    /// False keeps its deliveries in the dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The waits between attempts, such as `["5s", "5m"]`. What SQS does not take of a forward sink spends no attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Vec<String>>,
    /// How long after its acceptance an event is still delivered, such as `"3d"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<String>,
    /// True claims each delivery in the ledger first, so that no duplicate is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// How many deliveries may start in a time, such as `"50/s"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// How many of them at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// True holds its deliveries back; `acequia tenant pause` and `resume` set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,

    /// Webhook and forward: `event` (as Acequia sends it) or `proca` (with the attributes and headers of Proca's own push).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SinkFormat>,

    /// Webhook: when the endpoint is given a rest; `false` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<RawBreaker>,
    /// Webhook: where to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Webhook: the names of the signing secrets, the current one first; two while a secret rotates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// Webhook: headers of the tenant's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, RawHeader>>,
    /// Webhook: how long to wait for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Webhook: the HTTP statuses after which a delivery is not tried again, such as `[404]`, beside 400, 413, 415, 422 and 410.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent: Option<Vec<i64>>,

    /// E-mail: the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// E-mail: a template that gives the recipient's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// E-mail: where answers go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// E-mail: the template of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// E-mail: the template of the plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// E-mail: the template of the HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// E-mail: the name of the template, in place of subject, text and html.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// E-mail: what to do with one that may have been sent or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous: Option<Ambiguous>,

    /// Forward: `out`, `out.fifo`, or the ARN of a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
}

impl RawTenant {
    /// Reads a document that has been parsed to JSON values (from TOML or JSON).
    ///
    /// # Errors
    /// One issue with the path of the field, where a field is unknown, missing or of the wrong type.
    pub fn from_value(document: Json) -> Result<Self, Issues> {
        serde_path_to_error::deserialize(document).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            Issues(vec![Issue { path, problem: error.into_inner().to_string(), line_in_value: None }])
        })
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// As [`RawTenant::from_value`], and where the text is not JSON.
    pub fn from_json(text: &str) -> Result<Self, Issues> {
        let document = serde_json::from_str(text).map_err(|error| {
            Issues(vec![Issue { path: String::new(), problem: format!("not JSON: {error}"), line_in_value: None }])
        })?;
        Self::from_value(document)
    }

    /// The form that is stored.
    pub fn to_json(&self) -> String {
        // A struct of texts, lists and maps with text keys always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}
