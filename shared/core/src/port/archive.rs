//! Where events are kept for years, and read again.

use std::future::Future;

use jiff::Timestamp;

use super::Unavailable;
use crate::archive::ObjectKey;
use crate::id::TenantId;

/// The archive ([`crate::archive`]).
pub trait Archive: Send + Sync {
    /// Keeps an object where none of its name is. False where there was one: it has the same deliveries, and stays.
    fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// The largest object that is read, as it is kept: compaction makes none that is larger, and a batch of deliveries has
/// at most 6 MB before it is packed.
pub const MAX_PACKED_BYTES: u64 = 64 * 1024 * 1024;

/// An object, as the archive lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub key: ObjectKey,
    /// How many bytes it has, packed.
    pub bytes: u64,
    /// When it was kept, to the second or better.
    pub kept_at: Timestamp,
    /// What it is told by (its `ETag`): another one after each writing.
    pub version: String,
}

/// A page of the names of a tenant's objects, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<StoredObject>,
    /// What stands among them and is none of the archive's.
    pub foreign: Vec<String>,
    /// Behind which name the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there any more.
    #[error("it is not there any more: the archive's time (ArchiveDays) is over, or somebody deleted it")]
    Missing,
    /// It is larger than what the archive writes.
    #[error("it has {bytes} bytes, and no object that the archive writes has more than {MAX_PACKED_BYTES}")]
    TooLarge {
        /// How large.
        bytes: u64,
    },
    /// The archive does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The archive, for who reads it.
pub trait ArchiveReader: Send + Sync {
    /// One page of the names of a tenant's objects, of those whose names sort behind `after`.
    fn list(&self, tenant: &TenantId, after: &str) -> impl Future<Output = Result<Listing, Unavailable>> + Send;
    /// What an object holds, packed.
    fn read(&self, object: &StoredObject) -> impl Future<Output = Result<Vec<u8>, ReadError>> + Send;
    /// When what an object holds was kept first: erasing writes an object anew, and that is remembered with it.
    fn first_kept(&self, object: &StoredObject) -> impl Future<Output = Result<Timestamp, ReadError>> + Send;
}

/// The archive, for who erases.
pub trait ArchiveEraser: ArchiveReader {
    /// Puts other content in the place of an object, under its name, at once or not at all. False where it is not the one
    /// that was listed any more.
    fn rewrite(
        &self,
        object: &StoredObject,
        content: Vec<u8>,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// The archive, for what makes one object of many.
pub trait ArchiveUpkeep: Send + Sync {
    /// Takes an object away; that it is not there is well.
    fn remove(&self, object: &StoredObject) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Whose objects there are: some tenants, of those behind `after` in the order of the objects' names; none behind the
    /// last.
    fn tenants(&self, after: Option<&TenantId>) -> impl Future<Output = Result<Vec<TenantId>, Unavailable>> + Send;
}
