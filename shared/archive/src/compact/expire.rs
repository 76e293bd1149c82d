//! What a tenant's `retention` ends: all objects of hours before one.
//!
//! S3's lifecycle does the same for the whole bucket (`ArchiveDays`), and cannot for a tenant: its rules are one document
//! of the bucket's, which no tenant's stack can add to.

use acequia_core::archive::Hour;
use acequia_core::id::TenantId;
use acequia_core::port::{StoredObject, Unavailable};
use jiff::Timestamp;

use super::Compactable;
use crate::view::Names;

/// How many names are looked at before these objects are deleted.
const AT_ONCE: usize = 500;

/// Deletes a tenant's objects of hours before this one, as far as `goes_on` lets it; answers how many. What is left over
/// is deleted by the next run.
///
/// # Errors
/// Where the archive does not answer.
pub async fn expire<A: Compactable>(
    archive: &A,
    tenant: &TenantId,
    before: Hour,
    goes_on: &(impl Fn() -> bool + Sync),
) -> Result<u64, Unavailable> {
    let (begin, mut deleted) = (Hour::of(Timestamp::UNIX_EPOCH), 0);
    for is_lines in [true, false] {
        loop {
            // Listed anew from the beginning: what was found is gone.
            let mut names = if is_lines { Names::lines(tenant, begin) } else { Names::parquet(tenant, begin) };
            let mut over: Vec<StoredObject> = Vec::new();
            while over.len() < AT_ONCE
                && let Some(next) = names.next(archive).await?
            {
                match next {
                    Ok(object) if object.key.hour >= before => break,
                    Ok(object) => over.push(object),
                    // None of ours: it stays.
                    Err(_) => {}
                }
            }
            if over.is_empty() {
                break;
            }
            for object in &over {
                if !goes_on() {
                    return Ok(deleted);
                }
                archive.remove(object).await?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}
