//! Sinks of kind `archive`: the platform's archive in S3.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::issue::Findings;
#[cfg(feature = "schema")]
use super::super::text::{DurationText, between};
use super::Place;

/// How a batch of events is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveFormat {
    /// As lines of JSON, packed with zstd: the smallest, and what any program reads.
    #[default]
    Ndjson,
    /// As Parquet: a column for each attribute, and the event's own text.
    Parquet,
}

/// A sink that keeps each event in the platform's archive. What it keeps is said by its types and its pattern.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawArchive {
    /// How a batch of events is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "ArchiveFormat",
            extend("default" = ArchiveFormat::default(), "examples" = ["parquet"])
        )
    )]
    pub format: Option<ArchiveFormat>,
    /// Whether an hour's small objects, of all of the tenant's archive sinks, are made one of Parquet once the hour is
    /// over. Without it, they are with `format = "parquet"` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "bool", extend("examples" = [true]))
    )]
    pub compact: Option<bool>,
    /// For how long events are kept, from the hour of their acceptance on. All archive sinks of a tenant share the
    /// archive's objects: the longest counts, and without it on one of them, nothing is deleted (but by the platform's
    /// `ArchiveDays`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "DurationText", extend("x-bounds" = between(&RETENTIONS), "examples" = ["365d"]))
    )]
    pub retention: Option<String>,
}

/// What `retention` may be: less than a day is none, and an archive is for years.
const RETENTIONS: RangeInclusive<Duration> = Duration::from_hours(24)..=Duration::from_hours(24 * 36_500);

/// The archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveSink {
    /// How a batch of events is kept.
    pub format: ArchiveFormat,
    /// Whether hours that are over are made one object.
    pub compacts: bool,
    /// For how long events are kept; for good without it.
    pub retention: Option<Duration>,
}

impl RawArchive {
    /// Validates what is an archive sink's own: any format can be compacted, or left.
    pub(super) fn validate(&self, place: &Place<'_>, findings: &mut Findings) -> Option<ArchiveSink> {
        let format = self.format.unwrap_or_default();
        let retention = match self.retention.as_deref() {
            None => None,
            Some(text) => {
                let time = humantime::parse_duration(text).ok().filter(|time| RETENTIONS.contains(time));
                if time.is_none() {
                    let problem =
                        format!("{text:?} is not a duration from a day to 100 years, such as \"90d\" or \"2y\"");
                    findings.report(format!("{}.retention", place.path), problem);
                }
                Some(time?)
            }
        };
        Some(ArchiveSink { format, compacts: self.compact.unwrap_or(format == ArchiveFormat::Parquet), retention })
    }
}

/// For how long a tenant's archive keeps events, by its archive sinks: the longest of them; for good where one says
/// nothing, and where there is none any more.
pub fn archive_retention<'s>(sinks: impl IntoIterator<Item = &'s ArchiveSink>) -> Option<Duration> {
    let mut longest = None;
    for sink in sinks {
        longest = longest.max(Some(sink.retention?));
    }
    longest
}
