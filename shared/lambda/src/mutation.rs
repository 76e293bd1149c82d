//! Ways to break the loop on purpose: the simulator must find them. Only there with the feature `mutation`, and off
//! even then.

use std::cell::Cell;

thread_local! {
    static SKIP_FOLD: Cell<bool> = const { Cell::new(false) };
    static SKIP_STOP: Cell<bool> = const { Cell::new(false) };
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
