//! What an event is: its envelope, the forms in which it comes, and how its data are read.

pub mod binary;
pub mod envelope;
mod error;
pub(crate) mod nesting;
pub mod own_type;
pub mod proca;
pub(crate) mod reading;
pub mod schema;
pub mod trace;
pub mod wrap;

pub use error::EnvelopeError;
pub use nesting::behind_string;

/// The largest event, in bytes: SQS's 1 MiB per message (body and attributes), less 16 KiB that stay free for the
/// attributes of deliveries and quarantined messages.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024 - 16 * 1024;
/// The deepest nesting of objects and lists in an event of a producer's.
pub const MAX_NESTING: usize = 64;
