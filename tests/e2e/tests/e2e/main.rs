//! Everything that can be seen from outside, on the deployed stacks. One program, so that the tenants are configured once.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test program")]

mod bad_input;
mod command;
mod docs;
mod email;
mod forward;
mod isolation;
mod limits;
mod order;
mod parking;
mod permission;
mod secrecy;
mod watch;
mod webhook;
