//! The sweeper and the watch on AWS.

use std::sync::Arc;

use acequia_aws::operator::OperatorQueues;
use acequia_aws::{
    Clients, CloudWatchAges, DynamoDelays, DynamoFindings, DynamoJournal, DynamoLedger, DynamoTenants, Ports,
    SnsAlerts, SqsQueues, clients::function_config,
};
use acequia_lambda::{SystemChance, SystemClock, Telemetry};
use sweeper::{AutoRedriver, Sweeper, Watcher, config::Config};

type Redriver = AutoRedriver<DynamoDelays, DynamoTenants, OperatorQueues, DynamoJournal, DynamoLedger>;
type Queues = OperatorQueues;

/// The two tasks.
pub(crate) struct Tasks {
    pub(crate) sweeper: Sweeper<DynamoDelays, SqsQueues, Redriver>,
    pub(crate) watcher: Watcher<DynamoDelays, Queues, CloudWatchAges, DynamoFindings, Queues, SnsAlerts>,
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
        turns: ports.delays.clone(),
        queues: queues.clone(),
        ages: CloudWatchAges::new(&config),
        findings: DynamoFindings::new(clients.dynamodb.clone(), &installation.delayed_table),
        dead_letters: queues.clone(),
        alerts: SnsAlerts::new(clients.sns.clone(), topic),
        clock: Arc::new(SystemClock),
        telemetry: Telemetry::to_stdout(installation.reporting.clone()),
    };
    let afterwards = AutoRedriver {
        stage: installation.stage.clone(),
        leases: ports.delays.clone(),
        tenants: ports.tenants,
        dead_letters: queues,
        journal: DynamoJournal::new(clients.dynamodb, &installation.ledger_table),
        ledger: ports.ledger,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
    };
    let sweeper = Sweeper {
        stage: installation.stage,
        delayed: ports.delays,
        queues: ports.queues,
        afterwards,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    Tasks { sweeper, watcher }
}
