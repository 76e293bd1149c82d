//! A tenant's configuration as it is written, before anything of it is believed.
//!
//! It is what a tenant's TOML file holds and what the tenants table stores (as JSON). Unknown fields are refused. The
//! fields of a section stand beside what they are validated into: those of sinks in `sink`, one file per kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::auth::RawAuth;
use super::consent::RawConsent;
use super::event_schema::RawEventSchema;
#[cfg(feature = "schema")]
use super::event_schema::{MAX_SCHEMAS, SchemaFile};
use super::intake::RawIntake;
use super::issue::{Issue, Issues};
#[cfg(feature = "schema")]
use super::mail::MAX_TEMPLATES;
use super::mail::{RawMail, RawTemplates};
use super::redrive::RawAutoRedrive;
use super::sink::RawSink;
use super::source::RawSources;
#[cfg(feature = "schema")]
use super::template_file::TemplateFile;
#[cfg(feature = "schema")]
use super::text::TenantIdText;

/// The most sinks one tenant can have.
pub(super) const MAX_SINKS: usize = 50;

/// The most characters in a tenant's name.
pub(super) const MAX_NAME_CHARS: usize = 200;

/// How much the ledger keeps of deliveries that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Recording {
    /// The routing and every outcome: `acequia explain` answers for every event, once one of its deliveries was tried.
    #[default]
    All,
    /// Only what was unmatched, failed or claimed: the cheap way for millions of events.
    Failures,
}

/// The configuration of one tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawTenant {
    /// The tenant's id: the part of its queues' names that no other tenant has.
    #[cfg_attr(feature = "schema", schemars(with = "TenantIdText", extend("examples" = ["acme"])))]
    pub tenant: String,
    /// The tenant's name, as people read it: in mails and on the pages of consent.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1),
            extend("x-bounds" = format!("1 to {MAX_NAME_CHARS} characters"), "examples" = ["Acme Foundation"])
        )
    )]
    pub name: String,
    /// How much the ledger keeps of deliveries that went well.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["failures"])))]
    pub record: Recording,
    /// What the tenant's intake takes. Without this section, events that keep all rules of `CloudEvents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawIntake"))]
    pub intake: Option<RawIntake>,
    /// Who may send and read over HTTPS by tokens of its own issuers. Without this section, those who have one of its API
    /// keys, or a token of the platform's issuer that names the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawAuth"))]
    pub auth: Option<RawAuth>,
    /// What events must look like, by their types: a JSON Schema each. Without it, they may have any data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, SchemaFile>", extend("default" = {}, "maxProperties" = MAX_SCHEMAS)))]
    pub schemas: BTreeMap<String, RawEventSchema>,
    /// What events come from beside the tenant's queue. Without this section, from there and from nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawSources"))]
    pub sources: Option<RawSources>,
    /// Which dead letters go back to their queues by themselves. Without this section, none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawAutoRedrive"))]
    pub auto_redrive: Option<RawAutoRedrive>,
    /// Where the tenant's events go. An event goes to every sink that takes it.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "super::sink::schema", extend("x-required" = true, "minItems" = 1, "maxItems" = MAX_SINKS))
    )]
    pub sinks: Vec<RawSink>,
    /// Which events need a person's consent before sinks get them, and how it is asked for. Without this section, none
    /// needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawConsent"))]
    pub consent: Option<RawConsent>,
    /// What all mails of the tenant have in common. E-mail sinks take from here what they leave out. Without this
    /// section, they say it themselves, and there is neither consent nor a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawMail"))]
    pub mail: Option<RawMail>,
    /// The mails' templates, by name and language. `confirm`, `reminder`, `thanks` and others are those of consent;
    /// e-mail sinks can name any that names no `links`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, BTreeMap<String, TemplateFile>>", extend("default" = {}, "maxProperties" = MAX_TEMPLATES)))]
    pub templates: RawTemplates,
}

impl RawTenant {
    /// Reads a document that has been parsed to JSON values (from TOML or JSON).
    ///
    /// # Errors
    /// An issue with the path of the field for each sink that has a field that is unknown, missing or of the wrong
    /// type, and for the first such field of all else.
    pub fn from_value(mut document: Json) -> Result<Self, Issues> {
        // Which fields a sink has is up to its kind, so each is read by itself.
        let written = match document.get_mut("sinks") {
            Some(Json::Array(sinks)) => std::mem::take(sinks),
            _ => Vec::new(),
        };
        let read = |(index, sink)| RawSink::read(sink, &format!("sinks[{index}]"));
        let mut issues = Vec::new();
        let mut sinks = Vec::with_capacity(written.len());
        for sink in written.into_iter().enumerate().map(read) {
            match sink {
                Ok(sink) => sinks.push(sink),
                Err(mut found) => issues.append(&mut found),
            }
        }
        match serde_path_to_error::deserialize::<_, Self>(document) {
            Ok(tenant) if issues.is_empty() => Ok(Self { sinks, ..tenant }),
            Ok(_) => Err(Issues(issues)),
            Err(error) => {
                issues.insert(0, Issue::of_shape("", error.path(), error.inner()));
                Err(Issues(issues))
            }
        }
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
