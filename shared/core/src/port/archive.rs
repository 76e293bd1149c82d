//! Where events are kept for years.

use std::future::Future;

use super::Unavailable;
use crate::archive::ObjectKey;

/// The archive ([`crate::archive`]).
pub trait Archive: Send + Sync {
    /// Keeps an object where none of its name is. False where there was one: it has the same deliveries, and stays.
    fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}
