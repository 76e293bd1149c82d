//! Writing: rows are collected until they are a row group, and a row group is written column by column.

use acequia_core::event::EnvelopeError;
use acequia_core::event::envelope::{Columns, Envelope};
use jiff::Timestamp;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use super::{DIGEST, digest, place, schema};
use crate::Mark;

/// The most bytes that the events of one batch may have for compaction to take it: what Lambda hands over at once is 6
/// MB.
pub const MAX_BATCH_BYTES: usize = 12 * MIB;

const MIB: usize = 1024 * 1024;
/// The bytes of events at which a row group is written: so much is in memory at once, twice.
const GROUP_BYTES: usize = 8 * MIB;
/// The most bytes of events of an object that is made of many batches.
const MAX_TEXT: usize = 48 * MIB;
/// The bytes at which no other batch is put into it. With the last row group, whose events stand in it twice and may be
/// such that they cannot be packed, it stays below [`acequia_core::port::MAX_PACKED_BYTES`].
const FULL: usize = 16 * MIB;

/// Why an object cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// An event has no columns.
    #[error("an event cannot be read")]
    Event(#[from] EnvelopeError),
    /// Parquet's library cannot.
    #[error("Parquet cannot be written")]
    Parquet(#[from] ParquetError),
}

/// The values of a column, and which rows have one.
#[derive(Debug)]
struct Optional<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }
}

impl<T> Optional<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

/// The rows of the next row group.
#[derive(Debug, Default)]
struct Group {
    accepted_at: Vec<i64>,
    config_version: Vec<i64>,
    source: Vec<ByteArray>,
    id: Vec<ByteArray>,
    kind: Vec<ByteArray>,
    subject: Optional<ByteArray>,
    time: Optional<i64>,
    data: Optional<ByteArray>,
    extensions: Vec<ByteArray>,
    event: Vec<ByteArray>,
    batch: Optional<ByteArray>,
    kept_at: Optional<i64>,
    bytes: usize,
}

/// An object on its way.
pub struct Writer {
    file: SerializedFileWriter<Vec<u8>>,
    group: Group,
    /// The events of the row groups that are written.
    bytes: usize,
}

impl Writer {
    /// An object without rows.
    ///
    /// # Errors
    /// Where Parquet's library cannot.
    pub fn new() -> Result<Self, Unwritable> {
        let mut file = SerializedFileWriter::new(Vec::new(), schema::schema()?, schema::properties()?)?;
        // The digest comes here, when all else is known.
        file.write_all(&[0; DIGEST]).map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(Self { file, group: Group::default(), bytes: 0 })
    }

    /// Adds an event, which came with this batch where the object has many.
    ///
    /// # Errors
    /// Where it has no columns: an envelope that was parsed always has them.
    pub fn push(&mut self, envelope: &Envelope, config_version: u64, mark: Option<&Mark>) -> Result<(), Unwritable> {
        let Columns { subject, time, data, extensions } = envelope.columns()?;
        let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
        let group = &mut self.group;
        group.accepted_at.push(envelope.accepted_at.as_millisecond());
        group.config_version.push(i64::try_from(config_version).unwrap_or(i64::MAX));
        group.source.push(text(envelope.event.source()));
        group.id.push(text(envelope.event.id()));
        group.kind.push(text(&envelope.event_type));
        group.subject.push(subject.as_deref().map(text));
        group.time.push(time.map(Timestamp::as_millisecond));
        group.data.push(data.map(text));
        group.extensions.push(ByteArray::from(extensions.into_bytes()));
        group.event.push(text(&envelope.body));
        group.batch.push(mark.map(|mark| text(&mark.batch)));
        group.kept_at.push(mark.map(|mark| mark.kept_at.as_millisecond()));
        group.bytes += envelope.body.len();
        if group.bytes >= GROUP_BYTES { self.write() } else { Ok(()) }
    }

    /// Whether no other batch, of so many bytes, is to be put into it.
    pub fn is_full(&self, more: usize) -> bool {
        self.bytes + self.group.bytes + more > MAX_TEXT || self.file.bytes_written() >= FULL
    }

    /// The object.
    ///
    /// # Errors
    /// Where Parquet's library cannot.
    pub fn finish(mut self) -> Result<Vec<u8>, Unwritable> {
        self.write()?;
        self.file.append_key_value_metadata(KeyValue::new("acequia.bytes".to_owned(), self.bytes.to_string()));
        let mut object = self.file.into_inner()?;
        let digest = digest(&object);
        if let (Some(digest), Some(room)) = (digest, object.get_mut(place())) {
            room.copy_from_slice(&digest);
        }
        Ok(object)
    }

    /// Writes the row group.
    fn write(&mut self) -> Result<(), Unwritable> {
        let group = std::mem::take(&mut self.group);
        if group.event.is_empty() {
            return Ok(());
        }
        self.bytes += group.bytes;
        let mut to = self.file.next_row_group()?;
        numbers(&mut to, &group.accepted_at, None)?;
        numbers(&mut to, &group.config_version, None)?;
        texts(&mut to, &group.source, None)?;
        texts(&mut to, &group.id, None)?;
        texts(&mut to, &group.kind, None)?;
        texts(&mut to, &group.subject.values, Some(&group.subject.levels))?;
        numbers(&mut to, &group.time.values, Some(&group.time.levels))?;
        texts(&mut to, &group.data.values, Some(&group.data.levels))?;
        texts(&mut to, &group.extensions, None)?;
        texts(&mut to, &group.event, None)?;
        texts(&mut to, &group.batch.values, Some(&group.batch.levels))?;
        numbers(&mut to, &group.kept_at.values, Some(&group.kept_at.levels))?;
        to.close()?;
        Ok(())
    }
}

type To<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn numbers(to: &mut To<'_>, values: &[i64], levels: Option<&[i16]>) -> Result<(), ParquetError> {
    let Some(mut column) = to.next_column()? else { return Ok(()) };
    column.typed::<Int64Type>().write_batch(values, levels, None)?;
    column.close()
}

fn texts(to: &mut To<'_>, values: &[ByteArray], levels: Option<&[i16]>) -> Result<(), ParquetError> {
    let Some(mut column) = to.next_column()? else { return Ok(()) };
    column.typed::<ByteArrayType>().write_batch(values, levels, None)?;
    column.close()
}
