//! A sink's configuration, validated: one type per kind, each with what its function needs and nothing else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::email::validate_email;
use super::endpoint::{parse_url, validate_headers, validate_permanent};
use super::issue::Findings;
use super::mail::MailSettings;
use super::pace::{validate_breaker, validate_rate};
use super::raw::{Ambiguous, RawSink, SinkFormat};
use crate::breaker::Breaker;
use crate::egress::Egress;
use crate::envelope::Envelope;
use crate::id::{SecretName, SinkId, TenantId};
use crate::ledger::after;
use crate::mail::MailTexts;
use crate::queue::{QueueArn, QueueName, QueueRole};
use crate::rate::Rate;
use crate::routing::TypeRule;
use crate::schedule::RetryPolicy;
use crate::secret::Secret;
use crate::template::Template;

/// How long a webhook may take to answer: 10 s unless the configuration says otherwise, 1 s to 20 s.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(20);

/// The most waits of a retry schedule (20 attempts, far below the receives of a queue), and the longest it may last in all: SQS keeps a message for 14 days.
const MAX_WAITS: usize = 19;
const MAX_SCHEDULE: Duration = Duration::from_hours(312);

/// What `expires_after` may be: SQS keeps a message for 14 days.
const EXPIRIES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(14 * 24);

/// What kind of place a sink is; each kind has a function and a queue per tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinkKind {
    /// An HTTPS endpoint.
    Webhook,
    /// A mail through SES.
    Email,
    /// An SQS queue.
    Forward,
}

impl SinkKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Email, Self::Forward];

    /// The word for it in configurations, queue names and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
            Self::Forward => "forward",
        }
    }
}

impl fmt::Display for SinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One sink of one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// Its id.
    pub id: SinkId,
    /// Which types of events it takes.
    pub types: Vec<TypeRule>,
    /// Whether deliveries are made; otherwise they are kept in the dead-letter queue.
    pub enabled: bool,
    /// When failed attempts are repeated.
    pub retry: RetryPolicy,
    /// How long after its acceptance an event is still delivered; without, as long as its schedule lasts.
    pub expires_after: Option<Duration>,
    /// Whether each delivery is claimed in the ledger before it is made.
    pub claims: bool,
    /// Whether its deliveries are held back.
    pub paused: bool,
    /// How many deliveries may start in a time, where that is limited.
    pub rate: Option<Rate>,
    /// Where it delivers, and how.
    pub target: Target,
}

impl Sink {
    /// Until when an event is delivered to it: what the event says or what the sink says, whichever is earlier.
    pub fn expiry(&self, envelope: &Envelope) -> Option<Timestamp> {
        let own = self.expires_after.map(|time| after(envelope.accepted_at, time));
        own.into_iter().chain(envelope.expires_at).min()
    }

    /// The kind of the sink.
    pub fn kind(&self) -> SinkKind {
        match self.target {
            Target::Webhook(_) => SinkKind::Webhook,
            Target::Email(_) => SinkKind::Email,
            Target::Forward(_) => SinkKind::Forward,
        }
    }
}

/// Where a sink delivers, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// An HTTPS endpoint.
    Webhook(WebhookSink),
    /// A mail through SES.
    Email(Box<EmailSink>),
    /// An SQS queue.
    Forward(ForwardSink),
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

/// A mail through SES.
#[derive(Debug, Clone, PartialEq)]
pub struct EmailSink {
    /// The sender, `Name <address>` or an address, as a header has it.
    pub from: String,
    /// Where answers go, in the same form.
    pub reply_to: Option<String>,
    /// Gives the recipient's address.
    pub to: Template,
    /// Give subject, text and HTML, by language.
    pub texts: Arc<MailTexts>,
    /// What to do with a mail that may have been sent or not.
    pub ambiguous: Ambiguous,
}

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardSink {
    /// Which queue.
    pub target: ForwardTarget,
    /// What stands beside the event's bytes.
    pub format: SinkFormat,
}

/// Which queue a forward sink fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardTarget {
    /// The tenant's own `out` queue.
    Out {
        /// Whether it is the one that keeps order.
        fifo: bool,
    },
    /// Any other queue.
    Arn(QueueArn),
}

/// Validates one sink at `path`; `None` where something was reported that leaves nothing to go on with.
pub(super) fn validate_sink(
    raw: &RawSink,
    path: &str,
    tenant: Option<&TenantId>,
    mail: Option<&MailSettings>,
    egress: Egress,
    findings: &mut Findings,
) -> Option<Sink> {
    let field = |name: &str| format!("{path}.{name}");
    let id = raw.id.parse::<SinkId>().map_err(|error| findings.report(field("id"), error.to_string())).ok();
    if raw.types.is_empty() {
        findings.report(field("types"), "there is none: name one at least, or \"*\" for all");
    }
    let mut types = Vec::with_capacity(raw.types.len());
    for (index, text) in raw.types.iter().enumerate() {
        match text.parse::<TypeRule>() {
            Ok(rule) => types.push(rule),
            Err(wants) => findings.report(field(&format!("types[{index}]")), format!("{text:?} is not {wants}")),
        }
    }
    let retry = validate_retry(raw, path, findings);
    let expires_after = validate_expiry(raw, path, findings);
    let Some(kind) = SinkKind::ALL.into_iter().find(|kind| kind.as_str() == raw.kind) else {
        findings.report(field("kind"), format!("{:?} is not webhook, email or forward", raw.kind));
        return None;
    };
    refuse_foreign_fields(raw, kind, path, findings);
    let target = match kind {
        SinkKind::Webhook => validate_webhook(raw, path, egress, findings).map(Target::Webhook),
        SinkKind::Email => validate_email(raw, path, mail, findings).map(|sink| Target::Email(Box::new(sink))),
        SinkKind::Forward => validate_forward(raw, path, tenant, findings).map(Target::Forward),
    };
    // A mail cannot be taken back and its reader cannot drop duplicates: it is always claimed.
    let claims = kind == SinkKind::Email || raw.strict.unwrap_or(false);
    let rate = validate_rate(raw, path, findings);
    let (enabled, paused) = (raw.enabled.unwrap_or(true), raw.paused.unwrap_or(false));
    Some(Sink { id: id?, types, enabled, retry, expires_after, claims, paused, rate, target: target? })
}

fn refuse_foreign_fields(raw: &RawSink, kind: SinkKind, path: &str, findings: &mut Findings) {
    use SinkKind::{Email, Forward, Webhook};
    let fields = [
        ("url", raw.url.is_some(), Webhook),
        ("secrets", raw.secrets.is_some(), Webhook),
        ("headers", raw.headers.is_some(), Webhook),
        ("timeout", raw.timeout.is_some(), Webhook),
        ("permanent", raw.permanent.is_some(), Webhook),
        ("breaker", raw.breaker.is_some(), Webhook),
        ("from", raw.from.is_some(), Email),
        ("to", raw.to.is_some(), Email),
        ("reply_to", raw.reply_to.is_some(), Email),
        ("subject", raw.subject.is_some(), Email),
        ("text", raw.text.is_some(), Email),
        ("html", raw.html.is_some(), Email),
        ("template", raw.template.is_some(), Email),
        ("ambiguous", raw.ambiguous.is_some(), Email),
        ("queue", raw.queue.is_some(), Forward),
    ];
    for (name, present, owner) in fields {
        if present && owner != kind {
            findings
                .report(format!("{path}.{name}"), format!("this is not a field of {kind} sinks, but of {owner} sinks"));
        }
    }
    if kind == Email && raw.format.is_some() {
        findings.report(format!("{path}.format"), "this is a field of webhook and forward sinks");
    }
    if kind == Email && raw.strict == Some(false) {
        findings.report(format!("{path}.strict"), "mails are always claimed: leave the field out");
    }
}

fn validate_retry(raw: &RawSink, path: &str, findings: &mut Findings) -> RetryPolicy {
    let Some(texts) = &raw.retry else { return RetryPolicy::default() };
    if texts.len() > MAX_WAITS {
        findings
            .report(format!("{path}.retry"), format!("there are {} waits; at most {MAX_WAITS} are taken", texts.len()));
    }
    let mut waits = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match humantime::parse_duration(text) {
            Ok(wait) if wait >= Duration::from_secs(1) => waits.push(wait),
            _ => findings.report(
                format!("{path}.retry[{index}]"),
                format!("{text:?} is not a duration of a second or more, such as \"5s\", \"5m\" or \"2h\""),
            ),
        }
    }
    if waits.iter().fold(Duration::ZERO, |sum, wait| sum.saturating_add(*wait)) > MAX_SCHEDULE {
        findings.report(format!("{path}.retry"), "the waits add up to more than 13 days; SQS keeps a message for 14");
    }
    RetryPolicy::new(waits)
}

fn validate_expiry(raw: &RawSink, path: &str, findings: &mut Findings) -> Option<Duration> {
    let text = raw.expires_after.as_ref()?;
    let parsed = humantime::parse_duration(text).ok().filter(|time| EXPIRIES.contains(time));
    if parsed.is_none() {
        findings.report(
            format!("{path}.expires_after"),
            format!("{text:?} is not a duration from a second to 14 days, such as \"30m\" or \"3d\""),
        );
    }
    parsed
}

/// The text of a field that this kind of sink must have.
pub(super) fn required<'a>(
    value: Option<&'a String>,
    path: &str,
    name: &str,
    kind: SinkKind,
    findings: &mut Findings,
) -> Option<&'a str> {
    if value.is_none() {
        findings.report(format!("{path}.{name}"), format!("it is missing: a sink of kind {kind} needs it"));
    }
    value.map(String::as_str)
}

fn validate_webhook(raw: &RawSink, path: &str, egress: Egress, findings: &mut Findings) -> Option<WebhookSink> {
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
    let breaker = validate_breaker(raw, SinkKind::Webhook, path, findings);
    Some(WebhookSink { url: url?, secrets, headers, timeout, permanent, format, breaker })
}

fn validate_forward(
    raw: &RawSink,
    path: &str,
    tenant: Option<&TenantId>,
    findings: &mut Findings,
) -> Option<ForwardSink> {
    let at = format!("{path}.queue");
    let target = match required(raw.queue.as_ref(), path, "queue", SinkKind::Forward, findings)? {
        "out" => ForwardTarget::Out { fifo: false },
        "out.fifo" => ForwardTarget::Out { fifo: true },
        text => match text.parse::<QueueArn>() {
            Ok(arn) => ForwardTarget::Arn(arn),
            Err(error) => {
                findings.report(at, format!("{error}; \"out\" and \"out.fifo\" name the tenant's own queue"));
                return None;
            }
        },
    };
    if let ForwardTarget::Arn(arn) = &target
        && let Ok(name) = arn.name().parse::<QueueName>()
    {
        if tenant.is_some_and(|tenant| name.tenant != *tenant) {
            findings.report(at, "this is a queue of another tenant");
        } else if name.role != QueueRole::Out || name.dlq {
            findings.report(at, "this is a queue of Acequia's own, and filling it would make a loop");
        }
    }
    Some(ForwardSink { target, format: raw.format.unwrap_or_default() })
}
