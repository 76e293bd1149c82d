//! Sinks of kind `archive`: the platform's archive in S3.

use serde::{Deserialize, Serialize};

use super::super::issue::Findings;
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
}

/// The archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveSink {
    /// How a batch of events is kept.
    pub format: ArchiveFormat,
    /// Whether hours that are over are made one object.
    pub compacts: bool,
}

impl RawArchive {
    /// Validates what is an archive sink's own: any format can be compacted, or left.
    #[expect(clippy::unnecessary_wraps, reason = "every kind is validated by such a call")]
    pub(super) fn validate(&self, _: &Place<'_>, _: &mut Findings) -> Option<ArchiveSink> {
        let format = self.format.unwrap_or_default();
        Some(ArchiveSink { format, compacts: self.compact.unwrap_or(format == ArchiveFormat::Parquet) })
    }
}
