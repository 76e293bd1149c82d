//! The bridge's process: reads its environment, wires the bridge to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoTenants, SqsQueues, SsmTopics, clients::function_config};
use acequia_lambda::{CachedTenants, Environment, SystemClock, Telemetry, serve_json, start_telemetry};
use kafka::{Bridge, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let installation = Config::from_env(environment)?.installation;
    let (clients, clock) = (Clients::new(&function_config(&installation.reach)), Arc::new(SystemClock));
    let bridge = Bridge {
        tenants: CachedTenants::new(DynamoTenants::new(clients.dynamodb, installation.tenants_table), clock.clone()),
        topics: SsmTopics::new(clients.ssm, installation.stage.clone(), SystemClock),
        queues: SqsQueues::new(clients.sqs),
        clock,
        stage: installation.stage,
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve_json(|event, deadline| bridge.serve(event, deadline)).await
}
