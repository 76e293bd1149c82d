//! Sinks of kind `archive`: the platform's archive in S3.

use serde::{Deserialize, Serialize};

use super::super::issue::Findings;
use super::Place;

/// A sink that keeps each event in the platform's archive. What it keeps is said by its types and its pattern.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawArchive {}

/// The archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveSink;

impl RawArchive {
    /// Validates what is an archive sink's own: nothing.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "every kind is validated by such a call")]
    pub(super) fn validate(&self, _: &Place<'_>, _: &mut Findings) -> Option<ArchiveSink> {
        Some(ArchiveSink)
    }
}
