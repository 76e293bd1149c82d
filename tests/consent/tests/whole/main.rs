//! Consent as a whole, from the intake queue to the sinks.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

mod faults;
mod scenario;
mod world;
