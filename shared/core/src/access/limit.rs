//! The events that a credential is bound to: types, and a prefix of sources.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::refused::Refused;
use crate::event::envelope::Envelope;
use crate::id::EventId;
use crate::routing::TypeRule;

/// The most types that one credential is bound to.
pub const MAX_TYPES: usize = 10;

/// What a limit cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableLimit {
    /// It is no type of events.
    #[error("{0:?} is not {1}")]
    Type(String, &'static str),
    /// There are too many types.
    #[error("{0} types are too many: at most {MAX_TYPES} are taken")]
    Types(usize),
    /// It can begin no source.
    #[error("{0:?} can begin no source: it takes 1 to 1024 printable ASCII characters of a URI reference")]
    Source(String),
}

/// What the sources of a credential's events begin with. It covers whole segments: `https://a.example/x` covers
/// `https://a.example/x` and `https://a.example/x/y`, and neither `https://a.example/xy` nor `https://a.example.evil`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourcePrefix(String);

/// What stands between the segments of a URI.
const SEPARATORS: [char; 4] = ['/', ':', '?', '#'];

impl SourcePrefix {
    /// Whether a source lies below it.
    pub fn covers(&self, source: &str) -> bool {
        let Some(rest) = source.strip_prefix(self.0.as_str()) else { return false };
        rest.is_empty() || rest.starts_with(SEPARATORS) || self.0.ends_with(SEPARATORS)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourcePrefix {
    type Err = UnusableLimit;

    fn from_str(text: &str) -> Result<Self, UnusableLimit> {
        if EventId::is_valid_source(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnusableLimit::Source(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for SourcePrefix {
    type Error = UnusableLimit;

    fn try_from(text: String) -> Result<Self, UnusableLimit> {
        text.parse()
    }
}

impl From<SourcePrefix> for String {
    fn from(prefix: SourcePrefix) -> Self {
        prefix.0
    }
}

impl fmt::Display for SourcePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The events that a credential is bound to; all of its tenant where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// The types; all where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "rules")]
    pub types: Vec<TypeRule>,
    /// What their sources begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePrefix>,
}

impl Limits {
    /// Reads limits as they are written.
    ///
    /// # Errors
    /// The first that cannot be one.
    pub fn read<'a>(types: impl IntoIterator<Item = &'a str>, source: Option<&str>) -> Result<Self, UnusableLimit> {
        let rule = |text: &'a str| {
            text.parse::<TypeRule>().map_err(|wants| UnusableLimit::Type(text.chars().take(64).collect(), wants))
        };
        let types = types.into_iter().map(rule).collect::<Result<Vec<_>, _>>()?;
        if types.len() > MAX_TYPES {
            return Err(UnusableLimit::Types(types.len()));
        }
        Ok(Self { types, source: source.map(str::parse).transpose()? })
    }

    /// Whether an event is among those that the credential is bound to.
    ///
    /// # Errors
    /// [`Refused::TypeNotAllowed`] or [`Refused::SourceNotAllowed`].
    pub fn admit(&self, envelope: &Envelope) -> Result<(), Refused> {
        if !self.types.is_empty() && !self.types.iter().any(|rule| rule.takes(&envelope.event_type)) {
            return Err(Refused::TypeNotAllowed);
        }
        match &self.source {
            Some(prefix) if !prefix.covers(envelope.event.source()) => Err(Refused::SourceNotAllowed),
            _ => Ok(()),
        }
    }
}

/// Rules of types as their texts.
mod rules {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::routing::TypeRule;

    pub(super) fn serialize<S: Serializer>(rules: &[TypeRule], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rules.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TypeRule>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn event(source: &str, kind: &str) -> Envelope {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"{source}","type":"{kind}"}}"#);
        Envelope::parse(&"acme".parse().unwrap(), Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap()
    }

    #[test]
    fn a_prefix_of_sources_covers_whole_segments_and_no_host_that_begins_alike() {
        for (prefix, covered, other) in [
            ("https://a.example", "https://a.example/x", "https://a.example.evil/x"),
            ("https://a.example", "https://a.example:8443", "https://a.exampleevil"),
            ("https://a.example/x", "https://a.example/x?y=1", "https://a.example/xy"),
            ("https://a.example/x/", "https://a.example/x/y", "https://a.example/x"),
            ("urn:acme", "urn:acme:shop", "urn:acme2:shop"),
        ] {
            let rule: SourcePrefix = prefix.parse().unwrap();
            assert!(rule.covers(prefix) && rule.covers(covered), "{prefix}");
            assert!(!rule.covers(other), "{prefix}: {other}");
        }
        assert!("".parse::<SourcePrefix>().is_err() && "a b".parse::<SourcePrefix>().is_err());
    }

    #[test]
    fn an_event_must_keep_both_limits_and_without_any_each_event_does() {
        let limits = Limits::read(["action.*", "ping"], Some("https://a.example")).unwrap();
        assert_eq!(limits.admit(&event("https://a.example/1", "action.signed")), Ok(()));
        assert_eq!(limits.admit(&event("https://a.example/1", "ping")), Ok(()));
        assert_eq!(limits.admit(&event("https://a.example/1", "action")), Err(Refused::TypeNotAllowed));
        assert_eq!(limits.admit(&event("https://b.example/1", "ping")), Err(Refused::SourceNotAllowed));
        assert_eq!(Limits::default().admit(&event("/x", "y")), Ok(()));
    }

    #[test]
    fn limits_read_back_as_they_are_stored_and_what_is_none_is_refused() {
        let limits = Limits::read(["action.*", "ping", "*"], Some("urn:acme:")).unwrap();
        let json = serde_json::to_string(&limits).unwrap();
        assert_eq!(json, r#"{"types":["action.*","ping","*"],"source":"urn:acme:"}"#);
        assert_eq!(serde_json::from_str::<Limits>(&json).unwrap(), limits);
        assert!(serde_json::from_str::<Limits>(r#"{"types":["a*"]}"#).is_err());
        assert!(matches!(Limits::read(["a*"], None), Err(UnusableLimit::Type(..))));
        assert_eq!(Limits::read(vec!["a"; 11], None), Err(UnusableLimit::Types(11)));
    }
}
