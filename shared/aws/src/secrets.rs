//! Tenants' secrets: the `SecureString` parameters `/acequia/<stage>/tenant/<tenant>/<purpose>/<name>`, remembered for a minute.

use acequia_core::id::{SecretName, Stage, TenantId};
use acequia_core::port::{Clock, SecretError, Secrets, Unavailable};
use acequia_core::secret::{Secret, SecretPurpose};
use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::operation::put_parameter::PutParameterError;
use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging, Tag};

use crate::Lazy;
use crate::error::EntryError;
use crate::keys;
use crate::memory::{Known, Memory};

const READ: &str = "read a secret";
const WRITE: &str = "write a secret";

/// The parameter store, with a memory.
pub struct SsmSecrets<C> {
    client: Lazy<Client>,
    stage: Stage,
    clock: C,
    known: Memory<Secret>,
}

impl<C: Clock> SsmSecrets<C> {
    /// The secrets of this stage.
    pub fn new(client: Lazy<Client>, stage: Stage, clock: C) -> Self {
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

    /// Writes a secret where there is none of this name, as [`SsmSecrets::put`] does; answers whether there was none. It reads nothing:
    /// who writes secrets need not be able to read them.
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
        let put = self.client.put_parameter().name(&path).r#type(ParameterType::SecureString).overwrite(overwrite);
        match put.value(value.expose()).send().await {
            Ok(_) => {}
            Err(error) if error.as_service_error().is_some_and(PutParameterError::is_parameter_already_exists) => {
                return Ok(false);
            }
            Err(error) => return Err(Unavailable::new(WRITE, error)),
        }
        let mut tagging =
            self.client.add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(&path);
        for (name, value) in [("tenant", tenant.as_str()), ("stage", self.stage.as_str())] {
            let tag = Tag::builder().key(name).value(value).build();
            tagging = tagging.tags(tag.map_err(|error| Unavailable::new(WRITE, error))?);
        }
        tagging.send().await.map_err(|error| Unavailable::new(WRITE, error))?;
        self.known.forget(&path);
        Ok(true)
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
        let missing = || SecretError::Missing(name.to_string());
        match self.known.recall(&path, self.clock.now()) {
            Some(Known::Value(secret)) => return Ok(secret),
            Some(Known::Absent) => return Err(missing()),
            None => {}
        }
        let answer = match self.client.get_parameter().name(&path).with_decryption(true).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
                self.known.remember(path, None, self.clock.now());
                return Err(missing());
            }
            Err(error) => return Err(Unavailable::new(READ, error).into()),
        };
        let value = answer.parameter.and_then(|parameter| parameter.value);
        let value = value.ok_or_else(|| Unavailable::new(READ, EntryError::new("Empty", "the answer has no value")))?;
        let secret = Secret::new(value);
        self.known.remember(path, Some(secret.clone()), self.clock.now());
        Ok(secret)
    }
}
