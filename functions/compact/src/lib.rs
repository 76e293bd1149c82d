//! The compact function: once an hour it makes one object of each closed hour's small objects, for tenants whose archive
//! sinks want it ([`acequia_archive::compact`]), and deletes what is older than their `retention`.
//!
//! What is to be done is what the names of objects tell: it keeps nothing in mind, and a run that has no time left, or
//! dies, is gone on with by the next one. Each run begins with another tenant, so that none is always the last. One
//! tenant's archive that cannot be compacted costs the others nothing; the invocation fails at its end, so that the
//! alarm tells.

use std::sync::Arc;
use std::time::Duration;

use acequia_archive::compact::{CLOSED_AFTER, Compactable, Compacted, LOOKS_BACK, compact, due, expire};
use acequia_core::archive::Hour;
use acequia_core::id::TenantId;
use acequia_core::port::{Clock, TenantStore, Unavailable};
use acequia_core::tenant::{ArchiveSink, RawTenant, Target, Tenant, archive_retention};
use acequia_lambda::Deadline;
use jiff::Timestamp;

/// Nothing is begun with less time than this: an object is made, put, read back and its sources deleted in it.
const BUDGET: Duration = Duration::from_mins(2);

/// The compact function, wired to its ports.
pub struct Compactor<A, T> {
    /// The archive.
    pub archive: A,
    /// Who wants it.
    pub tenants: T,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What did not go well; the log names each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failed} tenants' archives could not be compacted, and {left} objects cannot be read and stay as they are")]
pub struct CompactFailed {
    /// Tenants whose archive, or whose configuration, could not be read or written.
    pub failed: u64,
    /// Objects that were left as they are.
    pub left: u64,
}

impl<A: Compactable, T: TenantStore> Compactor<A, T> {
    /// Compacts what is due, as far as there is time.
    ///
    /// # Errors
    /// At the end, where something did not go well.
    pub async fn run(&self, deadline: Deadline) -> Result<(), CompactFailed> {
        let now = self.clock.now();
        let mut came_to = CompactFailed { failed: 0, left: 0 };
        let tenants = match self.all().await {
            Ok(tenants) => tenants,
            Err(error) => {
                tracing::error!(error = ?error, "the archive's tenants cannot be listed; the next run tries again");
                return Err(CompactFailed { failed: 1, ..came_to });
            }
        };
        let hours = now.as_second().unsigned_abs() / 3_600;
        let first = usize::try_from(hours).unwrap_or(0).checked_rem(tenants.len()).unwrap_or(0);
        for tenant in tenants.iter().cycle().skip(first).take(tenants.len()) {
            if !self.has_time(deadline) {
                tracing::warn!("there was no time left for all that is due; the next run goes on");
                break;
            }
            match self.tenant(tenant, now, deadline).await {
                Ok(left) => came_to.left += left,
                Err(error) => {
                    came_to.failed += 1;
                    tracing::error!(tenant.id = %tenant, error = ?error,
                        "a tenant's archive could not be compacted; nothing of it is lost, and the next run tries again");
                }
            }
        }
        if came_to == (CompactFailed { failed: 0, left: 0 }) { Ok(()) } else { Err(came_to) }
    }

    async fn all(&self) -> Result<Vec<TenantId>, Unavailable> {
        let mut all: Vec<TenantId> = Vec::new();
        loop {
            let page = self.archive.tenants(all.last()).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    fn has_time(&self, deadline: Deadline) -> bool {
        deadline.for_effects(&*self.clock) >= BUDGET
    }

    /// Compacts a tenant's closed hours; answers how many objects were left.
    async fn tenant(&self, tenant: &TenantId, now: Timestamp, deadline: Deadline) -> Result<u64, Unavailable> {
        let Some(wish) = self.wish(tenant).await? else { return Ok(0) };
        let early = |by| Hour::of(now.checked_sub(by).unwrap_or(Timestamp::UNIX_EPOCH));
        if let Some(retention) = wish.retention {
            let goes_on = || self.has_time(deadline);
            let deleted = expire(&self.archive, tenant, early(retention), &goes_on).await?;
            if deleted > 0 {
                tracing::info!(tenant.id = %tenant, deleted, "objects of the archive whose time is over are deleted");
            }
        }
        if !wish.compacts {
            return Ok(0);
        }
        let mut left = 0;
        for (hour, _) in due(&self.archive, tenant, early(LOOKS_BACK), early(CLOSED_AFTER)).await? {
            if !self.has_time(deadline) {
                break;
            }
            let goes_on = || self.has_time(deadline);
            let done = Box::pin(compact(&self.archive, tenant, hour, &goes_on)).await?;
            left += tell(tenant, hour, &done);
        }
        Ok(left)
    }

    /// What a tenant wants; nothing of one that has no configuration any more.
    async fn wish(&self, tenant: &TenantId) -> Result<Option<Wish>, Unavailable> {
        let Some(stored) = self.tenants.current(tenant).await? else { return Ok(None) };
        let read = RawTenant::from_json(&stored.document).ok().and_then(|raw| Tenant::of_stored(&raw).ok());
        let Some(configured) = read else {
            return Err(Unavailable::new("read a configuration", "it is not as this version writes it"));
        };
        let archives = configured.sinks.iter().filter_map(|sink| match &sink.target {
            Target::Archive(archive) => Some(archive),
            _ => None,
        });
        let archives: Vec<&ArchiveSink> = archives.collect();
        let compacts = archives.iter().any(|archive| archive.compacts);
        Ok(Some(Wish { compacts, retention: archive_retention(archives) }))
    }
}

/// What a tenant wants of its archive.
struct Wish {
    /// That hours that are over are made one object.
    compacts: bool,
    /// That events are kept for so long.
    retention: Option<Duration>,
}

/// Logs what became of an hour; answers how many objects were left.
fn tell(tenant: &TenantId, hour: Hour, done: &Compacted) -> u64 {
    for (object, why) in &done.left {
        tracing::error!(tenant.id = %tenant, object = %object, error = %why,
            "an object of the archive cannot be read; it stays as it is");
    }
    tracing::info!(tenant.id = %tenant, hour = %hour, batches = done.batches, events = done.events, made = done.made,
        bytes = done.bytes, deleted = done.deleted, "an hour of the archive is compacted");
    done.left.len() as u64
}
