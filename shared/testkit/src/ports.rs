//! All ports in memory, for the loops over queues.

use acequia_core::port::Ports;

use crate::{
    InMemoryAlerts, InMemoryConsents, InMemoryDelays, InMemoryEndpoints, InMemoryLedger, InMemoryQueues, InMemoryRates,
    InMemoryTenants,
};

/// The environment of a test: nothing but memory.
#[derive(Debug, Clone, Copy)]
pub struct InMemory;

impl Ports for InMemory {
    type Tenants = InMemoryTenants;
    type Ledger = InMemoryLedger;
    type Queues = InMemoryQueues;
    type Delays = InMemoryDelays;
    type Rates = InMemoryRates;
    type Endpoints = InMemoryEndpoints;
    type Alerts = InMemoryAlerts;
    type Consents = InMemoryConsents;
}
