//! What the end-to-end tests stand on: the running environment, its AWS, its receiver, its tenants, and waiting.
//!
//! The environment is made by `cargo xtask test`, which deploys the platform and the tenants of the tests by
//! `sam deploy` to a local AWS that enforces IAM, and says in a file where everything is (`ACEQUIA_TEST_ENVIRONMENT`).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "it is used by tests alone, and what goes wrong here is a failed test"
)]

pub mod aws;
pub mod environment;
pub mod http;
pub mod issuer;
pub mod need;
pub mod wait;
pub mod world;

pub use wait::eventually;
pub use world::{World, world};
