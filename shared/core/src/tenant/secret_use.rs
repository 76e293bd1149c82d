//! Where a configuration names secrets, and what for; and where it holds what should be one.

use std::collections::BTreeMap;

use super::issue::{Findings, Issue};
use super::raw::RawTenant;
use super::sink::{RawHeader, RawTarget};
use crate::secret::SecretPurpose;

/// Parts of headers' names by which one knows that the value is nobody's business.
const TELLING: [&str; 9] =
    ["authorization", "cookie", "token", "secret", "password", "credential", "api-key", "apikey", "access-key"];

/// A secret that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse<'a> {
    /// What it is for.
    pub purpose: SecretPurpose,
    /// Its name, as it is written.
    pub name: &'a str,
    /// The field that names it.
    pub path: String,
}

impl RawTenant {
    /// Every place in which the configuration names a secret, in the order of the document's sections.
    pub fn secret_uses(&self) -> Vec<SecretUse<'_>> {
        let mut uses = Vec::new();
        let mut name = |purpose, name, path| uses.push(SecretUse { purpose, name, path });
        for (index, sink) in self.sinks.iter().enumerate() {
            if let Some(RawTarget::Table(table)) = &sink.own
                && let Some(password) = &table.password
            {
                name(SecretPurpose::Database, password.as_str(), format!("sinks[{index}].password"));
            }
            // Sinks of other kinds name none.
            let Some(webhook) = sink.own.as_ref().and_then(RawTarget::as_webhook) else { continue };
            for (number, secret) in webhook.secrets.iter().flatten().enumerate() {
                name(SecretPurpose::Webhook, secret.as_str(), format!("sinks[{index}].secrets[{number}]"));
            }
            for (header, value) in webhook.headers.iter().flatten() {
                if let RawHeader::Secret(reference) = value {
                    let path = format!("sinks[{index}].headers.{header}.secret");
                    name(SecretPurpose::Header, reference.secret.as_str(), path);
                }
            }
        }
        for (number, key) in self.consent.iter().flat_map(|consent| &consent.keys).enumerate() {
            name(SecretPurpose::Link, key.as_str(), format!("consent.keys[{number}]"));
        }
        if let Some(key) = self.mail.as_ref().and_then(|mail| mail.personal_key.as_deref()) {
            name(SecretPurpose::Personal, key, "mail.personal_key".to_owned());
        }
        uses
    }

    /// Headers whose names tell of a credential and whose values stand in the configuration itself. What is applied
    /// stays in the versions of a configuration, and in backups, for good.
    pub fn plain_credentials(&self) -> Vec<Issue> {
        let headers = self.sinks.iter().enumerate().flat_map(|(index, sink)| {
            let own = sink.own.as_ref().and_then(RawTarget::as_webhook);
            own.and_then(|webhook| webhook.headers.as_ref())
                .into_iter()
                .flatten()
                .map(move |(name, value)| (index, name, value))
        });
        let plain = headers.filter(|(_, name, value)| {
            let name = name.to_ascii_lowercase().replace('_', "-");
            matches!(value, RawHeader::Plain(_)) && TELLING.iter().any(|word| name.contains(word))
        });
        let note = |(index, name, _): (usize, &String, &RawHeader)| Issue {
            path: format!("sinks[{index}].headers.{name}"),
            problem: format!(
                "its value looks like a credential, and every version of the configuration keeps it: {name} = {{ secret = \"NAME\" }} and \
                 acequia secret put {} NAME --for header keep it in the parameter store",
                self.tenant
            ),
            line_in_value: None,
        };
        plain.map(note).collect()
    }
}

/// Refuses a name that stands for two purposes: they would be two secrets, and whoever writes one would take it for
/// both.
pub(super) fn refuse_two_purposes(raw: &RawTenant, findings: &mut Findings) {
    let mut first: BTreeMap<&str, SecretUse<'_>> = BTreeMap::new();
    for used in raw.secret_uses() {
        let known = first.entry(used.name).or_insert_with(|| used.clone());
        if known.purpose != used.purpose {
            let SecretUse { purpose, name, path } = known;
            findings.report(
                used.path,
                format!(
                    "{name:?} is a {} secret here, and a {purpose} secret in {path}: a secret serves one purpose; give this one a name of its own",
                    used.purpose
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Egress;
    use crate::secret::SecretPurpose::{Header, Link, Personal, Webhook};
    use crate::tenant::Tenant;

    fn raw(links: &str, personal: &str, header: &str) -> RawTenant {
        RawTenant::from_value(serde_json::json!({
            "tenant": "acme", "name": "Acme",
            "mail": {"from": "a@acme.example", "to": "{{ data.email }}", "default_locale": "en", "personal_key": personal},
            "consent": {"types": ["x"], "subject": "{{ data.email }}", "keys": ["links-old", links]},
            "sinks": [{"id": "crm", "kind": "webhook", "types": ["*"], "url": "https://crm.example.org/", "secrets": ["crm", "crm-old"],
                "headers": {"authorization": {"secret": header}, "x-team": "red"}},
                {"id": "crm-2", "kind": "webhook", "types": ["*"], "url": "https://crm.example.org/", "secrets": ["crm"]}],
        }))
        .unwrap()
    }

    #[test]
    fn every_place_that_names_a_secret_is_found_with_its_purpose() {
        let raw = raw("links", "proca", "token");
        let found: Vec<(SecretPurpose, &str)> =
            raw.secret_uses().iter().map(|used| (used.purpose, used.name)).collect();
        let wanted = [
            (Webhook, "crm"),
            (Webhook, "crm-old"),
            (Header, "token"),
            (Webhook, "crm"),
            (Link, "links-old"),
            (Link, "links"),
            (Personal, "proca"),
        ];
        assert_eq!(found, wanted);
        assert!(Tenant::validate(&raw, Egress::Public).is_ok(), "two sinks may share a signing secret");
    }

    #[test]
    fn a_name_for_two_purposes_is_refused_where_it_stands_the_second_time() {
        for (raw, path, other) in [
            (raw("crm", "proca", "token"), "consent.keys[1]", "sinks[0].secrets[0]"),
            (raw("links", "links", "token"), "mail.personal_key", "consent.keys[1]"),
            (raw("links", "proca", "links"), "consent.keys[1]", "sinks[0].headers.authorization.secret"),
            (raw("links", "proca", "crm-old"), "sinks[0].headers.authorization.secret", "sinks[0].secrets[1]"),
        ] {
            let issues = Tenant::validate(&raw, Egress::Public).unwrap_err();
            assert_eq!((issues.0.len(), issues.0[0].path.as_str()), (1, path));
            assert!(issues.0[0].problem.contains(other) && issues.0[0].problem.contains("one purpose"), "{issues:?}");
        }
    }

    #[test]
    fn a_credential_that_stands_in_the_configuration_is_found_by_its_headers_name() {
        let with = |name: &str, value: serde_json::Value| {
            let mut sink = serde_json::json!({"id": "crm", "kind": "webhook", "types": ["*"], "url": "https://crm.example.org/", "secrets": ["crm"]});
            sink["headers"] = serde_json::json!({ name: value });
            let raw = serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": [sink]});
            RawTenant::from_value(raw).unwrap().plain_credentials()
        };
        for name in ["Authorization", "cookie", "x-api-key", "X-Api_Key", "x-auth-token", "apikey", "x-client-secret"] {
            let notes = with(name, "very-private".into());
            assert_eq!(notes.len(), 1, "{name}");
            assert_eq!(notes[0].path, format!("sinks[0].headers.{name}"));
            assert!(notes[0].problem.contains("--for header") && !notes[0].problem.contains("very-private"));
            assert!(with(name, serde_json::json!({"secret": "crm-token"})).is_empty(), "{name}");
        }
        for name in ["x-team", "accept", "content-type", "author"] {
            assert!(with(name, "red".into()).is_empty(), "{name}");
        }
    }
}
