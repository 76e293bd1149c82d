//! Tenants' secrets, in memory.

use std::collections::BTreeMap;

use acequia_core::id::{SecretName, TenantId};
use acequia_core::port::{SecretCatalog, SecretError, Secrets, Unavailable};
use acequia_core::secret::{Secret, SecretNames, SecretPurpose};

use crate::fault::Faults;
use crate::shared::Shared;

/// Secrets in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemorySecrets {
    rows: Shared<BTreeMap<(TenantId, SecretPurpose, SecretName), Secret>>,
    /// Makes reading fail.
    pub reads: Faults,
    /// Makes listing their names fail.
    pub lists: Faults,
}

impl InMemorySecrets {
    /// No secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret.
    #[must_use]
    pub fn with(self, tenant: &TenantId, purpose: SecretPurpose, name: &SecretName, value: impl Into<String>) -> Self {
        self.put(tenant, purpose, name, value);
        self
    }

    /// Adds or replaces a secret.
    pub fn put(&self, tenant: &TenantId, purpose: SecretPurpose, name: &SecretName, value: impl Into<String>) {
        self.rows.lock().insert((tenant.clone(), purpose, name.clone()), Secret::new(value));
    }
}

impl SecretCatalog for InMemorySecrets {
    async fn names(&self, tenant: &TenantId) -> Result<SecretNames, Unavailable> {
        self.lists.call("list the secrets")?;
        let rows = self.rows.lock();
        let own = rows.keys().filter(|(owner, ..)| owner == tenant);
        Ok(own.map(|(_, purpose, name)| (*purpose, name.clone())).collect())
    }
}

impl Secrets for InMemorySecrets {
    async fn secret(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
    ) -> Result<Secret, SecretError> {
        self.reads.call("read a secret")?;
        let rows = self.rows.lock();
        let key = (tenant.clone(), purpose, name.clone());
        rows.get(&key).cloned().ok_or_else(|| SecretError::Missing(name.clone()))
    }
}
