//! The audit function's process: reads its environment, wires the function to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{S3AuditCopies, clients::function_config};
use acequia_lambda::{Environment, SystemClock, Telemetry, serve_json, start_telemetry};
use audit::{Audit, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let Config { installation, bucket } = Config::from_env(environment)?;
    let aws = function_config(&installation.reach);
    let audit = Audit {
        copies: bucket.map(|bucket| S3AuditCopies::new(&aws, &bucket, installation.stage.clone())),
        clock: Arc::new(SystemClock),
        stage: installation.stage,
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve_json(|event, deadline| audit.serve(event, deadline)).await
}
