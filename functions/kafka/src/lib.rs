//! The bridge from Kafka: takes records of topics as events into their tenants' intake queues.
//!
//! Lambda's event source mapping reads the topics, and calls with records of several partitions, each in order. The
//! tenant of a record is what the stack says that maps its topic ([`acequia_core::port::TopicStore`]), never what the
//! record says. Each record
//!
//! - becomes an event (`binding`), which passes the same checks as at any other door, and is sent to the intake; or
//! - is quarantined in the intake's dead-letter queue with the reason (`letter`), where no repetition can help; or
//! - fails, with all behind it in its partition, where SQS or a store of ours does not answer: the mapping asks again
//!   from there.
//!
//! Invariant: an offset is passed only when SQS has its record, as event or as dead letter.

mod binding;
mod bridge;
pub mod config;
mod event;
mod letter;

pub use bridge::{Bridge, BridgeError};
