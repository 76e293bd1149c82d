//! Rates: who may start now, who waits for a place, and where they wait.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

mod change;
mod keep;
mod room;
mod shared;
mod world;
