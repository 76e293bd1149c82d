//! Which events are sent again, and to which sinks: as an operator says it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, SinkId};

/// The most types, sinks and events that a query names, and the longest pattern.
pub const MAX_TYPES: usize = 50;
/// The most sinks that a query names.
pub const MAX_SINKS: usize = 50;
/// The most events that a query names: all of it stands in one item of the table.
pub const MAX_EVENTS: usize = 100;
/// The longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 16 * 1024;

/// What the ledger says became of a delivery the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Was {
    /// It is in the dead-letter queue, or expired.
    Failed,
    /// The ledger knows of none: the sink did not take the event, or was not there. Or it was in shadow mode.
    Unmatched,
    /// The sink has it.
    Delivered,
}

impl Was {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Failed, Self::Unmatched, Self::Delivered];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unmatched => "unmatched",
            Self::Delivered => "delivered",
        }
    }
}

/// Which events are sent again, and to which sinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Events that were accepted from this time on,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub from: Timestamp,
    /// and before this one.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub to: Timestamp,
    /// Of one of these types, as a sink's `types` say them; of any without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// That match this event pattern, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Of one of these identities; of any without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventId>,
    /// Whose first delivery came to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Was>,
    /// To these sinks; without, to all that are enabled, but for archives and mails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<SinkId>,
}

impl Query {
    /// All events of a time, to all sinks.
    pub fn between(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to, types: Vec::new(), pattern: None, events: Vec::new(), status: None, sinks: Vec::new() }
    }
}

/// A query that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// It ends before it begins.
    #[error("the time ends ({to}) before it begins ({from})")]
    Backwards {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
    },
    /// It names too much.
    #[error("{field} has {has}, and may have {most}")]
    TooMuch {
        /// Where.
        field: &'static str,
        /// How much.
        has: usize,
        /// How much it may.
        most: usize,
    },
    /// A type is none.
    #[error("type {text:?} is not {wants}")]
    Type {
        /// What was written.
        text: String,
        /// What may be.
        wants: &'static str,
    },
    /// The pattern is none.
    #[error("the pattern is none: {0}")]
    Pattern(String),
    /// A sink that is named is not there.
    #[error("there is no sink {sink}; there are {}", list(known))]
    NoSink {
        /// Which.
        sink: SinkId,
        /// Those that are there.
        known: Vec<SinkId>,
    },
    /// A sink that is named takes no replay.
    #[error("sink {sink} takes no replay: {why}")]
    NotForReplay {
        /// Which.
        sink: SinkId,
        /// Why.
        why: &'static str,
    },
    /// No sink is left.
    #[error("no sink takes a replay unless it is named: there are {}", list(known))]
    Nowhere {
        /// Those that are there.
        known: Vec<SinkId>,
    },
    /// The ledger does not tell the two apart.
    #[error(
        "status {} cannot be told: the tenant has record = \"failures\", so the ledger knows of no delivery that went well",
        .0.as_str()
    )]
    NotRecorded(Was),
    /// The ledger has forgotten it.
    #[error("status cannot be told of events before {0}: the ledger remembers 30 days")]
    Forgotten(Timestamp),
}

fn list(sinks: &[SinkId]) -> String {
    if sinks.is_empty() {
        return "none".to_owned();
    }
    sinks.iter().map(SinkId::as_str).collect::<Vec<_>>().join(", ")
}
