//! The top-level members of an event, unparsed: what its attributes are read from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{EnvelopeError, MAX_ATTRIBUTE_BYTES};
use crate::event::proca;

/// The most members that an event has at its top: the attributes of `CloudEvents` are ten.
pub const MAX_MEMBERS: usize = 256;

/// The members, by name.
pub(super) struct Members<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

/// Why the members could not all be taken, though the text may be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Twice,
    TooMany,
}

impl<'a> Members<'a> {
    /// Reads them.
    pub(super) fn parse(text: &'a str) -> Result<Self, EnvelopeError> {
        let wrong = match text.trim_start().bytes().next() {
            Some(b'{') => None,
            Some(b'[') => Some("it is a list; send one event per message"),
            _ => Some("it is not an object"),
        };
        if let Some(wrong) = wrong {
            serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| not_json(&error))?;
            return Err(EnvelopeError::NotCloudEvents(wrong));
        }
        let (members, end) = Self::collect(text);
        match end {
            Ok(()) => Ok(members),
            Err((_, Some(Fault::Twice))) => Err(EnvelopeError::NotCloudEvents("an attribute stands in it twice")),
            Err((_, Some(Fault::TooMany))) => {
                Err(EnvelopeError::NotCloudEvents("it has more than 256 attributes at its top"))
            }
            Err((error, None)) => Err(not_json(&error)),
        }
    }

    /// Those that can be read of any text, up to the first fault.
    pub(super) fn readable(text: &'a str) -> Self {
        Self::collect(text).0
    }

    fn collect(text: &'a str) -> (Self, Result<(), (serde_json::Error, Option<Fault>)>) {
        let mut collected = Collect { members: BTreeMap::new(), fault: None };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let end = deserializer.deserialize_map(&mut collected).and_then(|()| deserializer.end());
        (Self(collected.members), end.map_err(|error| (error, collected.fault)))
    }

    /// The text of an attribute that is read; `None` where it is absent or null (the JSON format treats both alike).
    pub(super) fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, EnvelopeError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let malformed = || EnvelopeError::Malformed { attribute: name, wants: "a text of 1 to 1024 bytes" };
        let text = text(raw).ok_or_else(malformed)?;
        if (1..=MAX_ATTRIBUTE_BYTES).contains(&text.len()) { Ok(Some(text)) } else { Err(malformed()) }
    }

    pub(super) fn required(&self, name: &'static str) -> Result<Cow<'a, str>, EnvelopeError> {
        self.text(name)?.ok_or(EnvelopeError::Missing(name))
    }

    /// The JSON of a member that is there and not null.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }

    /// All of them, those that are null too.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, raw)| (&**name, raw.get()))
    }

    /// Whether it says that it is one of Proca's messages.
    pub(super) fn names_proca(&self) -> bool {
        self.text("schema").is_ok_and(|schema| schema.is_some_and(|schema| proca::is_schema(&schema)))
    }
}

/// The text that a member's JSON is; `None` where it is something else, or holds half a surrogate pair.
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inside = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))?;
    // The JSON was read already, so what has no escapes stands there as it is.
    if inside.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inside)) }
}

fn not_json(error: &serde_json::Error) -> EnvelopeError {
    EnvelopeError::NotJson { line: error.line(), column: error.column() }
}

/// A member's name, borrowed where it stands in the text as it is.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Takes members until one is too much.
struct Collect<'a> {
    members: BTreeMap<Cow<'a, str>, &'a RawValue>,
    fault: Option<Fault>,
}

impl<'a> Visitor<'a> for &mut Collect<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvents object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key::<Name<'a>>()? {
            if self.members.len() == MAX_MEMBERS {
                // Nothing behind it is read.
                self.fault = Some(Fault::TooMany);
                return Err(A::Error::custom("too many attributes"));
            }
            let value = map.next_value()?;
            // Two readers may take different ones of two equal names, so an event with both has no one meaning.
            if self.members.insert(name, value).is_some() {
                self.fault = Some(Fault::Twice);
                return Err(A::Error::custom("an attribute stands twice"));
            }
        }
        Ok(())
    }
}
