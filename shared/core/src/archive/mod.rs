//! The archive: what a tenant's events were, in objects that any warehouse reads.
//!
//! An object holds the events of one batch that were accepted in the same hour: a line each ([`Line`]), packed with zstd.
//! It is named by the deliveries in it ([`ObjectKey`]) and written only where no object of its name is. So a batch that
//! is repeated writes nothing twice, and an event that comes in another batch again stands in two objects: a reader
//! folds by the event's identity.

mod key;
mod line;

pub use key::{Form, Hour, InvalidObjectKey, ObjectKey};
pub use line::{InvalidLine, Line, write_line};
