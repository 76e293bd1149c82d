//! Where consents are kept, and what is known of addresses, as traits.

use std::future::Future;

use jiff::Timestamp;

use super::Unavailable;
use crate::consent::agenda::{Due, DuePage, RowKey, Waiting};
use crate::consent::{ActionId, AddressId, Change, ConsentKey, Dossier, OutboxRow, Snapshot, SubjectId, Suppression};
use crate::id::TenantId;

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

/// The memory of consents. What follows from a change is written with it, to the outbox ([`Agenda`]).
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
    /// All rows of a subject.
    fn dossier(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
    ) -> impl Future<Output = Result<Dossier, Unavailable>> + Send;
    /// Deletes all rows of a subject; answers how many there were.
    fn erase(&self, tenant: &TenantId, subject: &SubjectId) -> impl Future<Output = Result<usize, Unavailable>> + Send;
}

/// What is to be done yet, of all tenants ([`crate::consent::agenda`]): the outbox rows, and the reminders.
pub trait Agenda: Send + Sync {
    /// Some rows as they stand now, one answer each, in order; `None` for one that is gone. The rows must be distinct.
    fn waiting(
        &self,
        rows: &[(TenantId, RowKey)],
    ) -> impl Future<Output = Vec<Result<Option<Waiting>, Unavailable>>> + Send;
    /// Takes a row that stands as `seen`: it is due again at `until`, marked, and with one try more. False where
    /// somebody else was there first.
    fn take(
        &self,
        tenant: &TenantId,
        seen: &Waiting,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// Puts off a row that could not be carried out: it has had so many tries, is due again at `until`, and is marked
    /// no more. That it is gone is no error.
    fn put_off(
        &self,
        tenant: &TenantId,
        row: &RowKey,
        tries: u32,
        until: Timestamp,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Deletes a row that was carried out. That it is gone already is no error.
    fn settle(&self, tenant: &TenantId, row: &OutboxRow) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// The rows of one shard that are due at `now`, the longest first, about `limit` of them; `from` is the
    /// [`DuePage::next`] of the page before.
    fn overdue(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<DuePage<RowKey>, Unavailable>> + Send;
    /// The consents of one shard whose reminder is due at `now`, as [`Agenda::overdue`].
    fn to_remind(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<DuePage<ConsentKey>, Unavailable>> + Send;
    /// Puts off a reminder that cannot be given now; without a time it is not looked at any more. Nothing is done where
    /// the consent was changed in between.
    fn put_off_reminder(
        &self,
        due: &Due<ConsentKey>,
        until: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Which addresses must not be written to.
pub trait SuppressionList: Send + Sync {
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
}

/// How many mails a tenant may still send today, in all and to one address.
pub trait SendQuota: Send + Sync {
    /// Takes one mail of the day of `now` (UTC) out of `cap`; false where none is left.
    fn take(
        &self,
        tenant: &TenantId,
        cap: u64,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// Gives back one that was taken on the day of `now`, because no mail was sent.
    fn give_back(&self, tenant: &TenantId, now: Timestamp) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Takes one mail to this address out of the `most` that may ask it on the day of `now` (UTC); false where none is
    /// left.
    fn take_ask(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        most: u64,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// Gives back one that was taken for this address on the day of `now`, because no mail was sent.
    fn give_back_ask(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
