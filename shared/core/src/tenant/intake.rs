//! What a tenant's intake takes: `[intake]` in its configuration.

use serde::{Deserialize, Serialize};

/// What becomes of events of a type that no schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UnknownTypes {
    /// They pass.
    #[default]
    Accept,
    /// They are quarantined as `type-unknown`.
    Refuse,
}

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
    /// What becomes of events of a type that no key of `[schemas]` takes, Proca's messages among them.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["refuse"])))]
    pub unknown_types: UnknownTypes,
}

impl Default for RawIntake {
    fn default() -> Self {
        Self { strict: yes(), unknown_types: UnknownTypes::default() }
    }
}

fn yes() -> bool {
    true
}
