//! What switches a sink off.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why nothing is sent to a sink any more, until its configuration changes or an operator resumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum DisabledBy {
    /// Its `enabled` is false.
    #[error("by the tenant's configuration")]
    Configuration,
    /// Its endpoint said that it will not come back.
    #[error("the endpoint answered 410 Gone")]
    Gone,
    /// It had no success for this long (`disable_after`).
    #[error("it has failed for {} without a success", humantime::format_duration(*.0))]
    Failing(Duration),
}
