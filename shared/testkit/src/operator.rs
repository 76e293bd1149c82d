//! A stage as an operator sees it, in memory: its queues, found and measured, and whether its platform is there.

use std::collections::BTreeSet;

use acequia_core::id::{Stage, TenantId};
use acequia_core::port::{Platform, Presence, QueueAddresses, StageQueues, Unavailable};
use acequia_core::queue::{Depth, QueueArn, QueueName};

use crate::build::named_queue;
use crate::fault::Faults;
use crate::queues::InMemoryQueues;
use crate::shared::Shared;

/// The in-memory queues, as an operator finds them. A queue is there once it was made here.
#[derive(Debug, Clone, Default)]
pub struct InMemoryStageQueues {
    queues: InMemoryQueues,
    made: Shared<BTreeSet<QueueName>>,
    /// Makes finding and locating fail.
    pub finds: Faults,
    /// Makes measuring fail.
    pub depths: Faults,
}

impl InMemoryStageQueues {
    /// These queues.
    pub fn new(queues: InMemoryQueues) -> Self {
        Self { queues, ..Self::default() }
    }

    /// Makes a queue.
    pub fn make(&self, name: &QueueName) -> QueueArn {
        self.made.lock().insert(name.clone());
        named_queue(name)
    }

    /// Takes a queue away.
    pub fn remove(&self, name: &QueueName) {
        self.made.lock().remove(name);
    }

    /// The queues themselves.
    pub fn queues(&self) -> &InMemoryQueues {
        &self.queues
    }
}

impl QueueAddresses for InMemoryStageQueues {
    async fn locate(&self, name: &QueueName) -> Result<Option<QueueArn>, Unavailable> {
        self.finds.call("find the queues")?;
        Ok(self.made.lock().contains(name).then(|| named_queue(name)))
    }
}

impl StageQueues for InMemoryStageQueues {
    async fn find(&self, stage: &Stage, tenant: Option<&TenantId>) -> Result<Vec<QueueName>, Unavailable> {
        self.finds.call("find the queues")?;
        let made = self.made.lock();
        let asked = |name: &&QueueName| name.stage == *stage && tenant.is_none_or(|tenant| name.tenant == *tenant);
        Ok(made.iter().filter(asked).cloned().collect())
    }

    async fn depth(&self, queue: &QueueArn) -> Result<Depth, Unavailable> {
        self.depths.call("measure a queue")?;
        let depth = self.queues.depth(queue);
        Ok(Depth { visible: depth.visible as u64, in_flight: depth.hidden as u64, not_yet_visible: 0 })
    }
}

/// Whether the platform is there, as a test has it.
#[derive(Debug, Clone, Default)]
pub struct InMemoryPlatform {
    missing: Shared<bool>,
    /// Makes looking fail.
    pub looks: Faults,
    /// Refuses to let the operator look.
    pub refusals: Faults,
}

impl InMemoryPlatform {
    /// It is there.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on there is none.
    pub fn remove(&self) {
        *self.missing.lock() = true;
    }
}

impl Platform for InMemoryPlatform {
    async fn presence(&self) -> Result<Presence, Unavailable> {
        const OPERATION: &str = "look for the platform's tables";
        self.looks.call(OPERATION)?;
        if let Err(refused) = self.refusals.call(OPERATION) {
            return Ok(Presence::Hidden(refused));
        }
        Ok(if *self.missing.lock() { Presence::Missing } else { Presence::There })
    }
}
