//! The sweeper and the watch on AWS.

use std::sync::Arc;

use acequia_aws::operator::OperatorQueues;
use acequia_aws::{
    Clients, CloudWatchAges, DynamoFindings, DynamoJournal, DynamoLedger, DynamoParking, DynamoTenants, Ports,
    SnsOperators, SqsQueues, clients::function_config,
};
use acequia_lambda::{SystemChance, SystemClock, Telemetry};
use sweeper::{AutoRedriver, Sweeper, Watcher, config::Config};

type Redriver = AutoRedriver<DynamoParking, DynamoTenants, OperatorQueues, DynamoJournal, DynamoLedger>;
type Queues = OperatorQueues;

/// The two tasks.
pub(crate) struct Tasks {
    pub(crate) sweeper: Sweeper<DynamoParking, SqsQueues, Redriver>,
    pub(crate) watcher: Watcher<DynamoParking, Queues, CloudWatchAges, DynamoFindings, Queues, SnsOperators>,
}

/// Wires both to their ports.
pub(crate) fn wire(Config { installation, limits, topic }: Config) -> Tasks {
    let config = function_config(&installation.reach);
    let clients = Clients::new(&config);
    let ports = Ports::new(&clients, installation.tables());
    let queues = OperatorQueues::new(clients.sqs.clone());
    let watcher = Watcher {
        stage: installation.stage.clone(),
        limits,
        turns: ports.parking.clone(),
        queues: queues.clone(),
        ages: CloudWatchAges::new(&config),
        findings: DynamoFindings::new(clients.dynamodb.clone(), &installation.parked_table),
        dead_letters: queues.clone(),
        operators: SnsOperators::new(clients.sns.clone(), topic),
        clock: Arc::new(SystemClock),
        telemetry: Telemetry::to_stdout(installation.reporting.clone()),
    };
    let afterwards = AutoRedriver {
        stage: installation.stage.clone(),
        turns: ports.parking.clone(),
        tenants: ports.tenants,
        dead_letters: queues,
        journal: DynamoJournal::new(clients.dynamodb, &installation.ledger_table),
        ledger: ports.ledger,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
    };
    let sweeper = Sweeper {
        stage: installation.stage,
        parked: ports.parking,
        queues: ports.queues,
        afterwards,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    Tasks { sweeper, watcher }
}
