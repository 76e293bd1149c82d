//! The store of configurations, with perils.

use acequia_core::audit::{AuditNote, AuditRow};
use acequia_core::id::TenantId;
use acequia_core::port::{AutoRedriven, Change, PublishError, StoredTenant, TenantStore, Unavailable};

use super::Perilous;
use crate::mutation::Mutation;
use crate::peril::unavailable;

impl TenantStore for Perilous {
    async fn current_version(&self, tenant: &TenantId) -> Result<Option<u64>, Unavailable> {
        const OPERATION: &str = "read which version is the tenant's current one";
        let Some(call) = self.0.call("tenants.current_version").await else { return Err(unavailable(OPERATION)) };
        if self.0.world.mutation == Some(Mutation::Panic) {
            assert!(self.0.world.lock().dice.below(20) > 0, "the store of configurations panics on purpose");
        }
        let answer = self.0.world.tenants.current_version(tenant).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(OPERATION)) }
    }

    async fn version(&self, tenant: &TenantId, version: u64) -> Result<Option<StoredTenant>, Unavailable> {
        const OPERATION: &str = "read the tenant's configuration";
        let Some(call) = self.0.call("tenants.version").await else { return Err(unavailable(OPERATION)) };
        let mut answer = self.0.world.tenants.version(tenant, version).await;
        if let (Some(Mutation::IgnorePause), Ok(Some(stored))) = (self.0.world.mutation, &mut answer) {
            stored.document = stored.document.replace("\"paused\":true", "\"paused\":false");
        }
        if self.0.end(&call).await { answer } else { Err(unavailable(OPERATION)) }
    }

    async fn publish(&self, tenant: &TenantId, change: Change) -> Result<u64, PublishError> {
        self.0.world.tenants.publish(tenant, change).await
    }

    async fn note(&self, tenant: &TenantId, note: &AuditNote) -> Result<(), Unavailable> {
        self.0.world.tenants.note(tenant, note).await
    }

    async fn audit(&self, tenant: &TenantId) -> Result<Vec<AuditRow>, Unavailable> {
        self.0.world.tenants.audit(tenant).await
    }

    async fn audit_head(&self, tenant: &TenantId) -> Result<Option<String>, Unavailable> {
        self.0.world.tenants.audit_head(tenant).await
    }

    async fn list(&self) -> Result<Vec<(TenantId, u64)>, Unavailable> {
        self.0.world.tenants.list().await
    }

    async fn auto_redriven(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<AutoRedriven>, Unavailable> {
        self.0.world.tenants.auto_redriven(after, limit).await
    }
}
