//! The state that everything in a run shares: chance, weather, endpoints and history, behind one lock.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acequia_testkit::{
    FixedClock, InMemoryArchive, InMemoryDelays, InMemoryEndpoints, InMemoryGrants, InMemoryJournal, InMemoryLedger,
    InMemoryQueues, InMemoryRates, InMemoryTables, InMemoryTenants, InMemoryTopics,
};

use crate::dice::Dice;
use crate::history::{History, StoryKey};
use crate::mutation::Mutation;
use crate::run::Options;
use crate::weather::Weather;

/// What the lock guards.
#[derive(Debug)]
pub struct State {
    /// All chance.
    pub dice: Dice,
    /// How much goes wrong now.
    pub weather: Weather,
    /// What was seen.
    pub history: History,
    /// The endpoints that are out of order: by tenant and place of the sink.
    pub outages: BTreeSet<(usize, usize)>,
}

impl State {
    /// Whether the endpoint of a delivery is out of order.
    pub fn is_out(&self, key: StoryKey) -> bool {
        let event = self.history.scenario.events.iter().find(|event| event.identity == key.0);
        event.is_some_and(|event| self.outages.contains(&(event.tenant, key.1)))
    }
}

/// A handle to the world of one run.
#[derive(Debug, Clone)]
pub struct World {
    /// The true time.
    pub clock: FixedClock,
    /// The store of configurations, without perils.
    pub tenants: InMemoryTenants,
    /// What tenants' stacks allow, without perils.
    pub grants: InMemoryGrants,
    /// The ledger, without perils.
    pub ledger: InMemoryLedger,
    /// SQS, without perils.
    pub queues: InMemoryQueues,
    /// What is known of endpoints, without perils.
    pub endpoints: InMemoryEndpoints,
    /// The store of rates, without perils.
    pub rates: InMemoryRates,
    /// The archive, without perils.
    pub archive: InMemoryArchive,
    /// The databases, without perils.
    pub tables: InMemoryTables,
    /// The journal of redriving.
    pub journal: InMemoryJournal,
    /// Delayed messages, without perils.
    pub delays: InMemoryDelays,
    /// Whose the topics are, without perils.
    pub topics: InMemoryTopics,
    /// How the protocol is broken, where it is.
    pub mutation: Option<Mutation>,
    state: Arc<Mutex<State>>,
}

impl World {
    /// A world over new, empty ports.
    pub fn new(clock: FixedClock, state: State, options: Options) -> Self {
        Self {
            tenants: InMemoryTenants::new(),
            grants: InMemoryGrants::new(),
            ledger: InMemoryLedger::new(),
            queues: InMemoryQueues::new(clock.clone()),
            endpoints: InMemoryEndpoints::new(),
            rates: InMemoryRates::new(),
            archive: InMemoryArchive::new(),
            tables: tables(),
            journal: InMemoryJournal::new(),
            delays: InMemoryDelays::new(),
            topics: InMemoryTopics::new(),
            clock,
            mutation: options.mutation,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Locks the state. Nothing waits while it holds the lock.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The databases with the tables of the sinks that may write into one.
fn tables() -> InMemoryTables {
    let tables = InMemoryTables::new();
    for tenant in crate::scenario::TENANTS {
        if let Ok(database) = crate::scenario::database(tenant) {
            tables.create(&database, "public.events", &[("event", "json")], &[]);
        }
    }
    tables
}
