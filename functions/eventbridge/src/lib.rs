//! Delivers to event buses of `EventBridge`, in this account or another one
//! (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>).
//!
//! The event's own bytes are the entry's `Detail`, its source and type the entry's `Source` and `DetailType`: a rule of
//! the bus matches them as it matches events of AWS. Up to ten entries make one call, and each has an answer of its
//! own.

pub mod bus;
pub mod classify;
pub mod config;
pub mod events;
pub mod request;
pub mod sink;

pub use sink::EventbridgeSink;
