//! What is known of endpoints at run time, in memory.

use std::collections::BTreeMap;

use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Disabled, EndpointStore, Unavailable};

use crate::fault::Faults;
use crate::shared::Shared;

/// Switched-off endpoints in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryEndpoints {
    rows: Shared<BTreeMap<(TenantId, SinkId), Disabled>>,
    /// Makes reading fail.
    pub reads: Faults,
    /// Makes switching on and off fail.
    pub writes: Faults,
}

impl InMemoryEndpoints {
    /// Every endpoint is on.
    pub fn new() -> Self {
        Self::default()
    }
}

impl EndpointStore for InMemoryEndpoints {
    async fn disabled(&self, tenant: &TenantId, sink: &SinkId) -> Result<Option<Disabled>, Unavailable> {
        self.reads.call("read whether an endpoint is disabled")?;
        Ok(self.rows.lock().get(&(tenant.clone(), sink.clone())).cloned())
    }

    async fn disable(&self, tenant: &TenantId, sink: &SinkId, disabled: Disabled) -> Result<(), Unavailable> {
        self.writes.call("disable an endpoint")?;
        self.rows.lock().insert((tenant.clone(), sink.clone()), disabled);
        Ok(())
    }

    async fn enable(&self, tenant: &TenantId, sink: &SinkId) -> Result<bool, Unavailable> {
        self.writes.call("enable an endpoint")?;
        Ok(self.rows.lock().remove(&(tenant.clone(), sink.clone())).is_some())
    }
}
