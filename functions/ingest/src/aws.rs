//! The door's ports on AWS.

use std::sync::Arc;

use acequia_aws::{
    Clients, DynamoApiKeys, DynamoIntake, DynamoLedger, DynamoRates, DynamoReplays, DynamoTenants, SqsQueues,
};
use acequia_lambda::environment::Installation;
use acequia_lambda::{CachedTenants, SystemChance, SystemClock, Telemetry};

use crate::door::{DoorPorts, Parts};
use crate::gate::Gate;

/// AWS.
#[derive(Debug)]
pub struct Aws;

impl DoorPorts for Aws {
    type Tenants = DynamoTenants;
    type Guard = Gate<DynamoApiKeys>;
    type Queues = SqsQueues;
    type QueueAddresses = SqsQueues;
    type Intake = DynamoIntake;
    type Rates = DynamoRates;
    type Ledger = DynamoLedger;
    type Replays = DynamoReplays;
}

impl Aws {
    /// The tenants' API keys.
    pub fn keys(clients: &Clients, installation: &Installation) -> DynamoApiKeys {
        DynamoApiKeys::new(
            clients.dynamodb.clone(),
            installation.tenants_table.clone(),
            installation.ledger_table.clone(),
        )
    }

    /// What the door is made of.
    pub fn parts(clients: &Clients, installation: Installation, guard: Gate<DynamoApiKeys>) -> Parts<Self> {
        let Installation { stage, tenants_table, ledger_table, reporting, .. } = installation;
        let clock = Arc::new(SystemClock);
        let dynamodb = || clients.dynamodb.clone();
        Parts {
            replays: DynamoReplays::new(dynamodb(), tenants_table.clone()),
            tenants: CachedTenants::new(DynamoTenants::new(dynamodb(), tenants_table), clock.clone()),
            guard,
            queues: SqsQueues::new(clients.sqs.clone()),
            addresses: SqsQueues::new(clients.sqs.clone()),
            intake: DynamoIntake::new(dynamodb(), ledger_table.clone()),
            rates: DynamoRates::new(dynamodb(), ledger_table.clone()),
            ledger: DynamoLedger::new(dynamodb(), ledger_table),
            clock,
            chance: Arc::new(SystemChance),
            stage,
            telemetry: Telemetry::to_stdout(reporting),
        }
    }
}
