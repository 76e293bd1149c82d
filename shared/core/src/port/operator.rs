//! What an operator asks of a stage, and a function has no need of: its queues, whether its platform is there, the
//! names of secrets.

use std::future::Future;

use super::Unavailable;
use crate::id::{Stage, TenantId};
use crate::queue::{Depth, QueueArn, QueueName};
use crate::secret::SecretNames;

/// Where queues are, by their names.
pub trait QueueAddresses: Send + Sync {
    /// The address of a queue; `None` where there is no such queue.
    fn locate(&self, name: &QueueName) -> impl Future<Output = Result<Option<QueueArn>, Unavailable>> + Send;
}

/// The queues of a stage, found by their names and measured. Nothing is received.
pub trait StageQueues: QueueAddresses {
    /// The queues of one tenant, or of all, dead-letter queues included, sorted by name.
    fn find(
        &self,
        stage: &Stage,
        tenant: Option<&TenantId>,
    ) -> impl Future<Output = Result<Vec<QueueName>, Unavailable>> + Send;
    /// How many messages a queue holds.
    fn depth(&self, queue: &QueueArn) -> impl Future<Output = Result<Depth, Unavailable>> + Send;
}

/// Whether a stage's platform is there, as far as these credentials can see.
#[derive(Debug)]
pub enum Presence {
    /// It is there.
    There,
    /// There is none of this stage in this account and region.
    Missing,
    /// The credentials do not allow to look, as a rule because the stage or the region is another one.
    Hidden(Unavailable),
}

/// The platform of a stage.
pub trait Platform: Send + Sync {
    /// Looks whether it is there.
    fn presence(&self) -> impl Future<Output = Result<Presence, Unavailable>> + Send;
}

/// Which secrets a tenant has. Their values are not read.
pub trait SecretCatalog: Send + Sync {
    /// What the tenant's secrets are for and called.
    fn names(&self, tenant: &TenantId) -> impl Future<Output = Result<SecretNames, Unavailable>> + Send;
}
