//! Ways to break the loop on purpose: the simulator must find them. Only there with the feature `mutation`, and off
//! even then.

use std::cell::Cell;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::outcome::{Cause, Hold};

use crate::Attempted;

thread_local! {
    static SKIP_FOLD: Cell<bool> = const { Cell::new(false) };
    static SKIP_STOP: Cell<bool> = const { Cell::new(false) };
    static SKIP_BOUND: Cell<bool> = const { Cell::new(false) };
    static FORGET_REST: Cell<bool> = const { Cell::new(false) };
    static RECORD_AHEAD: Cell<bool> = const { Cell::new(false) };
}

/// Lets the loops of this thread perform a delivery twice that stands in a batch twice, or no more.
pub fn skip_fold(skip: bool) {
    SKIP_FOLD.set(skip);
}

/// Whether they do.
pub(crate) fn skips_fold() -> bool {
    SKIP_FOLD.get()
}

/// Lets the loops of this thread go on in a group behind a message that is to come back, or no more.
pub fn skip_stop(skip: bool) {
    SKIP_STOP.set(skip);
}

/// Whether they do.
pub(crate) fn skips_stop() -> bool {
    SKIP_STOP.get()
}

/// Lets the loops of this thread have any number of requests under way, or no more.
pub fn skip_bound(skip: bool) {
    SKIP_BOUND.set(skip);
}

/// Whether they do.
pub(crate) fn skips_bound() -> bool {
    SKIP_BOUND.get()
}

/// Lets the loops of this thread take what was too late for a batch as delivered, or no more.
pub fn forget_rest(forget: bool) {
    FORGET_REST.set(forget);
}

/// What came of an attempt, as such a loop takes it.
pub(crate) fn without_rest(attempted: Attempted) -> Attempted {
    match attempted.result {
        Err(Cause::Held { by: Hold::Slow | Hold::Concurrency, .. }) if FORGET_REST.get() => {
            Attempted { result: Ok(Receipt::default()), ..attempted }
        }
        _ => attempted,
    }
}

/// Lets the loops of this thread record every delivery as made with the first one that is, or no more.
pub fn record_ahead(ahead: bool) {
    RECORD_AHEAD.set(ahead);
}

/// Whether they do.
pub(crate) fn records_ahead() -> bool {
    RECORD_AHEAD.get()
}

/// What such a loop records of a job.
pub(crate) fn ahead(answer: Option<Attempted>) -> Option<Attempted> {
    let made = || Attempted { result: Ok(Receipt::default()), ..Attempted::not_begun(Cause::NoTime) };
    if records_ahead() { Some(made()) } else { answer }
}
