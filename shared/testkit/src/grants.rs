//! What tenants' stacks allow, in memory.

use std::collections::BTreeMap;

use acequia_core::id::TenantId;
use acequia_core::port::{GrantStore, Unavailable};
use acequia_core::tenant::grant::Grants;

use crate::fault::Faults;
use crate::shared::Shared;

/// Grants in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryGrants {
    rows: Shared<BTreeMap<TenantId, Grants>>,
    /// Makes reading fail.
    pub reads: Faults,
}

impl InMemoryGrants {
    /// Nothing is allowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a tenant something, each a list with commas.
    #[must_use]
    pub fn with(self, tenant: &TenantId, senders: &str, targets: &str) -> Self {
        self.put(tenant, senders, targets);
        self
    }

    /// Allows a tenant this and nothing else.
    ///
    /// # Panics
    /// Where a list has a quote in it: a test wrote it.
    #[expect(clippy::expect_used, reason = "a test's own mistake should stop the test where it was made")]
    pub fn put(&self, tenant: &TenantId, senders: &str, targets: &str) {
        let json = format!(r#"{{"senders":"{senders}","targets":"{targets}"}}"#);
        self.rows.lock().insert(tenant.clone(), Grants::parse(&json).expect("lists without quotes"));
    }
}

impl GrantStore for InMemoryGrants {
    async fn grants(&self, tenant: &TenantId) -> Result<Grants, Unavailable> {
        self.reads.call("read a tenant's grants")?;
        Ok(self.rows.lock().get(tenant).cloned().unwrap_or_default())
    }
}
