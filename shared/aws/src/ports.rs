//! The ports that every function of deliveries has, over one set of clients.

use acequia_core::port;

use crate::{
    Clients, DynamoConsents, DynamoDelays, DynamoEndpoints, DynamoLedger, DynamoRates, DynamoTenants, SnsAlerts,
    SqsQueues,
};

/// The ports of a function that works off a queue.
#[derive(Debug, Clone)]
pub struct Ports {
    /// The tenants' configurations.
    pub tenants: DynamoTenants,
    /// The memory of deliveries.
    pub ledger: DynamoLedger,
    /// SQS.
    pub queues: SqsQueues,
    /// Where messages wait for long.
    pub delays: DynamoDelays,
    /// The rates of sinks.
    pub rates: DynamoRates,
}

impl Ports {
    /// The ports over these clients and the tables of tenants, of the ledger, and of delayed messages.
    pub fn new(clients: &Clients, [tenants, ledger, delayed]: [&str; 3]) -> Self {
        let dynamodb = || clients.dynamodb.clone();
        Self {
            tenants: DynamoTenants::new(dynamodb(), tenants),
            ledger: DynamoLedger::new(dynamodb(), ledger),
            queues: SqsQueues::new(clients.sqs.clone()),
            delays: DynamoDelays::new(dynamodb(), delayed),
            rates: DynamoRates::new(dynamodb(), ledger),
        }
    }
}

impl port::Ports for Ports {
    type Tenants = DynamoTenants;
    type Ledger = DynamoLedger;
    type Queues = SqsQueues;
    type Delays = DynamoDelays;
    type Rates = DynamoRates;
    type Endpoints = DynamoEndpoints;
    type Alerts = SnsAlerts;
    type Consents = DynamoConsents;
}
