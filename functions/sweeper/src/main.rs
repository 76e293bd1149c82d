//! The sweeper's process: reads its environment, wires the sweeper to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoParking, SqsQueues};
use acequia_lambda::{Environment, SystemChance, SystemClock, Telemetry, serve_schedule, start_telemetry};
use sweeper::{Sweeper, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let installation = Config::from_env(environment)?.installation;
    let clients =
        Clients::new(&acequia_aws::clients::function_config(&installation.region, installation.endpoint.as_deref()));
    let sweeper = Sweeper {
        stage: installation.stage,
        parked: DynamoParking::new(clients.dynamodb, installation.parked_table),
        queues: SqsQueues::new(clients.sqs),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve_schedule(|deadline| sweeper.handle(deadline)).await
}
