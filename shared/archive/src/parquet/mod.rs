//! Objects of Parquet: the columns that warehouses ask for, and the event's own text beside them.
//!
//! Behind the four bytes that every Parquet begins with stand 32 that no column is in: the SHA-256 of all other bytes.
//! Readers of Parquet follow the footer and pass over them; ours compares them first, so that nothing of an object that
//! was damaged is used, the footer included.

mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use sha2::{Digest as _, Sha256};

pub(crate) use read::read;
pub use read::{Contents, contents};
pub use write::{MAX_BATCH_BYTES, Unwritable, Writer};

/// What every Parquet begins and ends with (<https://parquet.apache.org/docs/file-format/>).
const MAGIC: usize = 4;
/// How many bytes a digest has.
const DIGEST: usize = 32;

/// The digest of all but the digest; `None` where there is no room for one.
fn digest(object: &[u8]) -> Option<[u8; DIGEST]> {
    let (head, rest) = object.split_at_checked(MAGIC)?;
    let (_, rest) = rest.split_at_checked(DIGEST)?;
    Some(Sha256::new().chain_update(head).chain_update(rest).finalize().into())
}

/// Where the digest stands.
fn place() -> std::ops::Range<usize> {
    MAGIC..MAGIC + DIGEST
}
