//! Headers of a tenant's own on the requests of a webhook: as written, and validated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::issue::Findings;
#[cfg(feature = "schema")]
use super::super::schema::SecretNameText;
use crate::id::SecretName;
use crate::secret::Secret;

/// Headers that Acequia sets, or that belong to the connection.
const OWN_HEADERS: [&str; 14] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "expect",
    "http2-settings",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "user-agent",
];
/// The most headers of one sink.
pub(super) const MAX_HEADERS: usize = 20;

/// The value of a custom header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum RawHeader {
    /// The value itself.
    Plain(String),
    /// The name of the secret that holds the value.
    Secret(RawSecretRef),
}

/// A reference to one of the tenant's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawSecretRef {
    /// The secret's name, as `acequia secret put TENANT NAME --for header` has written it.
    #[cfg_attr(feature = "schema", schemars(with = "SecretNameText", extend("examples" = ["crm-token"])))]
    pub secret: String,
}

/// One custom header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name, in lower case.
    pub name: String,
    /// Its value.
    pub value: HeaderValue,
}

/// Where the value of a header comes from. Neither shows in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// The configuration.
    Plain(Secret),
    /// A secret of the tenant's.
    Secret(SecretName),
}

/// Validates the headers of the sink at `path`.
pub(super) fn validate_headers(
    raw: Option<&BTreeMap<String, RawHeader>>,
    path: &str,
    findings: &mut Findings,
) -> Vec<Header> {
    let Some(raw_headers) = raw else { return Vec::new() };
    if raw_headers.len() > MAX_HEADERS {
        findings.report(
            format!("{path}.headers"),
            format!("there are {}; at most {MAX_HEADERS} are taken", raw_headers.len()),
        );
    }
    let mut headers: Vec<Header> = Vec::with_capacity(raw_headers.len());
    for (raw_name, raw_value) in raw_headers {
        let at = format!("{path}.headers.{raw_name}");
        let name = raw_name.to_ascii_lowercase();
        let is_token = (1..=100).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !is_token {
            findings.report(at, "this is not the name of an HTTP header");
            continue;
        }
        if OWN_HEADERS.contains(&name.as_str()) || name.starts_with("webhook-") {
            findings.report(at, "this header is set by Acequia and cannot be overridden");
            continue;
        }
        if headers.iter().any(|header| header.name == name) {
            findings.report(at, "this header stands here twice, in different letters");
            continue;
        }
        let value = match raw_value {
            // The value itself is never repeated in an error.
            RawHeader::Plain(value) if value.len() <= 4096 && value.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
                HeaderValue::Plain(Secret::new(value.clone()))
            }
            RawHeader::Plain(_) => {
                findings.report(at, "its value must be printable ASCII of at most 4096 bytes");
                continue;
            }
            RawHeader::Secret(reference) => match reference.secret.parse::<SecretName>() {
                Ok(name) => HeaderValue::Secret(name),
                Err(error) => {
                    findings.report(format!("{at}.secret"), error.to_string());
                    continue;
                }
            },
        };
        headers.push(Header { name, value });
    }
    headers
}
