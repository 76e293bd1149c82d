//! The port to `EventBridge`: what leaves the system are entries for one bus, and each comes back with an id or a
//! reason.

use std::future::Future;

use acequia_core::tenant::BusArn;
use jiff::Timestamp;

/// One entry of a call.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The event's source.
    pub source: &'a str,
    /// The event's type.
    pub detail_type: &'a str,
    /// The event as it came, which is a JSON object.
    pub detail: &'a str,
    /// When it was accepted.
    pub time: Timestamp,
    /// The trace that it belongs to, as AWS writes it.
    pub trace_header: Option<String>,
}

/// Only what rules are written by is printed: the rest may be personal.
impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("detail_type", &self.detail_type).finish_non_exhaustive()
    }
}

/// Why an entry is not on its bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// It may be taken later: `EventBridge` throttles, is down, or did not answer. Without an answer it may be there
    /// all the same.
    #[error("EventBridge does not take it now: {0}")]
    Later(String),
    /// It never will be, as it is.
    #[error("EventBridge refuses it: {0}")]
    Refused(String),
}

/// Takes entries.
pub trait Buses: Send + Sync {
    /// Puts up to ten entries, of at most 1 MB together, on one bus; one answer each, in order: `EventBridge`'s id of
    /// the event.
    fn put(&self, bus: &BusArn, entries: &[Entry<'_>]) -> impl Future<Output = Vec<Result<String, PutError>>> + Send;
}
