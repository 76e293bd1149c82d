//! The columns.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A moment of UTC, to the millisecond.
    Time,
    Number,
    Text,
}

/// Name, kind and whether it may be empty, in their order in an object.
pub(super) const COLUMNS: [(&str, Kind, bool); 12] = [
    ("accepted_at", Kind::Time, false),
    ("config_version", Kind::Number, false),
    ("source", Kind::Text, false),
    ("id", Kind::Text, false),
    ("type", Kind::Text, false),
    ("subject", Kind::Text, true),
    ("time", Kind::Time, true),
    ("data", Kind::Text, true),
    ("extensions", Kind::Text, false),
    ("event", Kind::Text, false),
    ("batch", Kind::Text, true),
    ("kept_at", Kind::Time, true),
];

/// The columns as Parquet has them.
pub(super) fn schema() -> Result<TypePtr, ParquetError> {
    let column = |(name, kind, is_optional): &(&str, Kind, bool)| {
        let (physical, logical) = match kind {
            Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
            Kind::Number => (Physical::INT64, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let repetition = if *is_optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        Type::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let columns = COLUMNS.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("event").with_fields(columns).build().map(Arc::new)
}

/// How they are written.
pub(super) fn properties() -> Result<WriterPropertiesPtr, ParquetError> {
    let path = |name: &str| ColumnPath::from(name);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(crate::lines::LEVEL)?))
        .set_created_by("acequia".to_owned())
        // An event may have a megabyte: the size of a page is looked at after so many values.
        .set_write_batch_size(64)
        .set_column_bloom_filter_enabled(path("id"), true)
        .set_column_bloom_filter_fpp(path("id"), 0.01)
        .set_column_dictionary_enabled(path("id"), false);
    for text in ["data", "extensions", "event"] {
        // No two are equal as a rule, and nobody asks whether one lies between two others.
        properties = properties
            .set_column_dictionary_enabled(path(text), text == "extensions")
            .set_column_statistics_enabled(path(text), EnabledStatistics::None);
    }
    Ok(Arc::new(properties.build()))
}
