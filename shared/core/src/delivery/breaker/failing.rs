//! The clock of an endpoint that fails: since when, and what its operators are told on the way to its being disabled.
//!
//! It is a tracker without effects: a failure goes in, and what is due comes out. Writing and sending is the caller's.

use std::time::Duration;

use jiff::Timestamp;

use super::Failing;
use super::alert::{Alert, OPENED, WARNINGS};
use crate::time::after;

/// Failures further apart than this are none of one trouble: the clock starts anew.
const SPORADIC: Duration = Duration::from_hours(24);
/// The last failure is written down at most this often.
const NOTED_EVERY: Duration = Duration::from_hours(1);

/// How it stands with an endpoint after another failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The clock.
    pub(super) failing: Failing,
    /// What operators are to be told now.
    pub(super) alert: Option<Alert>,
    /// Whether it has failed for as long as it may.
    pub(super) is_over_limit: bool,
}

/// What follows from another failure. `limit` is for how long it may fail without a success, and `stays_open` whether a
/// probe has just left its circuit open for as long as operators should know.
pub(super) fn another(old: Option<&Failing>, limit: Duration, stays_open: bool, now: Timestamp) -> Trouble {
    let failing = fail(old, now);
    let way = way(&failing, limit, now);
    let due = WARNINGS.into_iter().rev().find(|percent| way >= *percent && *percent > failing.warned);
    let due = due.or((failing.warned < OPENED && stays_open).then_some(OPENED));
    let alert = due.map(|percent| Alert::Fails { percent, since: failing.first });
    Trouble { failing: Failing { warned: due.unwrap_or(failing.warned), ..failing }, alert, is_over_limit: way >= 100 }
}

/// The clock after another failure.
fn fail(old: Option<&Failing>, now: Timestamp) -> Failing {
    match old {
        Some(failing) if after(failing.last, SPORADIC) >= now => {
            let last = if after(failing.last, NOTED_EVERY) <= now { now } else { failing.last };
            Failing { last, ..failing.clone() }
        }
        _ => Failing { first: now, last: now, warned: 0 },
    }
}

/// How much of the way to being disabled lies behind, in per cent.
fn way(failing: &Failing, limit: Duration, now: Timestamp) -> u8 {
    let passed = now.duration_since(failing.first).as_secs_f64();
    let whole = limit.as_secs_f64().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 100")]
    let percent = (passed / whole * 100.0).clamp(0.0, 100.0) as u8;
    percent
}
