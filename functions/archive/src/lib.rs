//! Keeps events in the archive, in S3 ([`acequia_core::archive`]).
//!
//! A batch becomes one object for each sink and hour of acceptance in it, as lines packed with zstd or as Parquet, as the sink says. Its name is made of the
//! deliveries, so that a batch that is repeated finds its object there.

pub mod classify;
pub mod config;
pub mod request;
pub mod sink;

pub use sink::ArchiveSink;
