//! A way to break the loop on purpose: the simulator must find it. Only there with the feature `mutation`, and off even then.

use std::cell::Cell;

thread_local! {
    static SKIP_FOLD: Cell<bool> = const { Cell::new(false) };
}

/// Lets the loops of this thread perform a delivery twice that stands in a batch twice, or no more.
pub fn skip_fold(skip: bool) {
    SKIP_FOLD.set(skip);
}

/// Whether they do.
pub(crate) fn skips_fold() -> bool {
    SKIP_FOLD.get()
}
