//! The front door: what taking events in costs, how long it takes beside SQS, and what one tenant's flood does to another.

pub mod cost;
pub mod flood;
pub mod latency;
