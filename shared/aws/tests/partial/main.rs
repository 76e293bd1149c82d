//! What AWS does only in part, the real adapters carry on or tell, entry by entry: over HTTP, against the stub.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what a test builds on fails by panicking; JSON's index gives null"
)]

mod aws;
mod claims;
mod queues;
mod redrive;
mod rows;
mod table;
