//! Sinks of kind `webhook`: an HTTPS endpoint, what is said to it, and which of its answers it may call permanent.

use std::time::Duration;

use url::{Host, Url};

use super::super::issue::{Findings, required};
use super::super::pace::validate_breaker;
use super::super::raw::{RawHeader, RawSink, SinkFormat};
use crate::delivery::breaker::Breaker;
use crate::egress::Egress;
use crate::id::SecretName;
use crate::kind::SinkKind;
use crate::secret::Secret;

/// How long a webhook may take to answer: 10 s unless the configuration says otherwise, 1 s to 20 s.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(20);

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
const MAX_HEADERS: usize = 20;

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

/// Validates what is a webhook's own of the sink at `path`.
pub(super) fn validate_webhook(
    raw: &RawSink,
    path: &str,
    egress: Egress,
    findings: &mut Findings,
) -> Option<WebhookSink> {
    let url = required(raw.url.as_ref(), path, "url", SinkKind::Webhook, findings).and_then(|text| {
        parse_url(text, egress).map_err(|problem| findings.report(format!("{path}.url"), problem)).ok()
    });
    let names = raw.secrets.clone().unwrap_or_default();
    let format = raw.format.unwrap_or_default();
    // Receivers of Proca check no signature: there they are the tenant's choice.
    let least = usize::from(format != SinkFormat::Proca);
    if !(least..=2).contains(&names.len()) {
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
    let headers = validate_headers(raw, path, findings);
    let timeout = match raw.timeout.as_deref().map(humantime::parse_duration) {
        None => DEFAULT_TIMEOUT,
        Some(Ok(timeout)) if TIMEOUTS.contains(&timeout) => timeout,
        Some(_) => {
            findings.report(format!("{path}.timeout"), "it must be a duration of 1s to 20s");
            DEFAULT_TIMEOUT
        }
    };
    let permanent = validate_permanent(raw, path, findings);
    let breaker = validate_breaker(raw.breaker.as_ref(), path, findings);
    Some(WebhookSink { url: url?, secrets, headers, timeout, permanent, format, breaker })
}

fn parse_url(text: &str, egress: Egress) -> Result<Url, String> {
    if text.len() > 2048 {
        return Err(format!("it has {} bytes; at most 2048 are taken", text.len()));
    }
    let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user or a password in it: use a header with a secret instead".to_owned());
    }
    if url.fragment().is_some() {
        return Err("it has a fragment (#...), which is never sent: leave it out".to_owned());
    }
    let address = match url.host() {
        None => return Err("it is not a URL with a host".to_owned()),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(std::net::IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(std::net::IpAddr::V6(address)),
    };
    let loopback = address.is_some_and(|address| address.is_loopback()) || url.host_str() == Some("localhost");
    match url.scheme() {
        "https" => {}
        "http" if egress == Egress::Local && loopback => {}
        "http" if egress == Egress::Local => return Err("it must be https; http is for loopback only".to_owned()),
        other => return Err(format!("it must be https, and is {other}")),
    }
    if let Some(refusal) = address.and_then(|address| egress.refusal(address)) {
        return Err(format!("its address may not be called: {refusal}"));
    }
    Ok(url)
}

fn validate_headers(raw: &RawSink, path: &str, findings: &mut Findings) -> Vec<Header> {
    let Some(raw_headers) = &raw.headers else { return Vec::new() };
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

/// Reads the statuses that the sink calls permanent.
fn validate_permanent(raw: &RawSink, path: &str, findings: &mut Findings) -> Vec<u16> {
    let mut permanent = Vec::new();
    for (index, code) in raw.permanent.iter().flatten().enumerate() {
        let problem = match u16::try_from(*code).ok().filter(|code| (300..=599).contains(code)) {
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
