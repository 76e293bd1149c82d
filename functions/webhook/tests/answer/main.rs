//! What each answer of an endpoint, and each way of having none, comes to: the webhook function against real listeners
//! on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

mod failure;
mod status;
mod wait;
mod world;
