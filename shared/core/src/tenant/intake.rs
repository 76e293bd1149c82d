//! What a tenant's intake takes: `[intake]` in its configuration.

use serde::{Deserialize, Serialize};

/// The section as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawIntake {
    /// False takes events that break rules of `CloudEvents` which Acequia itself can do without; receivers may refuse them.
    #[serde(default = "yes")]
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
