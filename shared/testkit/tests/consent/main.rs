//! The commands of consent over the store in memory: what people do, and what the outbox holds then.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

mod answer;
mod arrival;
mod interleaved;
mod reminder;
mod world;
