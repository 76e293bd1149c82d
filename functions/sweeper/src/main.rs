//! The sweeper's process: reads its environment, wires the sweeper to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::operator::OperatorQueues;
use acequia_aws::{Clients, DynamoJournal, Ports, clients::function_config};
use acequia_lambda::{Environment, SystemChance, SystemClock, Telemetry, serve_schedule, start_telemetry};
use sweeper::{AutoRedriver, Sweeper, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let installation = Config::from_env(environment)?.installation;
    let clients = Clients::new(&function_config(&installation.reach));
    let ports = Ports::new(&clients, installation.tables());
    let afterwards = AutoRedriver {
        stage: installation.stage.clone(),
        turns: ports.parking.clone(),
        tenants: ports.tenants,
        dead_letters: OperatorQueues::new(clients.sqs),
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
    serve_schedule(|deadline| sweeper.handle(deadline)).await
}
