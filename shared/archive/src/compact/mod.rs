//! Compaction: of an hour's small objects it makes one, or a few where it would become too large.
//!
//! Invariants, whatever step it dies at:
//! - An object is deleted only after all that it holds was read back, whole, from one that was put before it. So every
//!   batch is in the archive at any time, in one object at least.
//! - A batch keeps its name and the time at which it was kept ([`crate::Mark`]). Readers that go by these see each batch
//!   once, at its place, also while it is in two objects; who only reads events meets some twice meanwhile.
//! - What it puts sorts behind what it deletes, and is put before: who lists while it works misses nothing.
//! - What cannot be read stays as it is, and costs nothing else.
//! - It keeps nothing in mind. What is left to do is what the names tell, so that it is simply run again; two at once do
//!   the same work twice, and nothing else.
//!
//! An hour that was compacted may get late objects. They are put together with what is there, as long as that is small.

mod expire;
mod hour;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use acequia_core::archive::{Form, Hour};
use acequia_core::id::TenantId;
use acequia_core::port::{Archive, ArchiveReader, ArchiveUpkeep, StoredObject, Unavailable};
use acequia_core::time::after;
use jiff::Timestamp;

use crate::view::Names;

pub use expire::expire;
pub use hour::compact;

/// How long an hour is over before it is compacted by itself: what was accepted in it is kept within minutes, as a rule.
pub const CLOSED_AFTER: std::time::Duration = std::time::Duration::from_hours(1);
/// How far back it looks for what is to be compacted by itself: no message of a queue is older than fourteen days.
pub const LOOKS_BACK: std::time::Duration = std::time::Duration::from_hours(15 * 24);

/// An archive that can be compacted.
pub trait Compactable: Archive + ArchiveReader + ArchiveUpkeep {}

impl<A: Archive + ArchiveReader + ArchiveUpkeep> Compactable for A {}

/// Whether an hour is closed at a time.
pub fn is_closed(hour: Hour, now: Timestamp) -> bool {
    after(hour.end(), CLOSED_AFTER) <= now
}

/// What stands in an hour, by the names of objects alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Objects with lines.
    pub lines: u64,
    /// Objects of one batch that are Parquet.
    pub parquet: u64,
    /// Objects of many batches.
    pub compacted: u64,
    /// How many bytes all of them have.
    pub bytes: u64,
}

impl Standing {
    fn add(&mut self, object: &StoredObject) {
        match object.key.form {
            Form::Lines => self.lines += 1,
            Form::Parquet => self.parquet += 1,
            Form::Compacted { .. } => self.compacted += 1,
        }
        self.bytes = self.bytes.saturating_add(object.bytes);
    }

    /// How many objects there are.
    pub fn objects(&self) -> u64 {
        self.lines + self.parquet + self.compacted
    }

    /// Whether there is something to do: lines, or more than one object with something that is not compacted.
    pub fn is_due(&self) -> bool {
        self.lines > 0 || (self.parquet > 0 && self.objects() > 1)
    }
}

/// The hours from one on, and before another, that have something to do.
///
/// # Errors
/// Where the archive does not answer.
pub async fn due(
    archive: &impl ArchiveReader,
    tenant: &TenantId,
    from: Hour,
    before: Hour,
) -> Result<Vec<(Hour, Standing)>, Unavailable> {
    let mut hours: BTreeMap<Hour, Standing> = BTreeMap::new();
    for mut names in [Names::lines(tenant, from), Names::parquet(tenant, from)] {
        while let Some(next) = names.next(archive).await? {
            match next {
                Ok(object) if object.key.hour >= before => break,
                Ok(object) => hours.entry(object.key.hour).or_default().add(&object),
                Err(_) => {}
            }
        }
    }
    Ok(hours.into_iter().filter(|(_, standing)| standing.is_due()).collect())
}

/// What became of an hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compacted {
    /// How many batches were put together.
    pub batches: u64,
    /// How many events they have.
    pub events: u64,
    /// How many objects were made.
    pub made: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many objects were deleted.
    pub deleted: u64,
    /// Objects that were left as they are, and why.
    pub left: Vec<(String, String)>,
    /// Whether it ended before its end, because somebody wanted it to.
    pub is_unfinished: bool,
}
