//! What an event is: one `CloudEvents` 1.0 JSON object (or one of Proca's messages, as it is), parsed, bounded and
//! checked, with its bytes kept as they came.
//!
//! Structured mode, one event per message
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>). The body is never written
//! again: what a sink sends is the producer's own text, with its key order and numbers.
//!
//! There are two doors. [`Envelope::receive`] is the intake's: what producers send is checked there against the rules
//! of `CloudEvents`, and names that are Acequia's own are refused. [`Envelope::parse`] reads what passed it, and the
//! events that Acequia makes itself.

#[cfg(test)]
mod cases;
mod columns;
mod conform;
mod members;
mod syntax;

use std::borrow::Cow;

use jiff::Timestamp;

use crate::event::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use crate::event::{EnvelopeError, MAX_EVENT_BYTES, MAX_NESTING, nesting, own_type, proca};
use crate::id::{EventId, TenantId};
use members::Members;

pub use columns::Columns;
pub use members::MAX_MEMBERS;

/// The same behind the intake: an event of our own may hold a producer's as a part of its data.
const MAX_INNER_NESTING: usize = MAX_NESTING + 8;

/// The longest `type`, `subject` or other attribute that is read, in bytes.
const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// What a time must be.
const RFC_3339: &str = "a time of RFC 3339, such as \"2026-01-31T12:00:00Z\"";

/// What `type` and `subject` must be: both stand in logs, in messages' attributes and in mails.
const PLAIN: &str = "a text of 1 to 1024 bytes without control characters";

/// A parsed and validated event of one tenant, with the time at which it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Whose event it is: what the queue says, never what the body says.
    pub tenant: TenantId,
    /// Its identity.
    pub event: EventId,
    /// Its `type`, such as `action.signed`.
    pub event_type: String,
    /// Its `subject`, if it has one.
    pub subject: Option<String>,
    /// The `partitionkey` extension, if it has one: events of one key stay in order in a FIFO queue.
    pub partition_key: Option<String>,
    /// The `expirytime` extension, if it has one: what is not delivered by then is not delivered any more
    /// (<https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/expirytime.md>).
    pub expires_at: Option<Timestamp>,
    /// The trace that it belongs to, if it or what it came in names one.
    pub trace: Option<TraceContext>,
    /// When Acequia took it over from the producer: the time at which it entered the tenant's intake queue.
    pub accepted_at: Timestamp,
    /// How it came in, and by whom, where that is known ([`crate::wire::via_of`]).
    pub via: Option<String>,
    /// How it is written.
    pub format: Format,
    /// The event as it came, to the byte.
    pub body: String,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A cloud event.
    CloudEvents,
    /// One of Proca's messages ([`crate::event::proca`]).
    Proca,
}

/// An event that a producer sent, and what it does not keep of the rules of `CloudEvents`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The event.
    pub envelope: Envelope,
    /// The first rule that it breaks, of those that a tenant may do without.
    pub irregularity: Option<EnvelopeError>,
}

impl Received {
    /// The event, if it may pass: where the tenant is `strict` it must break no rule.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn admit(self, strict: bool) -> Result<Envelope, EnvelopeError> {
        match self.irregularity {
            Some(error) if strict => Err(error),
            _ => Ok(self.envelope),
        }
    }
}

impl Envelope {
    /// Parses a body that a producer sent to `tenant`'s intake.
    ///
    /// # Errors
    /// An [`EnvelopeError`] that says what is wrong; all of them are permanent, and a tenant cannot do without the
    /// rule.
    pub fn receive(tenant: &TenantId, accepted_at: Timestamp, text: &str) -> Result<Received, EnvelopeError> {
        let (envelope, members) = Self::read(tenant, accepted_at, text, MAX_NESTING)?;
        if envelope.format == Format::Proca {
            return Ok(Received { envelope, irregularity: None });
        }
        let reserved = |attribute, wants| Err(EnvelopeError::Malformed { attribute, wants });
        if is_own_source(envelope.event.source()) {
            return reserved("source", "the producer's own: /acequia and /proca are sources of Acequia's events");
        }
        if own_type::is_own(&envelope.event_type) {
            return reserved("type", "the producer's own: acequia.* are types of Acequia's events");
        }
        let irregularity = conform::check(&members).err();
        Ok(Received { envelope, irregularity })
    }

    /// Parses a body that came through a queue of `tenant` behind its intake.
    ///
    /// # Errors
    /// An [`EnvelopeError`] that says what is wrong; all of them are permanent.
    pub fn parse(tenant: &TenantId, accepted_at: Timestamp, body: &[u8]) -> Result<Self, EnvelopeError> {
        if body.len() > MAX_EVENT_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: body.len() });
        }
        Self::parse_text(tenant, accepted_at, utf8(body)?)
    }

    /// [`Envelope::parse`] of what is known to be text.
    ///
    /// # Errors
    /// The same.
    pub fn parse_text(tenant: &TenantId, accepted_at: Timestamp, text: &str) -> Result<Self, EnvelopeError> {
        Self::read(tenant, accepted_at, text, MAX_INNER_NESTING).map(|(envelope, _)| envelope)
    }

    /// The id of its trace; empty where it belongs to none.
    pub fn trace_id(&self) -> &str {
        self.trace.as_ref().map_or("", TraceContext::trace_id)
    }

    /// The envelope with the trace that what it came in names, where the event itself names none.
    #[must_use]
    pub fn traced(mut self, beside: impl FnOnce() -> Option<TraceContext>) -> Self {
        self.trace = self.trace.or_else(beside);
        self
    }

    /// The envelope with how it came in.
    #[must_use]
    pub fn come(self, via: Option<String>) -> Self {
        Self { via, ..self }
    }

    fn read<'a>(
        tenant: &TenantId,
        accepted_at: Timestamp,
        text: &'a str,
        nesting: usize,
    ) -> Result<(Self, Members<'a>), EnvelopeError> {
        if text.len() > MAX_EVENT_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: text.len() });
        }
        if nesting::exceeds(text, nesting) {
            return Err(EnvelopeError::TooDeep);
        }
        let members = Members::parse(text)?;
        let envelope = match members.text("specversion")? {
            None if members.names_proca() => Self::of_proca(tenant, accepted_at, text)?,
            Some(version) if version == "1.0" => Self::of_cloud_event(tenant, accepted_at, text, &members)?,
            Some(_) => return Err(EnvelopeError::SpecVersion),
            None => return Err(EnvelopeError::Missing("specversion")),
        };
        Ok((envelope, members))
    }

    fn of_cloud_event(
        tenant: &TenantId,
        accepted_at: Timestamp,
        text: &str,
        members: &Members<'_>,
    ) -> Result<Self, EnvelopeError> {
        let malformed = |attribute, wants| EnvelopeError::Malformed { attribute, wants };
        let id = members.required("id")?;
        let source = members.required("source")?;
        let kind = members.required("type")?;
        let subject = members.text("subject")?;
        // An extension of ours; `tenant`, `tenantid` and the like are the producer's own.
        if members.text("acequiatenant")?.is_some_and(|named| named != tenant.as_str()) {
            return Err(EnvelopeError::ForeignTenant);
        }
        // One by one, so that the error can name the right one.
        if !EventId::is_valid_id(&id) {
            return Err(malformed("id", "a text of 1 to 1024 bytes without control characters"));
        }
        if !EventId::is_valid_source(&source) {
            return Err(malformed("source", "a URI reference of 1 to 1024 bytes"));
        }
        let event = EventId::new(&source, &id)
            .map_err(|_| malformed("id", "short enough: source and id have at most 2000 bytes together"))?;
        for (name, value) in [("id", Some(&id)), ("type", Some(&kind)), ("subject", subject.as_ref())] {
            if value.is_some_and(|text| !syntax::is_plain(text)) {
                return Err(malformed(name, PLAIN));
            }
        }
        let expires_at =
            members.text("expirytime")?.map(|text| expiry(&text).ok_or_else(|| malformed("expirytime", RFC_3339)));
        Ok(Self {
            tenant: tenant.clone(),
            event,
            event_type: kind.into_owned(),
            subject: subject.map(Cow::into_owned),
            partition_key: members.text("partitionkey")?.map(Cow::into_owned),
            expires_at: expires_at.transpose()?,
            trace: trace(members),
            accepted_at,
            via: None,
            format: Format::CloudEvents,
            body: text.to_owned(),
        })
    }

    fn of_proca(tenant: &TenantId, accepted_at: Timestamp, text: &str) -> Result<Self, EnvelopeError> {
        let proca::Identity { event, kind, partition_key } = proca::identify(text)?;
        Ok(Self {
            tenant: tenant.clone(),
            event,
            event_type: kind,
            subject: None,
            partition_key,
            expires_at: None,
            trace: None,
            accepted_at,
            via: None,
            format: Format::Proca,
            body: text.to_owned(),
        })
    }
}

/// The trace that an event names. What it cannot be is ignored, as the specification wants it: an event is not refused
/// for how it is watched.
fn trace(members: &Members<'_>) -> Option<TraceContext> {
    let text = |name| members.text(name).ok().flatten();
    TraceContext::read(&text(TRACEPARENT)?, text(TRACESTATE).as_deref())
}

/// Whether a source is one of Acequia's own events, or of Proca's messages: also where a receiver might take it for one
/// that decodes URIs.
fn is_own_source(source: &str) -> bool {
    let (mut bytes, mut plain) = (source.bytes(), String::with_capacity(source.len()));
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let byte = if byte == b'%' {
            digit().zip(digit()).and_then(|(a, b)| u8::try_from(a * 16 + b).ok())
        } else {
            Some(byte)
        };
        plain.push(byte.map_or('?', |byte| char::from(byte).to_ascii_lowercase()));
    }
    ["/acequia", proca::SOURCE]
        .iter()
        .any(|own| plain.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#'])))
}

/// Bytes as text.
///
/// # Errors
/// Where they are not UTF-8.
pub fn utf8(body: &[u8]) -> Result<&str, EnvelopeError> {
    std::str::from_utf8(body).map_err(|error| EnvelopeError::NotUtf8 { valid_up_to: error.valid_up_to() })
}

/// The moment of an `expirytime`. Digits beyond nanoseconds make no difference that anybody could keep.
fn expiry(text: &str) -> Option<Timestamp> {
    if !syntax::is_time(text) {
        return None;
    }
    let Some((seconds, rest)) = text.split_once('.') else { return text.parse().ok() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, offset) = rest.split_at_checked(digits)?;
    let fraction = fraction.get(..9).unwrap_or(fraction);
    format!("{seconds}.{fraction}{offset}").parse().ok()
}

/// What names an event for people, whatever else is wrong with its body; what cannot be read from it is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// The event.
    pub event: Option<EventId>,
    /// Its type.
    pub event_type: Option<String>,
}

impl Named {
    /// Reads it from a body, which may be anything.
    pub fn read(body: &str) -> Self {
        let members = Members::readable(body);
        let read = |name| members.text(name).ok().flatten();
        let event = read("source").zip(read("id")).and_then(|(source, id)| EventId::new(&source, &id).ok());
        Self { event, event_type: read("type").map(Cow::into_owned) }
    }
}
