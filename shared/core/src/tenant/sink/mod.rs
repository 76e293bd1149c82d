//! A sink's configuration, validated: one type per kind, each with what its function needs and nothing else.

mod email;
mod forward;
mod webhook;

use std::time::Duration;

use jiff::Timestamp;

use super::issue::Findings;
use super::mail::MailSettings;
use super::pace::validate_rate;
use super::raw::RawSink;
use crate::delivery::rate::Rate;
use crate::egress::Egress;
use crate::event::envelope::Envelope;
use crate::id::{SinkId, TenantId};
use crate::kind::SinkKind;
use crate::outcome::schedule::RetryPolicy;
use crate::routing::TypeRule;
use crate::time::after;

use email::validate_email;
use forward::validate_forward;
use webhook::validate_webhook;

pub use email::EmailSink;
pub use forward::{ForwardSink, ForwardTarget};
pub use webhook::{Header, HeaderValue, WebhookSink};

/// The most waits of a retry schedule (20 attempts, far below the receives of a queue), and the longest it may last in all: SQS keeps a message for 14 days.
const MAX_WAITS: usize = 19;
const MAX_SCHEDULE: Duration = Duration::from_hours(312);

/// What `expires_after` may be: SQS keeps a message for 14 days.
const EXPIRIES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(14 * 24);

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
    let claims = kind.facts().always_claims || raw.strict.unwrap_or(false);
    let rate = validate_rate(raw.rate.as_deref(), raw.burst, path, findings);
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
