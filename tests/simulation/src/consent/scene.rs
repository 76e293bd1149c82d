//! What everything in a run shares: the world of the simulator, with the stores of consent beside it and what was seen
//! of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acequia_core::id::TenantId;
use acequia_core::secret::SecretPurpose;
use acequia_testkit::{InMemoryConsents, InMemoryMailStore, InMemorySecrets, build};

use super::mutation::Mutation;
use super::scenario::{KEY, KEY_NAME, Scenario};
use super::seen::Seen;
use crate::world::World;

/// A handle to the scene of one run.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Time, chance, weather and trace; SQS, the ledger, the configurations and delayed messages.
    pub world: World,
    /// The store of consents, without perils.
    pub consents: InMemoryConsents,
    /// What is known of addresses, without perils.
    pub mail_store: InMemoryMailStore,
    /// The tenants' secrets.
    pub secrets: InMemorySecrets,
    /// How consent is broken, where it is.
    pub mutation: Option<Mutation>,
    seen: Arc<Mutex<Seen>>,
}

impl Scene {
    /// A scene in which nothing has happened yet.
    pub fn new(world: World, scenario: Scenario, mutation: Option<Mutation>) -> Self {
        let secrets = InMemorySecrets::new();
        for tenant in &scenario.tenants {
            world.tenants.put(&tenant.id, tenant.document());
            world.grants.put(&tenant.id, &format!("{}.example", tenant.id), "");
            secrets.put(&tenant.id, SecretPurpose::Link, &build::secret_name(KEY_NAME), KEY);
        }
        Self {
            consents: InMemoryConsents::new(),
            mail_store: InMemoryMailStore::new(),
            secrets,
            mutation,
            seen: Arc::new(Mutex::new(Seen::new(world.clock.clone(), scenario))),
            world,
        }
    }

    /// What was seen. Nothing waits, and nothing else is locked, while it is held.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenants.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.seen().scenario.tenants.iter().map(|tenant| tenant.id.clone()).collect()
    }

    /// Adds a line to the trace.
    pub fn note(&self, who: u64, what: &str) {
        self.world.lock().history.note(who, format_args!("{what}"));
    }

    /// Reports what must not have happened.
    pub fn hold(&self, who: u64, held: Result<(), String>) {
        if let Err(broken) = held {
            self.world.lock().history.report(who, format_args!("{broken}"));
        }
    }
}
