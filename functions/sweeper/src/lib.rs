//! The sweeper: once a minute it sends the parked messages that are due back to their queues.
//!
//! Invariants:
//! - A message is sent before its row is deleted: a crash between makes a second copy, which every sink's protection against
//!   duplicates covers, and never none.
//! - Whatever fails leaves its row where it is, for the next sweep, and is counted. A queue that refuses a message for good gives it to
//!   its dead-letter queue.
//! - One queue that does not answer costs the others nothing but its calls.

pub mod config;
mod sweep;

pub use sweep::{SweepFailed, Sweeper};
