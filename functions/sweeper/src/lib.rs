//! The sweeper: once a minute it sends the delayed messages that are due back to their queues. Every quarter of an hour
//! it then redrives, for the tenants that want it, the dead letters whose time has come. Every five minutes another
//! call has it watch the queues.
//!
//! Invariants:
//! - A message is sent before its row is deleted: a crash between makes a second copy, which every sink's protection
//!   against duplicates covers, and never none.
//! - Whatever fails leaves its row where it is, for the next sweep, and is counted. A queue that refuses a message for
//!   good gives it to its dead-letter queue.
//! - One queue that does not answer costs the others nothing but its calls, and one tenant's redrive that fails the
//!   others' nothing.

pub mod config;
mod redrive;
mod sweep;
mod task;
mod until;
mod watch;

pub use redrive::{Afterwards, AutoRedriver};
pub use sweep::{SweepFailed, Sweeper};
pub use task::Task;
pub use watch::Watcher;
