//! Keeps a panic to the one message that caused it, and what it says out of the logs.

use std::future::Future;
use std::panic::{self, AssertUnwindSafe};

use acequia_core::outcome::{Cause, PANICKED};
use futures::FutureExt;

/// Runs a future; a panic in it becomes [`Cause::Bug`].
///
/// # Errors
/// [`Cause::Bug`] where it panicked. What the panic said is said nowhere ([`log_places_of_panics`]).
pub async fn unwind<T>(work: impl Future<Output = T>) -> Result<T, Cause> {
    // Nothing that was half changed is looked at again: the message is settled as failed, and the rest have their own
    // state.
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Cause::Bug(PANICKED))
}

/// From now on a panic of this process is logged by its place alone. Its own words may quote what it was at work on,
/// such as the text of an event that was cut within a letter.
pub fn log_places_of_panics() {
    panic::set_hook(Box::new(|info| {
        let (file, line) = info.location().map_or(("unknown", 0), |place| (place.file(), place.line()));
        tracing::error!(panic.file = file, panic.line = line, "a panic, which is a bug: what it said is not logged");
    }));
}
