//! Delivers to HTTPS endpoints, signed by Standard Webhooks 1.0
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! One POST per attempt with the event's own bytes. Only 2xx is success, and the status alone decides: of the answer's
//! body 64 KiB are read at the most, for a quarter of a second. No redirect is followed, and addresses are checked when
//! the connection is made.

pub mod caller;
pub mod classify;
pub mod config;
pub mod request;
pub mod signing;
pub mod sink;

pub use sink::WebhookSink;
