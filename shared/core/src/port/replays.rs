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

/// Tenants' replays ([`crate::replay`]).
pub trait ReplayStore: Send + Sync {
    /// Writes a replay that begins or goes on, on condition that its revision follows on what is there (1 on nothing).
    /// Where it is to be `alone`, also on condition that no other is the tenant's one, unless that is not running.
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
}
