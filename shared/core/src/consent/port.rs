//! Where consents are kept, and what is known of addresses, as traits.

use std::future::Future;

use jiff::Timestamp;

use super::id::{ActionId, ConsentKey, SubjectId};
use super::record::{AddressId, Change, Dossier, OutboxRow, Snapshot, Suppression};
use crate::id::TenantId;
use crate::port::Unavailable;

/// Why a change was not written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else wrote in between: read, decide and write again.
    #[error("the consent was changed in between")]
    Conflict,
    /// The store does not answer. It may have been written or not.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The memory of consents, with its outbox.
pub trait Consents: Send + Sync {
    /// Reads a consent and these of its actions, as they are now.
    fn load(
        &self,
        tenant: &TenantId,
        key: &ConsentKey,
        actions: &[ActionId],
    ) -> impl Future<Output = Result<Snapshot, Unavailable>> + Send;
    /// Writes a change with its outbox rows: all of it, if the consent still has the version that was read, or nothing.
    fn commit(&self, tenant: &TenantId, change: &Change) -> impl Future<Output = Result<(), CommitError>> + Send;
    /// Deletes an outbox row that was carried out. That it is gone already is no error.
    fn settle(&self, tenant: &TenantId, row: &OutboxRow) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// All rows of a subject.
    fn dossier(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
    ) -> impl Future<Output = Result<Dossier, Unavailable>> + Send;
    /// Deletes all rows of a subject; answers how many there were.
    fn erase(&self, tenant: &TenantId, subject: &SubjectId) -> impl Future<Output = Result<usize, Unavailable>> + Send;
    /// Outbox rows of all tenants that were written before this time, oldest first, at most `limit`: for the sweep.
    fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(TenantId, OutboxRow)>, Unavailable>> + Send;
    /// Consents of all tenants whose reminder was due at this time, the one that waits longest first, at most `limit`.
    fn to_remind(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(TenantId, ConsentKey)>, Unavailable>> + Send;
}

/// What is known of addresses, and how many mails a tenant may still send.
pub trait MailBook: Send + Sync {
    /// Which of these addresses must not be written to; one answer each, in order. The addresses must be distinct.
    fn suppressed(
        &self,
        tenant: &TenantId,
        addresses: &[AddressId],
    ) -> impl Future<Output = Result<Vec<Option<Suppression>>, Unavailable>> + Send;
    /// Remembers that an address must not be written to. What is known already stays.
    fn suppress(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        suppression: &Suppression,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Forgets what is known of an address; true where there was something.
    fn forget(&self, tenant: &TenantId, address: &AddressId) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// Counts one more failure that may pass (a full mailbox, say); answers how many there were.
    fn count_failure(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        now: Timestamp,
    ) -> impl Future<Output = Result<u32, Unavailable>> + Send;
    /// Takes one mail of the day of `now` (UTC) out of `cap`; false where none is left.
    fn take(
        &self,
        tenant: &TenantId,
        cap: u64,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// Gives back one that was taken on the day of `now`, because no mail was sent.
    fn give_back(&self, tenant: &TenantId, now: Timestamp) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
