//! What objects of the archive hold, in both forms: batches as lines of JSON packed with zstd, batches as Parquet, and
//! many batches in one object of Parquet, which compaction makes.
//!
//! [`read()`] gives the batches of an object of any form, each event with its own text; [`lines::pack`] and
//! [`Writer`] write them. [`view`] finds the batches of an hour wherever they are kept, so that who reads an archive
//! sees the same before, while and after it is compacted; [`compact`] is the compaction.

pub mod compact;
pub mod lines;
mod parquet;
pub mod view;

use acequia_core::archive::{Form, InvalidLine, Line};
use acequia_core::event::envelope::Envelope;
use acequia_core::id::TenantId;
use jiff::Timestamp;

pub use crate::parquet::{Contents, MAX_BATCH_BYTES, Unwritable, Writer, contents};

/// The most bytes that the events of an object may have, unpacked: a batch has at most 6 MB, whose events with line
/// ends stand in it twice.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why an object cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not whole, or was changed: a checksum covers every byte.
    #[error("it is no whole zstd, or its checksum is another")]
    Damaged,
    /// The same of Parquet.
    #[error("it is no whole Parquet of the archive, or its checksum is another")]
    DamagedParquet,
    /// Its columns are others than the archive's.
    #[error("it is Parquet, and its columns are not the archive's")]
    OtherColumns,
    /// It becomes too large.
    #[error("unpacked, it has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// It is no text.
    #[error("it is no UTF-8")]
    NoText,
}

/// An event of an object of Parquet: the columns that it is made of again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The version of the configuration by which it was kept.
    pub config_version: u64,
    /// The event's own text.
    pub event: String,
}

/// The events of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// As lines.
    Lines(String),
    /// As rows.
    Rows(Vec<Row>),
}

impl Records {
    /// How many events there are: erasing leaves fewer, and nothing else changes a batch.
    pub fn count(&self) -> usize {
        match self {
            Self::Lines(text) => text.split('\n').filter(|line| !line.is_empty()).count(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// Each event, in the order in which it stands there; an event that cannot be read costs no other one anything.
    pub fn each<'a>(&'a self, tenant: &'a TenantId) -> Box<dyn Iterator<Item = Result<Line, InvalidLine>> + Send + 'a> {
        match self {
            Self::Lines(text) => {
                Box::new(text.split('\n').filter(|line| !line.is_empty()).map(|line| Line::read(tenant, line)))
            }
            Self::Rows(rows) => Box::new(rows.iter().map(|row| {
                let envelope = Envelope::parse_text(tenant, row.accepted_at, &row.event)?;
                Ok(Line { envelope, config_version: row.config_version })
            })),
        }
    }
}

/// Which batch of many an object of compaction holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The last part of the name of the object that the batch was kept in.
    pub batch: String,
    /// When that object was kept.
    pub kept_at: Timestamp,
}

/// A batch of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Which one, where the object has many.
    pub mark: Option<Mark>,
    /// Its events.
    pub records: Records,
}

/// The batches of an object: one, or those that compaction put together, in the order in which they stand there.
///
/// # Errors
/// [`Unreadable`]; nothing of an object is given that is not whole.
pub fn read(form: Form, packed: &[u8]) -> Result<Vec<Batch>, Unreadable> {
    match form {
        Form::Lines => Ok(vec![Batch { mark: None, records: Records::Lines(lines::unpack(packed)?) }]),
        Form::Parquet | Form::Compacted { .. } => parquet::read(packed),
    }
}
