//! Where replays are kept, and who runs one.

use std::future::Future;

use super::Unavailable;
use crate::id::{ReplayId, TenantId};
use crate::replay::Replay;

/// What beginning a replay came to, or going on with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is written, and the tenant's one where that was asked for.
    Yes,
    /// Somebody wrote it in between.
    Changed,
    /// Another one is under way.
    Busy(ReplayId),
}

/// A replay that waits for the platform, or waited for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one.
    pub id: ReplayId,
    /// The revision with which it came to wait.
    pub revision: u64,
}

/// Tenants' replays ([`crate::replay`]).
pub trait ReplayStore: Send + Sync {
    /// Writes a replay that begins or goes on, on condition that its revision follows on what is there (1 on nothing).
    /// One that waits is queued in the same transaction ([`Self::queued`]). Where it is to be `alone`, also on condition that no other is the tenant's one, unless that is not under way.
    fn begin(
        &self,
        tenant: &TenantId,
        replay: &Replay,
        alone: bool,
    ) -> impl Future<Output = Result<Begun, Unavailable>> + Send;
    /// Writes a replay in place of the revision before; false where that is not there any more.
    fn save(&self, tenant: &TenantId, replay: &Replay) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// One replay.
    fn load(
        &self,
        tenant: &TenantId,
        id: &ReplayId,
    ) -> impl Future<Output = Result<Option<Replay>, Unavailable>> + Send;
    /// All of a tenant's replays, the last one first.
    fn list(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<Replay>, Unavailable>> + Send;
    /// The replays of all tenants that the platform is to run, at most so many. It is a list to look at: what stands in
    /// it may be at its end.
    fn queued(&self, most: usize) -> impl Future<Output = Result<Vec<Queued>, Unavailable>> + Send;
    /// Takes one out of that list, unless it was queued anew.
    fn unqueue(&self, queued: &Queued) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
