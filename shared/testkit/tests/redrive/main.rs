//! Redriving and purging, over the in-memory queues.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod killed;
mod moved;
mod world;
