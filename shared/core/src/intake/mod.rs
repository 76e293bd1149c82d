//! The front door: what producers hand in over HTTP, before it is in the tenant's intake queue.

pub mod once;
pub mod rate;

pub use once::{Entry, EntryKey, Once, State};
