//! Reading: an object whole, or which batches it has.

use bytes::Bytes;
use jiff::Timestamp;
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};

use super::schema::COLUMNS;
use super::{digest, place};
use crate::{Batch, MAX_BYTES, Mark, Records, Row, Unreadable};

impl From<ParquetError> for Unreadable {
    fn from(_: ParquetError) -> Self {
        Self::DamagedParquet
    }
}

/// What an object of many batches has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The batches, in the order in which they stand there.
    pub batches: Vec<Mark>,
    /// How many bytes its events have.
    pub bytes: u64,
}

/// Which batches an object has, and nothing of their events.
///
/// # Errors
/// [`Unreadable`].
pub fn contents(packed: &[u8]) -> Result<Contents, Unreadable> {
    let file = open(packed)?;
    let (mut batches, mut seen): (Vec<Mark>, Option<Mark>) = (Vec::new(), None);
    for place in 0..file.num_row_groups() {
        for mark in marks(&*file.get_row_group(place)?)? {
            if mark != seen {
                batches.extend(mark.clone());
                seen = mark;
            }
        }
    }
    Ok(Contents { batches, bytes: event_bytes(&file) })
}

/// The batches of an object with their events.
pub(crate) fn read(packed: &[u8]) -> Result<Vec<Batch>, Unreadable> {
    let file = open(packed)?;
    if event_bytes(&file) > MAX_BYTES {
        return Err(Unreadable::TooLarge);
    }
    let mut batches: Vec<(Option<Mark>, Vec<Row>)> = Vec::new();
    for place in 0..file.num_row_groups() {
        let group = file.get_row_group(place)?;
        let marks = marks(&*group)?;
        for (mark, row) in marks.into_iter().zip(rows(&*group)?) {
            match batches.last_mut() {
                Some((last, rows)) if *last == mark => rows.push(row),
                _ => batches.push((mark, vec![row])),
            }
        }
    }
    Ok(batches.into_iter().map(|(mark, rows)| Batch { mark, records: Records::Rows(rows) }).collect())
}

fn open(packed: &[u8]) -> Result<SerializedFileReader<Bytes>, Unreadable> {
    let written = packed.get(place()).ok_or(Unreadable::DamagedParquet)?;
    if digest(packed).is_none_or(|digest| digest != *written) {
        return Err(Unreadable::DamagedParquet);
    }
    let file = SerializedFileReader::new(Bytes::copy_from_slice(packed))?;
    let columns = file.metadata().file_metadata().schema_descr().columns();
    let is_ours = columns.len() == COLUMNS.len()
        && columns.iter().zip(COLUMNS).all(|(column, (name, _, optional))| {
            column.name() == name && column.max_def_level() == i16::from(optional) && column.max_rep_level() == 0
        });
    if is_ours { Ok(file) } else { Err(Unreadable::OtherColumns) }
}

/// What the columns of events become, by the footer.
fn event_bytes(file: &SerializedFileReader<Bytes>) -> u64 {
    let event = index("event");
    let sizes = file.metadata().row_groups().iter().map(|group| {
        let size = group.columns().get(event).map_or(0, ColumnChunkMetaData::uncompressed_size);
        u64::try_from(size).unwrap_or(u64::MAX)
    });
    sizes.fold(0, u64::saturating_add)
}

fn index(name: &str) -> usize {
    COLUMNS.iter().position(|(column, _, _)| *column == name).unwrap_or(COLUMNS.len())
}

/// The values of a column of a row group, one for each row.
fn column<T>(
    group: &dyn RowGroupReader,
    name: &str,
    read: impl Fn(ColumnReader, usize) -> Result<(Vec<T>, Vec<i16>), Unreadable>,
) -> Result<Vec<Option<T>>, Unreadable> {
    let rows = usize::try_from(group.metadata().num_rows()).map_err(|_| Unreadable::DamagedParquet)?;
    let place = index(name);
    let (values, levels) = read(group.get_column_reader(place)?, rows)?;
    let mut values = values.into_iter();
    let is_optional = COLUMNS.get(place).is_some_and(|(_, _, optional)| *optional);
    let all: Vec<Option<T>> = if is_optional {
        levels.iter().map(|level| if *level == 0 { None } else { values.next() }).collect()
    } else {
        values.map(Some).collect()
    };
    if all.len() == rows { Ok(all) } else { Err(Unreadable::DamagedParquet) }
}

fn times(group: &dyn RowGroupReader, name: &str) -> Result<Vec<Option<Timestamp>>, Unreadable> {
    let milliseconds = numbers(group, name)?;
    let time = |value: Option<i64>| {
        let time = value.map(Timestamp::from_millisecond).transpose();
        time.map_err(|_| Unreadable::DamagedParquet)
    };
    milliseconds.into_iter().map(time).collect()
}

fn numbers(group: &dyn RowGroupReader, name: &str) -> Result<Vec<Option<i64>>, Unreadable> {
    column(group, name, |reader, rows| {
        let ColumnReader::Int64ColumnReader(mut reader) = reader else { return Err(Unreadable::OtherColumns) };
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        reader.read_records(rows, Some(&mut levels), None, &mut values)?;
        Ok((values, levels))
    })
}

fn texts(group: &dyn RowGroupReader, name: &str) -> Result<Vec<Option<String>>, Unreadable> {
    column(group, name, |reader, rows| {
        let ColumnReader::ByteArrayColumnReader(mut reader) = reader else { return Err(Unreadable::OtherColumns) };
        let (mut values, mut levels): (Vec<ByteArray>, _) = (Vec::new(), Vec::new());
        reader.read_records(rows, Some(&mut levels), None, &mut values)?;
        let text = |value: ByteArray| String::from_utf8(value.data().to_vec()).map_err(|_| Unreadable::NoText);
        Ok((values.into_iter().map(text).collect::<Result<_, _>>()?, levels))
    })
}

fn marks(group: &dyn RowGroupReader) -> Result<Vec<Option<Mark>>, Unreadable> {
    let (batches, times) = (texts(group, "batch")?, times(group, "kept_at")?);
    let mark = |(batch, kept_at): (Option<String>, Option<Timestamp>)| {
        batch.zip(kept_at).map(|(batch, kept_at)| Mark { batch, kept_at })
    };
    Ok(batches.into_iter().zip(times).map(mark).collect())
}

fn rows(group: &dyn RowGroupReader) -> Result<Vec<Row>, Unreadable> {
    let (times, versions) = (times(group, "accepted_at")?, numbers(group, "config_version")?);
    let row = |((accepted_at, version), event): ((Option<Timestamp>, Option<i64>), Option<String>)| {
        let config_version = u64::try_from(version?).ok()?;
        Some(Row { accepted_at: accepted_at?, config_version, event: event? })
    };
    let rows = times.into_iter().zip(versions).zip(texts(group, "event")?);
    rows.map(|parts| row(parts).ok_or(Unreadable::DamagedParquet)).collect()
}
