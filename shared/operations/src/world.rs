//! A stage in memory, for the tests of use cases.

use acequia_core::id::Stage;
use acequia_core::port::{
    ApiKeys, ArchiveEraser, Chance, Clock, Consents, DeadLetters, DelayedMessages, EndpointStore, GrantStore, Ledger,
    Platform, Queues, RedriveJournal, ReplayStore, SecretCatalog, StageQueues, SuppressionList, TenantStore,
};
use acequia_core::queue::QueueArn;
use acequia_testkit::{
    FixedClock, InMemoryArchive, InMemoryConsents, InMemoryDelays, InMemoryEndpoints, InMemoryGrants, InMemoryJournal,
    InMemoryLedger, InMemoryMailStore, InMemoryPlatform, InMemoryQueues, InMemoryReplays, InMemorySecrets,
    InMemoryStageQueues, InMemoryTenants, SeededChance, build,
};

use crate::Ports;

/// All ports in memory; each field is a handle on what the use case sees.
pub(crate) struct World {
    stage: Stage,
    pub(crate) clock: FixedClock,
    pub(crate) chance: SeededChance,
    pub(crate) platform: InMemoryPlatform,
    pub(crate) tenants: InMemoryTenants,
    pub(crate) grants: InMemoryGrants,
    pub(crate) secrets: InMemorySecrets,
    pub(crate) stage_queues: InMemoryStageQueues,
    pub(crate) queues: InMemoryQueues,
    pub(crate) journal: InMemoryJournal,
    pub(crate) archive: InMemoryArchive,
    pub(crate) replays: InMemoryReplays,
    pub(crate) ledger: InMemoryLedger,
    pub(crate) delays: InMemoryDelays,
    pub(crate) endpoints: InMemoryEndpoints,
    pub(crate) consents: InMemoryConsents,
    pub(crate) mail_store: InMemoryMailStore,
}

impl Default for World {
    fn default() -> Self {
        let clock = FixedClock::default();
        let queues = InMemoryQueues::new(clock.clone());
        Self {
            stage: build::stage(),
            clock,
            chance: SeededChance::default(),
            platform: InMemoryPlatform::new(),
            tenants: InMemoryTenants::new(),
            grants: InMemoryGrants::new(),
            secrets: InMemorySecrets::new(),
            stage_queues: InMemoryStageQueues::new(queues.clone()),
            queues,
            journal: InMemoryJournal::new(),
            archive: InMemoryArchive::new(),
            replays: InMemoryReplays::new(),
            ledger: InMemoryLedger::new(),
            delays: InMemoryDelays::new(),
            endpoints: InMemoryEndpoints::new(),
            consents: InMemoryConsents::new(),
            mail_store: InMemoryMailStore::new(),
        }
    }
}

impl Ports for World {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn clock(&self) -> impl Clock {
        self.clock.clone()
    }

    fn chance(&self) -> impl Chance {
        self.chance.clone()
    }

    fn api_keys(&self) -> impl ApiKeys {
        self.tenants.clone()
    }

    fn platform(&self) -> impl Platform {
        self.platform.clone()
    }

    fn tenants(&self) -> impl TenantStore {
        self.tenants.clone()
    }

    fn grants(&self) -> impl GrantStore {
        self.grants.clone()
    }

    fn secret_catalog(&self) -> impl SecretCatalog {
        self.secrets.clone()
    }

    fn stage_queues(&self) -> impl StageQueues {
        self.stage_queues.clone()
    }

    fn dead_letters(&self) -> impl DeadLetters {
        self.queues.clone()
    }

    fn journal(&self) -> impl RedriveJournal {
        self.journal.clone()
    }

    fn sending(&self) -> impl Queues {
        self.queues.clone()
    }

    fn archive(&self, _: &QueueArn) -> impl ArchiveEraser {
        self.archive.clone()
    }

    fn archive_upkeep(&self, _: &QueueArn) -> impl acequia_archive::compact::Compactable {
        self.archive.clone()
    }

    fn replays(&self) -> impl ReplayStore {
        self.replays.clone()
    }

    fn ledger(&self) -> impl Ledger {
        self.ledger.clone()
    }

    fn delayed_messages(&self) -> impl DelayedMessages {
        self.delays.clone()
    }

    fn endpoints(&self) -> impl EndpointStore {
        self.endpoints.clone()
    }

    fn consents(&self) -> impl Consents {
        self.consents.clone()
    }

    fn suppression_list(&self) -> impl SuppressionList {
        self.mail_store.clone()
    }
}
