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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Egress;
    use crate::tenant::{RawTenant, Target, Tenant};

    fn validated(retention: &str) -> Result<Option<Duration>, Vec<(String, String)>> {
        let sink = format!(r#"{{"id":"keep","kind":"archive","types":["*"],"retention":"{retention}"}}"#);
        let raw = RawTenant::from_json(&format!(r#"{{"tenant":"acme","name":"A","sinks":[{sink}]}}"#)).unwrap();
        let told =
            |issues: crate::tenant::Issues| issues.0.into_iter().map(|one| (one.path, one.problem)).collect::<Vec<_>>();
        let tenant = Tenant::validate(&raw, Egress::Public).map_err(told)?;
        let Target::Archive(archive) = tenant.sinks[0].target else { panic!("it is an archive") };
        Ok(archive.retention)
    }

    #[test]
    fn a_retention_is_a_day_or_more_and_another_is_refused_by_its_place() {
        assert_eq!(validated("90d"), Ok(Some(Duration::from_hours(90 * 24))));
        for wrong in ["1h", "soon", "200y", ""] {
            let issues = validated(wrong).unwrap_err();
            assert!(issues[0].0 == "sinks[0].retention" && issues[0].1.contains("100 years"), "{wrong}: {issues:?}");
        }
    }

    #[test]
    fn the_longest_retention_of_a_tenant_counts_and_one_that_has_none_keeps_all() {
        let sink = |days: Option<u64>| ArchiveSink {
            format: ArchiveFormat::Ndjson,
            compacts: false,
            retention: days.map(|days| Duration::from_hours(days * 24)),
        };
        let of = |days: &[Option<u64>]| archive_retention(&days.iter().copied().map(sink).collect::<Vec<_>>());
        assert_eq!(of(&[Some(1), Some(30), Some(7)]), Some(Duration::from_hours(30 * 24)));
        assert_eq!((of(&[Some(1), None]), of(&[])), (None, None));
    }
}
