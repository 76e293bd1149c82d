//! Keys and tokens, good and forged, against the verifier over in-memory keys and issuers on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test builds on fails by panicking; JSON's index gives null"
)]

mod fetch;
mod forged;
mod issuer;
mod key;
mod key_set;
mod secrecy;
mod vector;
mod world;
