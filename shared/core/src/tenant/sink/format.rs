//! What sinks send beside an event's own bytes.

use serde::{Deserialize, Serialize};

/// What stands beside an event's bytes when a sink sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SinkFormat {
    /// What receivers of Acequia expect.
    #[default]
    Event,
    /// What receivers of Proca expect, and nothing else that they might notice.
    Proca,
}
