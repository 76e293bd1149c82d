//! The compact function's process: reads its environment, wires the function to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, Ports, S3ArchiveUpkeep, clients::function_config};
use acequia_lambda::environment::ArchiveInstallation;
use acequia_lambda::{Environment, SystemClock, serve_schedule, start_telemetry};
use compact::Compactor;
use serde_json::Value as Json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let ArchiveInstallation { installation, bucket } = ArchiveInstallation::from_env(environment)?;
    let aws = function_config(&installation.reach);
    let ports = Ports::new(&Clients::new(&aws), installation.tables());
    let compactor = &Compactor {
        archive: S3ArchiveUpkeep::new(&aws, &bucket),
        tenants: ports.tenants,
        clock: Arc::new(SystemClock),
    };
    serve_schedule(|_: Json, deadline| compactor.run(deadline)).await
}
