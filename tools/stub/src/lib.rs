//! A counting stand-in on loopback for what surrounds a function: the Lambda runtime's interface, AWS, and a webhook
//! endpoint.
//!
//! The real programs of the functions run against it ([`Function`]), get batches from it ([`scenario`]), and every call
//! that they make is counted by service and operation ([`Counts`]). What it counts is compared with an agreed table in
//! the tests ([`gate`]); `cargo xtask bench` measures with it.
//!
//! It answers as AWS does when all goes well: claims succeed, reads find nothing but the tenant's configuration, every
//! message is taken. A call that AWS would refuse (too many entries, an unknown operation) is refused and remembered as
//! a problem, and so is a webhook whose signature is bad. Nothing is stored, but where rows are kept ([`keep_rows`]) or
//! in a world with a [`Store`]: what periodic work reads follows from what is there. A test that asks what comes of
//! other answers changes them ([`Stub::twist`]).

mod aws;
mod clock;
mod count;
pub mod door;
mod endpoint;
mod fixture;
mod function;
pub mod gate;
mod latency;
pub mod peak;
mod rows;
mod runtime;
pub mod scenario;
mod server;
mod store;

pub use clock::now;
pub use count::{Counts, Tally};
pub use endpoint::{Arrival, Traffic};
pub use fixture::{DATABASE, LEDGER_TABLE, Messages, SECRET, TENANT, TENANTS_TABLE, World, deliveries, sink};
pub use function::{Answer, Function, Memory};
pub use latency::Latencies;
pub use rows::keep_rows;
pub use runtime::Answered;
pub use scenario::Scenario;
pub use server::{Span, Stub};
pub use store::Store;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StubError {
    /// The server or the function could not be started.
    #[error("cannot start {what}")]
    Start {
        /// What was to be started.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The function's process is gone.
    #[error("{program} ended ({status}) instead of answering; what it said is in {log}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// The file with its output.
        log: String,
    },
    /// The function does not answer.
    #[error("{program} did not answer within {seconds} s; what it said is in {log}")]
    Silent {
        /// The program.
        program: String,
        /// How long it had.
        seconds: u64,
        /// The file with its output.
        log: String,
    },
    /// The batch did not go through.
    #[error("the batch was not taken: {0}")]
    Refused(String),
    /// The function made calls that AWS would not have answered well, or that the stub does not know.
    #[error("the function made calls that the stub refuses (tools/stub/src/aws answers what functions need): {}", .0.join("; "))]
    Problems(Vec<String>),
    /// A fixture does not hold together.
    #[error("the fixture of the scenario is not valid: {0}")]
    Fixture(String),
    /// A file cannot be read or written.
    #[error("cannot use {file}")]
    File {
        /// The file.
        file: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}
