//! What tenants' stacks allow: the parameters `/acequia/<stage>/grants/<tenant>` that the stacks write, remembered for a minute.

use acequia_core::grant::Grants;
use acequia_core::id::{Stage, TenantId};
use acequia_core::port::{Clock, GrantStore, Unavailable};
use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;

use crate::memory::{Known, Memory};
use crate::{Lazy, keys};

const READ: &str = "read what a tenant's stack allows";

/// The parameter store, with a memory.
pub struct SsmGrants<C> {
    client: Lazy<Client>,
    stage: Stage,
    clock: C,
    known: Memory<Grants>,
}

impl<C: Clock> SsmGrants<C> {
    /// The grants of this stage.
    pub fn new(client: Lazy<Client>, stage: Stage, clock: C) -> Self {
        Self { client, stage, clock, known: Memory::new() }
    }
}

impl<C: Clock> GrantStore for SsmGrants<C> {
    async fn grants(&self, tenant: &TenantId) -> Result<Grants, Unavailable> {
        let path = keys::grants(&self.stage, tenant);
        match self.known.recall(&path, self.clock.now()) {
            Some(Known::Value(grants)) => return Ok(grants),
            Some(Known::Absent) => return Ok(Grants::default()),
            None => {}
        }
        let value = match self.client.get_parameter().name(&path).send().await {
            Ok(answer) => answer.parameter.and_then(|parameter| parameter.value),
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => None,
            Err(error) => return Err(Unavailable::new(READ, error)),
        };
        let grants = value.as_deref().map(Grants::parse).transpose().map_err(|error| Unavailable::new(READ, error))?;
        self.known.remember(path, grants.clone(), self.clock.now());
        Ok(grants.unwrap_or_default())
    }
}
