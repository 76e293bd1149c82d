//! What the door took before.

use std::future::Future;

use jiff::Timestamp;

use super::Unavailable;
use crate::id::TenantId;
use crate::intake::{Entry, EntryKey, Once};

/// The memory of the door ([`crate::intake::once`]).
pub trait IntakeStore: Send + Sync {
    /// Begins entries, each in [`crate::intake::State::Running`]; one answer each, in order. The keys must be distinct.
    /// Where an answer could not be had, that one is an error, and may have begun.
    fn begin(
        &self,
        tenant: &TenantId,
        entries: &[(EntryKey, Entry)],
        now: Timestamp,
    ) -> impl Future<Output = Vec<Result<Once, Unavailable>>> + Send;
    /// Writes what became of entries that were begun, unconditionally; one answer each, in order. The keys must be
    /// distinct.
    fn end(
        &self,
        tenant: &TenantId,
        entries: &[(EntryKey, Entry)],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
    /// Forgets entries that were begun, and of which nothing was done; one answer each, in order. The keys must be
    /// distinct.
    fn forget(&self, tenant: &TenantId, keys: &[EntryKey])
    -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}
