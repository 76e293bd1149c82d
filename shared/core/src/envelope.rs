//! What an event is: one `CloudEvents` 1.0 JSON object (or one of Proca's messages, as it is), parsed, bounded and checked, with its bytes kept as they came.
//!
//! Structured mode, one event per message (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).
//! The body is never written again: what a sink sends is the producer's own text, with its key order and numbers.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::id::{EventId, TenantId};
use crate::nesting;
use crate::proca;

/// The largest event, in bytes: SQS's 1 MiB per message (body and attributes), less 16 KiB that stay free for the
/// attributes of deliveries and quarantined messages.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024 - 16 * 1024;

/// The deepest nesting of objects and lists in an event.
pub const MAX_NESTING: usize = 64;

/// The longest `type`, `subject` or other attribute that is read, in bytes.
const MAX_ATTRIBUTE_BYTES: usize = 512;

/// Why a body is not an event. Each of these can never succeed, so each is quarantined at once.
///
/// The texts name places and attributes, never values: what they say is stored beside the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Larger than [`MAX_EVENT_BYTES`].
    #[error("the event has {bytes} bytes; at most {MAX_EVENT_BYTES} are taken")]
    TooLarge {
        /// The size of the body.
        bytes: usize,
    },
    /// Nested deeper than [`MAX_NESTING`].
    #[error("the event nests deeper than {MAX_NESTING} levels")]
    TooDeep,
    /// Not UTF-8.
    #[error("the body is not UTF-8 from byte {valid_up_to} on")]
    NotUtf8 {
        /// How many bytes are well formed.
        valid_up_to: usize,
    },
    /// Not JSON.
    #[error("the body is not JSON: line {line}, column {column}")]
    NotJson {
        /// Where parsing stopped, 1-based.
        line: usize,
        /// Where parsing stopped, 1-based.
        column: usize,
    },
    /// JSON, but not an object with the attributes of a cloud event.
    #[error("the body is not a CloudEvents JSON object: {0}")]
    NotCloudEvents(&'static str),
    /// A version of `CloudEvents` other than 1.0.
    #[error("specversion is not \"1.0\"")]
    SpecVersion,
    /// An attribute that every event must have is not there.
    #[error("the attribute {0:?} is missing")]
    Missing(&'static str),
    /// An attribute is there, but not as it must be.
    #[error("the attribute {attribute:?} is not {wants}")]
    Malformed {
        /// Its name.
        attribute: &'static str,
        /// What it must be.
        wants: &'static str,
    },
    /// The event names another tenant than the one whose queue it came through.
    #[error("the event names another tenant than the one whose queue it came through")]
    ForeignTenant,
}

/// A parsed and validated event of one tenant, with the time at which it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Whose event it is: what the queue says, never what the body says.
    pub tenant: TenantId,
    /// Its identity.
    pub event: EventId,
    /// Its `type`, such as `action.signed`.
    pub kind: String,
    /// Its `subject`, if it has one.
    pub subject: Option<String>,
    /// The `partitionkey` extension, if it has one: events of one key stay in order in a FIFO queue.
    pub partition_key: Option<String>,
    /// The `expirytime` extension, if it has one: what is not delivered by then is not delivered any more
    /// (<https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/expirytime.md>).
    pub expires_at: Option<Timestamp>,
    /// When Acequia took it over from the producer: the time at which it entered the tenant's intake queue.
    pub accepted_at: Timestamp,
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
    /// One of Proca's messages ([`crate::proca`]).
    Proca,
}

impl Envelope {
    /// Parses a body that came through a queue of `tenant`.
    ///
    /// # Errors
    /// An [`EnvelopeError`] that says what is wrong; all of them are permanent.
    pub fn parse(tenant: &TenantId, accepted_at: Timestamp, body: &[u8]) -> Result<Self, EnvelopeError> {
        if body.len() > MAX_EVENT_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: body.len() });
        }
        let text = std::str::from_utf8(body).map_err(|e| EnvelopeError::NotUtf8 { valid_up_to: e.valid_up_to() })?;
        Self::parse_text(tenant, accepted_at, text)
    }

    /// [`Envelope::parse`] of what is known to be text.
    ///
    /// # Errors
    /// The same.
    pub fn parse_text(tenant: &TenantId, accepted_at: Timestamp, text: &str) -> Result<Self, EnvelopeError> {
        if text.len() > MAX_EVENT_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: text.len() });
        }
        if nesting::exceeds(text, MAX_NESTING) {
            return Err(EnvelopeError::TooDeep);
        }
        let attributes = Attributes::parse(text)?;
        match attributes.text("specversion")? {
            None if attributes.names_proca() => return Self::of_proca(tenant, accepted_at, text),
            Some(version) if version == "1.0" => {}
            Some(_) => return Err(EnvelopeError::SpecVersion),
            None => return Err(EnvelopeError::Missing("specversion")),
        }
        let id = attributes.required("id")?;
        let source = attributes.required("source")?;
        let kind = attributes.required("type")?;
        for name in ["tenant", "tenantid"] {
            if attributes.text(name)?.is_some_and(|named| named != tenant.as_str()) {
                return Err(EnvelopeError::ForeignTenant);
            }
        }
        // The id on its own, so that the error can name the right one.
        if !EventId::is_valid_id(&id) {
            return Err(EnvelopeError::Malformed {
                attribute: "id",
                wants: "1 to 512 bytes without control characters",
            });
        }
        let event = EventId::new(&source, &id).map_err(|_| EnvelopeError::Malformed {
            attribute: "source",
            wants: "a URI reference of 1 to 512 bytes",
        })?;
        let expires_at = attributes.text("expirytime")?.map(|text| text.parse::<Timestamp>()).transpose();
        let expires_at = expires_at.map_err(|_| EnvelopeError::Malformed {
            attribute: "expirytime",
            wants: "an RFC 3339 time, such as \"2026-01-31T12:00:00Z\"",
        })?;
        Ok(Self {
            tenant: tenant.clone(),
            event,
            kind: kind.into_owned(),
            subject: attributes.text("subject")?.map(Cow::into_owned),
            partition_key: attributes.text("partitionkey")?.map(Cow::into_owned),
            expires_at,
            accepted_at,
            format: Format::CloudEvents,
            body: text.to_owned(),
        })
    }

    fn of_proca(tenant: &TenantId, accepted_at: Timestamp, text: &str) -> Result<Self, EnvelopeError> {
        let proca::Identity { event, kind, partition_key } = proca::identify(text)?;
        Ok(Self {
            tenant: tenant.clone(),
            event,
            kind,
            subject: None,
            partition_key,
            expires_at: None,
            accepted_at,
            format: Format::Proca,
            body: text.to_owned(),
        })
    }
}

/// The top-level members of the object, unparsed.
struct Attributes<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Attributes<'a> {
    fn parse(text: &'a str) -> Result<Self, EnvelopeError> {
        match text.trim_start().bytes().next() {
            Some(b'{') => {}
            Some(b'[') => {
                serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| not_json(&e))?;
                return Err(EnvelopeError::NotCloudEvents("it is a list; send one event per message"));
            }
            _ => {
                serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| not_json(&e))?;
                return Err(EnvelopeError::NotCloudEvents("it is not an object"));
            }
        }
        let attributes: Self = serde_json::from_str(text).map_err(|e| {
            if e.is_data() { EnvelopeError::NotCloudEvents("an attribute stands in it twice") } else { not_json(&e) }
        })?;
        Ok(attributes)
    }

    /// The text of an attribute; `None` where it is absent or null (the JSON format treats both alike).
    fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, EnvelopeError> {
        let Some((_, raw)) = self.0.iter().find(|(key, _)| key == name) else { return Ok(None) };
        if raw.get() == "null" {
            return Ok(None);
        }
        let wants = "a text of 1 to 512 bytes";
        let malformed = || EnvelopeError::Malformed { attribute: name, wants };
        let inside = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(malformed)?;
        // The JSON was read already, so what has no escapes stands there as it is.
        let text = if inside.contains('\\') {
            Cow::Owned(serde_json::from_str(raw.get()).map_err(|_| malformed())?)
        } else {
            Cow::Borrowed(inside)
        };
        if (1..=MAX_ATTRIBUTE_BYTES).contains(&text.len()) { Ok(Some(text)) } else { Err(malformed()) }
    }

    /// Whether it says that it is one of Proca's messages.
    fn names_proca(&self) -> bool {
        self.text("schema").is_ok_and(|schema| schema.is_some_and(|schema| proca::is_schema(&schema)))
    }

    fn required(&self, name: &'static str) -> Result<Cow<'a, str>, EnvelopeError> {
        self.text(name)?.ok_or(EnvelopeError::Missing(name))
    }
}

/// A member's name, borrowed where it stands in the text as it is.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn not_json(error: &serde_json::Error) -> EnvelopeError {
    EnvelopeError::NotJson { line: error.line(), column: error.column() }
}

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a CloudEvents object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Self::Value = Vec::with_capacity(10);
                while let Some((Name(key), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    // Two readers may take different ones of two equal keys, so an event with both has no one meaning.
                    if members.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom("an attribute stands twice"));
                    }
                    members.push((key, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Attributes)
    }
}

/// What names an event for people, whatever else is wrong with its body; what cannot be read from it is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// The event.
    pub event: Option<EventId>,
    /// Its type.
    pub kind: Option<String>,
}

impl Named {
    /// Reads it from a body, which may be anything.
    pub fn read(body: &str) -> Self {
        #[derive(Deserialize)]
        struct Names {
            source: Option<String>,
            id: Option<String>,
            r#type: Option<String>,
        }
        let Ok(Names { source, id, r#type: kind }) = serde_json::from_str(body) else { return Self::default() };
        Self { event: source.zip(id).and_then(|(source, id)| EventId::new(&source, &id).ok()), kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<Envelope, EnvelopeError> {
        Envelope::parse(&"acme".parse().unwrap(), Timestamp::UNIX_EPOCH, body)
    }

    fn with(extra: &str) -> String {
        format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"action.signed"{extra}}}"#)
    }

    #[test]
    fn an_event_keeps_its_bytes_and_its_order() {
        let body = "{ \"type\":\"t\",  \"data\":{\"z\":1.10,\"a\":1e400},\"source\":\"/a\",\"id\":\"1\",\"specversion\":\"1.0\"}";
        assert_eq!(parse(body.as_bytes()).unwrap().body, body);
    }

    #[test]
    fn each_kind_of_bad_body_has_its_own_error() {
        let deep = with(&format!(r#","data":{}{}"#, "[".repeat(64), "]".repeat(64)));
        let large = with(&format!(r#","data":"{}""#, "x".repeat(MAX_EVENT_BYTES)));
        let cases: [(&[u8], EnvelopeError); 14] = [
            (b"{", EnvelopeError::NotJson { line: 1, column: 1 }),
            (b"hello", EnvelopeError::NotJson { line: 1, column: 1 }),
            (b"", EnvelopeError::NotJson { line: 1, column: 0 }),
            (b"[1,2", EnvelopeError::NotJson { line: 1, column: 4 }),
            (b"[]", EnvelopeError::NotCloudEvents("it is a list; send one event per message")),
            (b"\"x\"", EnvelopeError::NotCloudEvents("it is not an object")),
            (b"{}", EnvelopeError::Missing("specversion")),
            (br#"{"specversion":"0.3"}"#, EnvelopeError::SpecVersion),
            (br#"{"specversion":"1.0"}"#, EnvelopeError::Missing("id")),
            (br#"{"specversion":"1.0","id":"1","source":"/a"}"#, EnvelopeError::Missing("type")),
            (br#"{"specversion":"1.0","id":"1","type":"t"}"#, EnvelopeError::Missing("source")),
            (b"{\"a\":\"\xff\"}", EnvelopeError::NotUtf8 { valid_up_to: 6 }),
            (deep.as_bytes(), EnvelopeError::TooDeep),
            (large.as_bytes(), EnvelopeError::TooLarge { bytes: large.len() }),
        ];
        for (body, error) in cases {
            assert_eq!(parse(body).unwrap_err(), error, "{}", String::from_utf8_lossy(&body[..body.len().min(80)]));
        }
    }

    #[test]
    fn malformed_attributes_are_named() {
        for (extra, attribute) in [(r#","subject":1"#, "subject"), (r#","partitionkey":"""#, "partitionkey")] {
            let error = parse(with(extra).as_bytes()).unwrap_err();
            assert!(matches!(error, EnvelopeError::Malformed { attribute: a, .. } if a == attribute), "{error}");
        }
        let spaced = br#"{"specversion":"1.0","id":"1","source":"a b","type":"t"}"#;
        assert!(matches!(parse(spaced), Err(EnvelopeError::Malformed { attribute: "source", .. })));
    }

    #[test]
    fn an_attribute_that_stands_twice_is_refused_whichever_way_it_is_written() {
        let twice = with(r#","\u0069d":"2""#);
        assert!(matches!(parse(twice.as_bytes()), Err(EnvelopeError::NotCloudEvents(_))));
    }

    #[test]
    fn a_body_may_name_its_own_tenant_and_no_other() {
        assert!(parse(with(r#","tenant":"acme""#).as_bytes()).is_ok());
        assert_eq!(parse(with(r#","tenant":"bona""#).as_bytes()).unwrap_err(), EnvelopeError::ForeignTenant);
        assert_eq!(parse(with(r#","tenantid":"bona""#).as_bytes()).unwrap_err(), EnvelopeError::ForeignTenant);
    }
}
