//! Delivers e-mail through SES v2.
//!
//! Each mail is claimed in the ledger before it is sent, because a mail cannot be taken back and its reader cannot drop
//! duplicates. SES has no idempotency of its own, so the SDK does not repeat a call either: what was not answered may
//! have been sent, and the tenant says what is done then (`ambiguous`).

pub mod classify;
pub mod config;
mod personal;
pub mod request;
pub mod ses;
pub mod sink;

pub use sink::EmailSink;
