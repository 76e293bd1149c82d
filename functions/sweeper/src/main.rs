//! The sweeper's process: reads its environment, wires the sweeper to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{
    Clients, DynamoJournal, DynamoLedger, DynamoParking, DynamoTenants, SqsQueues, operator::OperatorQueues,
};
use acequia_lambda::{Environment, SystemChance, SystemClock, Telemetry, serve_schedule, start_telemetry};
use sweeper::{AutoRedriver, Sweeper, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let installation = Config::from_env(environment)?.installation;
    let clients = Clients::new(&acequia_aws::clients::function_config(installation.region, installation.endpoint));
    let parked = DynamoParking::new(clients.dynamodb.clone(), installation.parked_table);
    let afterwards = AutoRedriver {
        stage: installation.stage.clone(),
        turns: parked.clone(),
        tenants: DynamoTenants::new(clients.dynamodb.clone(), installation.tenants_table),
        dead_letters: OperatorQueues::new(clients.sqs.clone()),
        journal: DynamoJournal::new(clients.dynamodb.clone(), installation.ledger_table.clone()),
        ledger: DynamoLedger::new(clients.dynamodb, installation.ledger_table),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
    };
    let sweeper = Sweeper {
        stage: installation.stage,
        parked,
        queues: SqsQueues::new(clients.sqs),
        afterwards,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve_schedule(|deadline| sweeper.handle(deadline)).await
}
