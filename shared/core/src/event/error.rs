//! Why a body is no event.

use super::{MAX_EVENT_BYTES, MAX_NESTING};

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
    /// An extension attribute is there, but not as it must be.
    #[error("the extension attribute {name:?} is not {wants}")]
    Extension {
        /// Its name, as far as it can be shown.
        name: String,
        /// What it must be.
        wants: &'static str,
    },
    /// The event names another tenant than the one whose queue it came through.
    #[error("the event names another tenant than the one whose queue it came through")]
    ForeignTenant,
}

impl EnvelopeError {
    /// Where in the body it is, as line and column (both 1-based), if it is at one place.
    pub fn position(&self) -> Option<(usize, usize)> {
        if let Self::NotJson { line, column } = self { Some((*line, *column)) } else { None }
    }

    /// The attribute that it is about, as a JSON pointer into the event, if it is about one.
    pub fn pointer(&self) -> Option<String> {
        match self {
            Self::SpecVersion => Some("/specversion".to_owned()),
            Self::ForeignTenant => Some("/acequiatenant".to_owned()),
            // Where Proca's messages have these, they may stand in others.
            Self::Malformed { attribute: "contact" | "contactRef" | "ref", .. } => None,
            Self::Missing(attribute) | Self::Malformed { attribute, .. } => Some(format!("/{attribute}")),
            // A name that cannot be shown as it is has a question mark in it.
            Self::Extension { name, .. } => (!name.is_empty() && !name.contains('?')).then(|| format!("/{name}")),
            Self::TooLarge { .. } | Self::TooDeep | Self::NotUtf8 { .. } | Self::NotJson { .. } => None,
            Self::NotCloudEvents(_) => None,
        }
    }

    /// What is wrong, without the place.
    pub fn problem(&self) -> String {
        if let Self::NotJson { .. } = self { "it is not JSON".to_owned() } else { self.to_string() }
    }
}
