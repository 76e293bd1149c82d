//! What a tenant's intake takes: `[intake]` in its configuration.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::issue::Findings;
use super::pace::validate_rate;
#[cfg(feature = "schema")]
use super::text::{DurationText, between};
use crate::delivery::rate::Rate;

/// For how long an event may be taken once.
const DEDUPE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(7 * 24);

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawIntake {
    /// `false` takes events, too, that break rules of `CloudEvents` which Acequia itself can do without, such as the
    /// form of `time`; receivers may refuse them.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = [false])))]
    pub strict: bool,
    /// How many events the HTTP API takes of the tenant, over all instances: a number and `/s`, `/m` or `/h`. What is
    /// more is answered 429. Without it there is no such bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("x-bounds" = "1/h to 100000/s", "examples" = ["500/s"])))]
    pub rate: Option<String>,
    /// How many events may come at once after a pause: at least what one request may have. Without it, what `rate`
    /// allows in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "u32", range(min = 1, max = super::pace::MAX_BURST), extend("examples" = [2000])))]
    pub burst: Option<u32>,
    /// For how long the HTTP API takes an event of one `source` and `id` once: a repetition is answered `duplicate`, and
    /// another content is refused. It costs two writes an event. Without it, the sinks alone know duplicates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "DurationText", extend("x-bounds" = between(&DEDUPE), "examples" = ["1h"])))]
    pub dedupe: Option<String>,
    /// What becomes of events of a type that no key of `[schemas]` takes, Proca's messages among them.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["refuse"])))]
    pub unknown_types: UnknownTypes,
}

/// What the door goes by.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Intake {
    /// How many events it takes.
    pub rate: Option<Rate>,
    /// For how long it takes each once.
    pub dedupe: Option<Duration>,
}

/// Validates what the door goes by.
pub(super) fn validate_intake(raw: Option<&RawIntake>, findings: &mut Findings) -> Intake {
    let Some(raw) = raw else { return Intake::default() };
    let rate = validate_rate(raw.rate.as_deref(), raw.burst, "intake", findings);
    let dedupe = raw.dedupe.as_deref().and_then(|text| {
        let time = humantime::parse_duration(text).ok().filter(|time| DEDUPE.contains(time));
        if time.is_none() {
            findings
                .report("intake.dedupe", format!("{text:?} is not a duration of a minute to 7 days, such as \"1h\""));
        }
        time
    });
    Intake { rate, dedupe }
}

impl Default for RawIntake {
    fn default() -> Self {
        Self { strict: yes(), rate: None, burst: None, dedupe: None, unknown_types: UnknownTypes::default() }
    }
}

fn yes() -> bool {
    true
}
