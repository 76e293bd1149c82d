//! What a tenant's intake takes: `[intake]` in its configuration.

use serde::{Deserialize, Serialize};

/// What the tenant's intake takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawIntake {
    /// `false` takes events, too, that break rules of `CloudEvents` which Acequia itself can do without, such as the
    /// form of `time`; receivers may refuse them.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = [false])))]
    pub strict: bool,
}

impl Default for RawIntake {
    fn default() -> Self {
        Self { strict: yes() }
    }
}

fn yes() -> bool {
    true
}
