//! The adapter to `PostgreSQL`: carries out what [`acequia_core::table`] says, over TLS, by one connection.
//!
//! Invariants:
//! - The server's certificate and name are always checked; a password never travels without TLS.
//! - One connection, opened when it is needed and kept while it works. Nothing of a session is relied upon but the
//!   time-outs of its start, so that a pooler may stand between.
//! - A connection is used again only after an answer that came whole. What was lost on a kept one is asked once more
//!   over a new one: the inbox makes that safe.
//! - What the server says is never repeated: its texts hold values.

mod connection;
mod failure;
mod tables;
mod tls;

pub use tables::PostgresTables;
