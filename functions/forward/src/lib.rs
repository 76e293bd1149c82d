//! Delivers to SQS queues, standard and FIFO: the tenant's own `out` queue, or any queue that the installation may
//! fill.
//!
//! The body is the event's own bytes. The delivery's stable id stands beside it, so that a reader can drop duplicates;
//! in a FIFO queue it is the deduplication id, and SQS drops them for five minutes.

pub mod classify;
pub mod config;
pub mod request;
pub mod sink;

pub use sink::ForwardSink;
