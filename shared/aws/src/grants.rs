//! What tenants' stacks allow: the parameters `/acequia/<stage>/grants/<tenant>` that the stacks write, remembered for
//! a minute.

use acequia_core::id::{Stage, TenantId};
use acequia_core::port::{Clock, GrantStore, Unavailable};
use acequia_core::tenant::grant::Grants;

use crate::memory::{Known, Memory};
use crate::{Lazy, ParameterStore, keys};

const READ: &str = "read what a tenant's stack allows";

/// The parameter store, with a memory.
pub struct SsmGrants<C> {
    client: Lazy<ParameterStore>,
    stage: Stage,
    clock: C,
    known: Memory<Grants>,
}

impl<C: Clock> SsmGrants<C> {
    /// The grants of this stage.
    pub fn new(client: Lazy<ParameterStore>, stage: Stage, clock: C) -> Self {
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
        let value = self.client.get(&path).await.map_err(|error| error.unavailable(READ))?;
        let grants = value.as_deref().map(Grants::parse).transpose().map_err(|error| Unavailable::new(READ, error))?;
        self.known.remember(path, grants.clone(), self.clock.now());
        Ok(grants.unwrap_or_default())
    }
}
