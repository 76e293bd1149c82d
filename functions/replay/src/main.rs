//! The replay function's process: reads its environment, wires the function to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoReplays, Ports, S3ArchiveReader, clients::function_config};
use acequia_lambda::environment::ArchiveInstallation;
use acequia_lambda::{Environment, SystemChance, SystemClock, Telemetry, serve_schedule, start_telemetry};
use replay::Replayer;
use serde_json::Value as Json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let ArchiveInstallation { installation, bucket } = ArchiveInstallation::from_env(environment)?;
    let aws = function_config(&installation.reach);
    let clients = Clients::new(&aws);
    let ports = Ports::new(&clients, installation.tables());
    let replayer = Replayer {
        archive: S3ArchiveReader::new(&aws, &bucket),
        ledger: ports.ledger,
        addresses: ports.queues.clone(),
        queues: ports.queues,
        replays: DynamoReplays::new(clients.dynamodb, &installation.tenants_table),
        tenants: ports.tenants,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        stage: installation.stage,
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve_schedule(|_: Json, deadline| replayer.handle(deadline)).await
}
