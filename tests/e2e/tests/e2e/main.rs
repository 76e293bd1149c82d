//! Everything that can be seen from outside, on the deployed stacks. One program, so that the tenants are configured
//! once.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test program")]

mod alarm;
mod archive;
mod audit;
mod bad_input;
mod command;
mod delays;
mod doctor;
mod door;
mod door_bounds;
mod door_issuer;
mod door_origins;
mod email;
mod erase;
mod eventbridge;
mod forward;
mod isolation;
mod kafka;
mod limits;
mod order;
mod permission;
mod policy;
mod producers;
mod replay;
mod replay_http;
mod secrecy;
mod table;
mod trace;
mod trial;
mod watch;
mod webhook;
