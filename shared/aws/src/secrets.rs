//! Tenants' secrets: `SecureString` parameters below `/acequia/<stage>/tenant/<tenant>/`, remembered for a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use acequia_core::id::{SecretName, Stage, TenantId};
use acequia_core::ledger::after;
use acequia_core::port::{Clock, SecretError, Secrets, Unavailable};
use acequia_core::secret::Secret;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::operation::put_parameter::PutParameterError;
use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging, Tag};
use jiff::Timestamp;

use crate::Lazy;
use crate::error::EntryError;
use crate::keys;

/// How long a value is used without asking again: a changed secret takes effect within this time.
const FRESH: Duration = Duration::from_mins(1);
/// The most values that are remembered. The parameter store allows 40 reads a second at no cost.
const MOST: usize = 500;

const READ: &str = "read a secret";
const WRITE: &str = "write a secret";

/// The parameter store, with a memory.
pub struct SsmSecrets<C> {
    client: Lazy<Client>,
    stage: Stage,
    clock: C,
    known: Mutex<HashMap<String, (Secret, Timestamp)>>,
}

impl<C: Clock> SsmSecrets<C> {
    /// The secrets of this stage.
    pub fn new(client: Lazy<Client>, stage: Stage, clock: C) -> Self {
        Self { client, stage, clock, known: Mutex::default() }
    }

    /// Writes a secret, new or changed, and tags it with its tenant. For operators: functions have no right to.
    ///
    /// # Errors
    /// When the parameter store does not take it.
    pub async fn put(&self, tenant: &TenantId, name: &SecretName, value: &Secret) -> Result<(), Unavailable> {
        self.write(tenant, name, value, true).await.map(drop)
    }

    /// Writes a secret where there is none of this name, as [`SsmSecrets::put`] does; answers whether there was none. It reads nothing:
    /// who writes secrets need not be able to read them.
    ///
    /// # Errors
    /// When the parameter store does not take it.
    pub async fn put_new(&self, tenant: &TenantId, name: &SecretName, value: &Secret) -> Result<bool, Unavailable> {
        self.write(tenant, name, value, false).await
    }

    async fn write(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        value: &Secret,
        overwrite: bool,
    ) -> Result<bool, Unavailable> {
        let path = keys::secret(&self.stage, tenant, name);
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
        self.memory().remove(&path);
        Ok(true)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Secret, Timestamp)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, path: &str) -> Option<Secret> {
        let now = self.clock.now();
        self.memory().get(path).filter(|(_, until)| *until > now).map(|(secret, _)| secret.clone())
    }

    fn remember(&self, path: String, secret: Secret) {
        let now = self.clock.now();
        let mut known = self.memory();
        if known.len() >= MOST {
            known.retain(|_, (_, until)| *until > now);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(path, (secret, after(now, FRESH)));
    }
}

impl<C: Clock> Secrets for SsmSecrets<C> {
    async fn secret(&self, tenant: &TenantId, name: &SecretName) -> Result<Secret, SecretError> {
        let path = keys::secret(&self.stage, tenant, name);
        if let Some(secret) = self.recall(&path) {
            return Ok(secret);
        }
        let answer = match self.client.get_parameter().name(&path).with_decryption(true).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
                return Err(SecretError::Missing(name.to_string()));
            }
            Err(error) => return Err(Unavailable::new(READ, error).into()),
        };
        let value = answer.parameter.and_then(|parameter| parameter.value);
        let value = value.ok_or_else(|| Unavailable::new(READ, EntryError::new("Empty", "the answer has no value")))?;
        let secret = Secret::new(value);
        self.remember(path, secret.clone());
        Ok(secret)
    }
}
