//! A `PostgreSQL` of one's own for tests: Debian's, on a free port of loopback, with TLS under an authority of its own
//! and passwords by SCRAM. It is as a customer's server is, and can be stopped as one is.
//!
//! Whatever becomes of the test's process, the server ends and its folder goes: a shell waits for the end of a pipe that
//! the process holds.

mod bench;
mod certificate;
mod server;

pub use certificate::{Certificates, certificates};
pub use server::{PASSWORD, Server, ServerError, Stop, USER};
