//! The router: takes a tenant's events and writes one delivery per matching sink to that sink's queue.
//!
//! It parses, validates, filters and writes deliveries, and nothing else. An event is acknowledged when every delivery
//! of it is in its queue; if one queue fails, the event comes back and its deliveries are written again, which their
//! stable ids make harmless.

pub mod config;
mod item;
mod record;
mod report;
mod router;

pub use router::Router;
