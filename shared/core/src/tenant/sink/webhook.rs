//! Sinks of kind `webhook`: an HTTPS endpoint, what is said to it, and which of its answers it may call permanent.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::super::issue::{Findings, required};
use super::super::pace::{RawBreaker, validate_breaker};
#[cfg(feature = "schema")]
use super::super::text::{DurationText, SecretNameText, Status, UrlText, between, span};
use super::format::SinkFormat;
#[cfg(feature = "schema")]
use super::header::MAX_HEADERS;
use super::header::{Header, RawHeader, validate_headers};
use super::{Place, RawTarget};
use crate::delivery::breaker::Breaker;
use crate::delivery::width::MOST as MOST_AT_ONCE;
#[cfg(feature = "schema")]
use crate::egress::MAX_URL_BYTES;
use crate::egress::{Egress, UnusableUrl};
use crate::id::SecretName;
use crate::kind::SinkKind;

/// How long a webhook may take to answer: 10 s unless the configuration says otherwise, 1 s to 20 s.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(20);

/// The current signing secret, and the one before it.
const MAX_SECRETS: usize = 2;
/// What a sink may call permanent.
pub(in crate::tenant) const STATUSES: std::ops::RangeInclusive<u16> = 300..=599;

/// A sink that sends each event to an HTTPS endpoint, signed as Standard Webhooks has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawWebhook {
    /// Where to POST, `https`. Its address must be a public one. In a local environment it can be `http` on loopback,
    /// too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "UrlText",
            length(max = MAX_URL_BYTES),
            extend("x-required" = true, "examples" = ["https://crm.acme.example/hooks/acequia"])
        )
    )]
    pub url: Option<String>,
    /// The names of the signing secrets, the current one first; two while a secret rotates. They are needed unless the
    /// format is `proca`; without any, requests are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Vec<SecretNameText>", extend("maxItems" = MAX_SECRETS, "examples" = [["crm"]]))
    )]
    pub secrets: Option<Vec<String>>,
    /// Headers of the tenant's own, by name: the value, or the name of the secret that holds it. Those of the
    /// connection and of the signature are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "BTreeMap<String, RawHeader>",
            extend(
                "default" = {},
                "maxProperties" = MAX_HEADERS,
                "examples" = [{ "x-team": "campaigns", "authorization": { "secret": "crm-token" } }]
            )
        )
    )]
    pub headers: Option<BTreeMap<String, RawHeader>>,
    /// How long to wait for the whole answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "DurationText",
            extend("default" = span(DEFAULT_TIMEOUT), "x-bounds" = between(&TIMEOUTS), "examples" = ["5s"])
        )
    )]
    pub timeout: Option<String>,
    /// The HTTP statuses after which a delivery is not tried again, besides 400, 410, 413, 415 and 422; never 429.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Vec<Status>", extend("default" = [], "x-bounds" = "300 to 599", "examples" = [[404]]))
    )]
    pub permanent: Option<Vec<i64>>,
    /// What stands beside the event's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "SinkFormat", extend("default" = SinkFormat::default(), "examples" = ["proca"]))
    )]
    pub format: Option<SinkFormat>,
    /// When the endpoint is given a rest: `false` for never, or what differs from the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "RawBreaker", extend("default" = true, "examples" = [{ "failures": "50%", "of": 20 }]))
    )]
    pub breaker: Option<RawBreaker>,
    /// The most requests that one instance of the function has under way to this endpoint at once; without it, as many
    /// as the endpoint answers without becoming slower. A tenant has up to `MaxConcurrency` instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "u32", range(min = 1, max = MOST_AT_ONCE), extend("examples" = [20])))]
    pub concurrency: Option<i64>,
}

/// An HTTPS endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookSink {
    /// Where to POST.
    pub url: Url,
    /// The signing secrets, the current one first; two while a secret rotates.
    pub secrets: Vec<SecretName>,
    /// Headers of the tenant's own.
    pub headers: Vec<Header>,
    /// How long to wait for the whole answer.
    pub timeout: Duration,
    /// The HTTP statuses after which a delivery is not tried again, beside those that always say so.
    pub permanent: Vec<u16>,
    /// What stands beside the event's bytes.
    pub format: SinkFormat,
    /// When the endpoint is given a rest; `None` for never.
    pub breaker: Option<Breaker>,
    /// The most requests that one instance has under way at once; `None` where the endpoint itself is the bound.
    pub concurrency: Option<usize>,
}

impl RawTarget {
    /// What a webhook alone has; `None` for a sink of another kind.
    pub fn as_webhook(&self) -> Option<&RawWebhook> {
        match self {
            Self::Webhook(webhook) => Some(webhook),
            _ => None,
        }
    }
}

impl RawWebhook {
    /// Validates what is a webhook's own.
    pub(super) fn validate(&self, place: &Place<'_>, findings: &mut Findings) -> Option<WebhookSink> {
        let Place { path, egress, .. } = *place;
        let url = required(self.url.as_ref(), path, "url", SinkKind::Webhook, findings).and_then(|text| {
            parse_url(text, egress).map_err(|problem| findings.report(place.field("url"), problem)).ok()
        });
        let format = self.format.unwrap_or_default();
        let secrets = self.validate_secrets(format, path, findings);
        let headers = validate_headers(self.headers.as_ref(), path, findings);
        let timeout = match self.timeout.as_deref().map(humantime::parse_duration) {
            None => DEFAULT_TIMEOUT,
            Some(Ok(timeout)) if TIMEOUTS.contains(&timeout) => timeout,
            Some(_) => {
                findings.report(place.field("timeout"), "it must be a duration of 1s to 20s");
                DEFAULT_TIMEOUT
            }
        };
        let permanent = self.validate_permanent(path, findings);
        let breaker = validate_breaker(self.breaker.as_ref(), path, findings);
        let concurrency = self.validate_concurrency(place, findings);
        Some(WebhookSink { url: url?, secrets, headers, timeout, permanent, format, breaker, concurrency })
    }

    fn validate_secrets(&self, format: SinkFormat, path: &str, findings: &mut Findings) -> Vec<SecretName> {
        let names = self.secrets.as_deref().unwrap_or_default();
        // Receivers of Proca check no signature: there they are the tenant's choice.
        let least = usize::from(format != SinkFormat::Proca);
        if !(least..=MAX_SECRETS).contains(&names.len()) {
            findings.report(
                format!("{path}.secrets"),
                "name one or two signing secrets: the current one, and the one before it while it rotates",
            );
        }
        let mut secrets = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            match name.parse::<SecretName>() {
                Ok(name) => secrets.push(name),
                Err(error) => findings.report(format!("{path}.secrets[{index}]"), error.to_string()),
            }
        }
        secrets
    }

    fn validate_concurrency(&self, place: &Place<'_>, findings: &mut Findings) -> Option<usize> {
        let wanted = self.concurrency?;
        let valid = usize::try_from(wanted).ok().filter(|wanted| (1..=MOST_AT_ONCE).contains(wanted));
        if valid.is_none() {
            findings.report(place.field("concurrency"), format!("it must be a whole number of 1 to {MOST_AT_ONCE}"));
        }
        valid
    }

    /// Reads the statuses that the sink calls permanent.
    fn validate_permanent(&self, path: &str, findings: &mut Findings) -> Vec<u16> {
        let mut permanent = Vec::new();
        for (index, code) in self.permanent.iter().flatten().enumerate() {
            let problem = match u16::try_from(*code).ok().filter(|code| STATUSES.contains(code)) {
                None => format!("{code} is not a status of 300 to 599: all but 2xx of the others is tried again"),
                Some(429) => "429 asks for a later attempt, and is always tried again".to_owned(),
                Some(410) => "410 says that the endpoint is gone, and always disables it".to_owned(),
                Some(code) if permanent.contains(&code) => format!("{code} stands here twice"),
                Some(code) => {
                    permanent.push(code);
                    continue;
                }
            };
            findings.report(format!("{path}.permanent[{index}]"), problem);
        }
        permanent
    }
}

fn parse_url(text: &str, egress: Egress) -> Result<Url, String> {
    egress.url(text).map_err(|problem| match problem {
        UnusableUrl::Credentials => "it has a user or a password in it: use a header with a secret instead".to_owned(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use crate::egress::Egress;
    use crate::tenant::{RawTenant, Target, Tenant};

    /// The statuses that a tenant's only sink calls permanent, or the first problem of the file.
    fn permanent(kind: &str, codes: &str) -> Result<Vec<u16>, (String, String)> {
        let text = format!(
            "tenant = \"acme\"\nname = \"Acme\"\n[[sinks]]\nid = \"crm\"\ntypes = [\"*\"]\n{kind}\npermanent = {codes}\n"
        );
        let first =
            |issues: crate::tenant::Issues| issues.0.into_iter().next().map(|one| (one.path, one.problem)).unwrap();
        let raw = RawTenant::from_value(toml::from_str(&text).unwrap()).map_err(first)?;
        assert_eq!(RawTenant::from_json(&raw.to_json()).unwrap(), raw, "it survives storing");
        let tenant = Tenant::validate(&raw, Egress::Public).map_err(first)?;
        let Target::Webhook(sink) = &tenant.sinks[0].target else { panic!("a webhook was expected") };
        Ok(sink.permanent.clone())
    }

    const WEBHOOK: &str = "kind = \"webhook\"\nurl = \"https://crm.example.org/\"\nsecrets = [\"crm\"]";

    #[test]
    fn a_sink_names_the_statuses_after_which_it_wants_no_other_attempt() {
        assert_eq!(permanent(WEBHOOK, "[404, 301, 503]").unwrap(), [404, 301, 503]);
        assert!(permanent(WEBHOOK, "[]").unwrap().is_empty());
    }

    #[test]
    fn a_sink_bounds_how_many_requests_are_under_way_at_once() {
        let (bounded, problem) = (format!("{WEBHOOK}\nconcurrency = 20"), "it must be a whole number of 1 to 128");
        assert!(permanent(&bounded, "[]").is_ok());
        for wrong in [0, 129, -1] {
            let wrong = permanent(&format!("{WEBHOOK}\nconcurrency = {wrong}"), "[]");
            assert_eq!(wrong.unwrap_err(), ("sinks[0].concurrency".to_owned(), problem.to_owned()));
        }
    }

    #[test]
    fn what_is_no_such_status_is_refused_with_its_place() {
        for (codes, path, words) in [
            ("[404, 200]", "sinks[0].permanent[1]", "300 to 599"),
            ("[600]", "sinks[0].permanent[0]", "300 to 599"),
            ("[-1]", "sinks[0].permanent[0]", "300 to 599"),
            ("[65940]", "sinks[0].permanent[0]", "300 to 599"),
            ("[429]", "sinks[0].permanent[0]", "later attempt"),
            ("[410]", "sinks[0].permanent[0]", "disables"),
            ("[404, 403, 404]", "sinks[0].permanent[2]", "twice"),
            ("[\"404\"]", "sinks[0].permanent[0]", "invalid type"),
            ("404", "sinks[0].permanent", "invalid type"),
        ] {
            let (at, problem) = permanent(WEBHOOK, codes).unwrap_err();
            assert!(at == path && problem.contains(words), "{codes}: {at}: {problem}");
        }
        let (at, problem) = permanent("kind = \"forward\"\nqueue = \"out\"", "[404]").unwrap_err();
        assert!(at == "sinks[0].permanent" && problem.contains("of webhook sinks"), "{at}: {problem}");
    }
}
