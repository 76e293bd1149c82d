//! What is known of endpoints at run time, in memory.

use std::collections::{BTreeMap, BTreeSet};

use acequia_core::delivery::breaker::EndpointState;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{EndpointStore, KnownEndpoint, Unavailable};

use crate::fault::Faults;
use crate::shared::Shared;

/// The states of endpoints in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryEndpoints {
    rows: Shared<BTreeMap<(TenantId, SinkId), EndpointState>>,
    garbled: Shared<BTreeSet<SinkId>>,
    /// Makes reading fail.
    pub reads: Faults,
    /// Makes changing fail.
    pub writes: Faults,
}

impl InMemoryEndpoints {
    /// Nothing is known of any endpoint.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the rows of a sink ones that cannot be read.
    pub fn garble(&self, sink: &SinkId) {
        self.garbled.lock().insert(sink.clone());
    }

    fn read(&self, sink: &SinkId, state: &EndpointState) -> Result<EndpointState, Unavailable> {
        if self.garbled.lock().contains(sink) {
            return Err(Unavailable::new("read the state of an endpoint", std::fmt::Error));
        }
        Ok(state.clone())
    }
}

impl EndpointStore for InMemoryEndpoints {
    async fn state(&self, tenant: &TenantId, sink: &SinkId) -> Result<Option<EndpointState>, Unavailable> {
        self.reads.call("read the state of an endpoint")?;
        let rows = self.rows.lock();
        rows.get(&(tenant.clone(), sink.clone())).map(|state| self.read(sink, state)).transpose()
    }

    async fn change(&self, tenant: &TenantId, sink: &SinkId, state: &EndpointState) -> Result<bool, Unavailable> {
        self.writes.call("change the state of an endpoint")?;
        let mut rows = self.rows.lock();
        let key = (tenant.clone(), sink.clone());
        let stands = rows.get(&key).map_or(0, |state| state.revision);
        let follows = stands + 1 == state.revision;
        if follows {
            rows.insert(key, state.clone());
        }
        Ok(follows)
    }

    async fn states(&self, tenant: &TenantId) -> Result<Vec<KnownEndpoint>, Unavailable> {
        self.reads.call("read the states of endpoints")?;
        let rows = self.rows.lock();
        let of = rows.iter().filter(|((owner, _), _)| owner == tenant);
        let row = |((_, sink), state): (&(TenantId, SinkId), &EndpointState)| (sink.clone(), self.read(sink, state));
        Ok(of.map(row).collect())
    }
}
