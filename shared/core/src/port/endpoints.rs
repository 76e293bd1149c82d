//! What instances share about the places that they deliver to: the state of endpoints, and what is left of rates.

use super::Unavailable;
use crate::delivery::breaker::EndpointState;
use crate::delivery::share::Bucket;
use crate::id::{SinkId, TenantId};
use std::future::Future;

/// What is known of endpoints at run time, apart from their configuration ([`crate::delivery::breaker`]).
pub trait EndpointStore: Send + Sync {
    /// What is known of the sink's endpoint, as it stands now.
    fn state(
        &self,
        tenant: &TenantId,
        sink: &SinkId,
    ) -> impl Future<Output = Result<Option<EndpointState>, Unavailable>> + Send;
    /// Writes the state on condition that the one before it (by `revision`) is still there, or none where it is the
    /// first; false where another change was first.
    fn change(
        &self,
        tenant: &TenantId,
        sink: &SinkId,
        state: &EndpointState,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// What is known of all endpoints of the tenant, by sink. A row that cannot be read fails alone.
    fn states(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<KnownEndpoint>, Unavailable>> + Send;
}

/// What the row of a sink's endpoint says, where it can be read.
pub type KnownEndpoint = (SinkId, Result<EndpointState, Unavailable>);

/// What is left of rates that several instances share ([`crate::delivery::rate`]).
pub trait RateStore: Send + Sync {
    /// Moves a rate's mark from `known` to `next` (both in microseconds since 1970; `None` for a rate that was never
    /// used) where it still stands there; otherwise answers where it stands.
    fn advance(
        &self,
        tenant: &TenantId,
        rate: &str,
        known: Option<i64>,
        next: i64,
    ) -> impl Future<Output = Result<Advance, Unavailable>> + Send;
    /// Notes that a tenant uses something that tenants share in a bucket of time ([`crate::delivery::share`]); true
    /// where it is new: neither in this bucket nor in the one before did it use it.
    fn join(
        &self,
        shared: &str,
        tenant: &TenantId,
        bucket: Bucket,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// How many tenants use something shared: those that joined this bucket or the one before. It costs the same
    /// however many they are.
    fn sharers(&self, shared: &str, bucket: Bucket) -> impl Future<Output = Result<u32, Unavailable>> + Send;
}

/// What moving a rate's mark came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// It stands where it was to.
    Moved,
    /// It stood elsewhere, and stays there.
    Stands(Option<i64>),
}
