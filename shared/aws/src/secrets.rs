//! Tenants' secrets: the `SecureString` parameters `/acequia/<stage>/tenant/<tenant>/<purpose>/<name>`, remembered for
//! a minute.

use acequia_core::id::{SecretName, Stage, TenantId};
use acequia_core::port::{Clock, SecretCatalog, SecretError, Secrets, Unavailable};
use acequia_core::secret::{Secret, SecretNames, SecretPurpose};

use crate::memory::{Known, Memory};
use crate::parameter_store::Kind;
use crate::{Lazy, ParameterStore, keys};

const READ: &str = "read a secret";
const WRITE: &str = "write a secret";
const LIST: &str = "list the secrets";

/// The parameter store, with a memory.
pub struct SsmSecrets<C> {
    client: Lazy<ParameterStore>,
    stage: Stage,
    clock: C,
    known: Memory<Secret>,
}

impl<C: Clock> SsmSecrets<C> {
    /// The secrets of this stage.
    pub fn new(client: Lazy<ParameterStore>, stage: Stage, clock: C) -> Self {
        Self { client, stage, clock, known: Memory::new() }
    }

    /// Writes a secret, new or changed, and tags it with its tenant. For operators: functions have no right to.
    ///
    /// # Errors
    /// When the parameter store does not take it.
    pub async fn put(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
        value: &Secret,
    ) -> Result<(), Unavailable> {
        let path = keys::secret(&self.stage, tenant, purpose, name);
        self.write(tenant, path, value, true).await.map(drop)
    }

    /// Writes a secret where there is none of this name, as [`SsmSecrets::put`] does; answers whether there was none.
    /// It reads nothing: a principal that writes secrets need not be able to read them.
    ///
    /// # Errors
    /// When the parameter store does not take it.
    pub async fn put_new(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
        value: &Secret,
    ) -> Result<bool, Unavailable> {
        let path = keys::secret(&self.stage, tenant, purpose, name);
        self.write(tenant, path, value, false).await
    }

    async fn write(
        &self,
        tenant: &TenantId,
        path: String,
        value: &Secret,
        overwrite: bool,
    ) -> Result<bool, Unavailable> {
        let written = self.client.put(&path, value.expose(), Kind::Secure, overwrite).await;
        if !written.map_err(|error| error.unavailable(WRITE))? {
            return Ok(false);
        }
        let tags = [("tenant", tenant.as_str()), ("stage", self.stage.as_str())];
        self.client.tag(&path, &tags).await.map_err(|error| error.unavailable(WRITE))?;
        self.known.forget(&path);
        Ok(true)
    }
}

impl<C: Clock> SecretCatalog for SsmSecrets<C> {
    async fn names(&self, tenant: &TenantId) -> Result<SecretNames, Unavailable> {
        let path = format!("{}/{tenant}", keys::secrets(&self.stage));
        let names = self.client.names_below(&path).await.map_err(|error| error.unavailable(LIST))?;
        let found = names.iter().filter_map(|name| keys::secret_of(&self.stage, name));
        Ok(found.filter(|(owner, ..)| owner == tenant).map(|(_, purpose, name)| (purpose, name)).collect())
    }
}

impl<C: Clock> Secrets for SsmSecrets<C> {
    async fn secret(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
    ) -> Result<Secret, SecretError> {
        let path = keys::secret(&self.stage, tenant, purpose, name);
        let missing = || SecretError::Missing(name.clone());
        match self.known.recall(&path, self.clock.now()) {
            Some(Known::Value(secret)) => return Ok(secret),
            Some(Known::Absent) => return Err(missing()),
            None => {}
        }
        let value = self.client.get(&path).await.map_err(|error| error.unavailable(READ))?;
        let Some(value) = value else {
            self.known.remember(path, None, self.clock.now());
            return Err(missing());
        };
        let secret = Secret::new(value);
        self.known.remember(path, Some(secret.clone()), self.clock.now());
        Ok(secret)
    }
}
