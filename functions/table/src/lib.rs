//! Writes events into tables of tenants' databases, in `PostgreSQL` ([`acequia_core::table`]).
//!
//! The deliveries of a batch to one sink are one statement: inbox, rows and outbox together, so that a row is there once
//! however often its delivery comes. A row that the database refuses is found by halving, and goes to the dead-letter
//! queue alone.

pub mod classify;
pub mod config;
pub mod request;
pub mod sink;

pub use sink::TableSink;
