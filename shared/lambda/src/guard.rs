//! Keeps a panic to the one message that caused it.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use acequia_core::outcome::Cause;
use futures::FutureExt;

/// Runs a future; a panic in it becomes [`Cause::Panic`].
///
/// # Errors
/// [`Cause::Panic`] where it panicked. What the panic said goes to standard error by the panic hook, as always.
pub async fn unwind<T>(work: impl Future<Output = T>) -> Result<T, Cause> {
    // Nothing that was half changed is looked at again: the message is settled as failed, and the rest have their own state.
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Cause::Panic)
}
