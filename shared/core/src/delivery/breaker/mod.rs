//! The circuit breaker of an endpoint: when nothing is sent to it, who tries whether it is well again, and when it is
//! given up.
//!
//! Each function instance counts what it sees of an endpoint by itself ([`Window`]). Where that says that the endpoint
//! is broken, it *opens* the circuit for all, in one row of the store ([`EndpointState`]). While it is open nothing is
//! sent and no attempt is spent. When it has been open for its time, the one instance that wins the change of the row
//! sends one delivery as a *probe*; that decides.
//!
//! Beside that runs a clock over days: an endpoint that has failed for [`Breaker::disable_after`] without a success is *disabled*,
//! and its operators are told on the way ([`PendingAlert`]), first when the circuit has been open for minutes and a
//! probe failed again.
//!
//! Invariants:
//! - The row is written only when something changes, each time on condition that nobody changed it meanwhile
//!   (`revision`).
//! - Another URL under the same sink is another endpoint: what is known of the old one does not count.
//! - A success ends everything: the circuit, the clock, the warnings.
//!
//! Not guaranteed: that nothing is sent after the circuit opened elsewhere; requests that are under way end.

mod alert;
mod decide;
mod failing;
mod window;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::outcome::{DisabledBy, Hold};
use crate::time::after;

pub use alert::{Alert, OPENED, PendingAlert, WARNINGS, mark_sent, take_alert};
pub use decide::{Gate, Observed, WHILE_PROBED, gate, observe};
pub use window::{Seen, Window};

/// A sink's settings of its breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// The share of failures that opens the circuit, in per cent.
    pub failures: u8,
    /// Of how many attempts at least.
    pub of: u32,
    /// Within which time.
    pub within: Duration,
    /// For how long the circuit is open at first; it doubles with each probe that fails.
    pub cool_down: Duration,
    /// After how long without a success the endpoint is disabled.
    pub disable_after: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: 70,
            of: 10,
            within: Duration::from_mins(5),
            cool_down: Duration::from_secs(30),
            disable_after: Duration::from_hours(5 * 24),
        }
    }
}

/// Whether an endpoint may be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "circuit", rename_all = "kebab-case")]
pub enum Circuit {
    /// It may.
    Closed,
    /// It may not, until this time; then one may try.
    Open {
        /// When the next probe is due.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
        /// When it opened first.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
        /// How often in a row it opened.
        trips: u32,
    },
    /// One is trying; the others may not, until this time.
    Probing {
        /// When the probe counts as dead.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        until: Timestamp,
        /// When the circuit opened first.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
        /// How often in a row it opened.
        trips: u32,
        /// Who is trying.
        by: String,
    },
}

/// Failures without a success between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The first one.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub first: Timestamp,
    /// The last one that was written down.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub last: Timestamp,
    /// The highest of [`OPENED`] and [`WARNINGS`] that came due; 0 for none.
    pub warned: u8,
}

/// That an endpoint is switched off, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// What did it.
    pub by: DisabledBy,
    /// Since when.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub since: Timestamp,
}

/// What all instances know of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointState {
    /// The digest of the endpoint's URL: another URL under the same sink is not meant.
    pub endpoint: String,
    /// Counts the changes: 1, 2, 3 ...
    pub revision: u64,
    /// Whether it may be called.
    #[serde(flatten)]
    pub circuit: Circuit,
    /// For how long it has been failing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// Whether it is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// What its operators are still to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_alert: Option<PendingAlert>,
    /// What held deliveries to it back last because there were too many for it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<HeldBack>,
}

/// That deliveries were held back because there were too many for their endpoint at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// By what: [`Hold::Concurrency`] or [`Hold::Slow`].
    pub by: Hold,
    /// When, to the minute.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

/// How long it is known of an endpoint that deliveries were held back before that is written anew.
const HELD_BACK_IS_FRESH: Duration = Duration::from_mins(1);

/// What is written where a batch held deliveries back because there were too many at once; `None` where it is known
/// already.
pub fn note_held_back(
    known: Option<&EndpointState>,
    endpoint: &str,
    by: Hold,
    now: Timestamp,
) -> Option<EndpointState> {
    let about = known.filter(|known| known.endpoint == endpoint);
    let is_known = |held: HeldBack| held.by == by && after(held.at, HELD_BACK_IS_FRESH) > now;
    if about.and_then(|known| known.held_back).is_some_and(is_known) {
        return None;
    }
    let next = about.map_or_else(|| EndpointState::healthy(endpoint, known), EndpointState::next);
    Some(EndpointState { held_back: Some(HeldBack { by, at: now }), ..next })
}

impl EndpointState {
    /// An endpoint of which nothing bad is known, to be written over `known`.
    pub fn healthy(endpoint: &str, known: Option<&Self>) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            revision: known.map_or(0, |known| known.revision).saturating_add(1),
            circuit: Circuit::Closed,
            failing: None,
            disabled: None,
            pending_alert: None,
            held_back: None,
        }
    }

    /// The same, to be written over it.
    fn next(&self) -> Self {
        Self { revision: self.revision.saturating_add(1), ..self.clone() }
    }
}
