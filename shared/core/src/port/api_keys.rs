//! The API keys of tenants.

use std::collections::BTreeMap;
use std::future::Future;

use jiff::Timestamp;

use super::Unavailable;
use crate::access::{KeyId, KeyRing};
use crate::audit::AuditNote;
use crate::id::TenantId;

/// Why keys were not changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The tenant has no configuration, so it has no audit log either.
    #[error("the tenant has no configuration")]
    NoConfiguration,
    /// Somebody else changed them in between.
    #[error("the keys were changed in between")]
    Conflict,
    /// The store does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Where tenants' API keys are kept: digests, never keys.
pub trait ApiKeys: Send + Sync {
    /// All keys of a tenant, in one read; none where it has none.
    fn keys(&self, tenant: &TenantId) -> impl Future<Output = Result<KeyRing, Unavailable>> + Send;
    /// Writes the keys, whose revision follows the stored one, and a row of the tenant's audit log, both or neither.
    fn change(
        &self,
        tenant: &TenantId,
        ring: &KeyRing,
        note: &AuditNote,
    ) -> impl Future<Output = Result<(), KeyError>> + Send;
    /// Notes that a key was used in the hour that begins at `hour`. An earlier hour than the noted one changes nothing.
    fn used(
        &self,
        tenant: &TenantId,
        key: &KeyId,
        hour: Timestamp,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// The hour in which each key was used last, of those that were used.
    fn last_uses(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<BTreeMap<KeyId, Timestamp>, Unavailable>> + Send;
}
