//! The ingest function's process: reads its environment, wires the door to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_access::{Settings, Verifier};
use acequia_aws::SsmIssuer;
use acequia_aws::clients::{Clients, function_config};
use acequia_lambda::{Environment, SystemClock, serve_http, start_telemetry};
use ingest::config::Config;
use ingest::{Aws, Door, Gate};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let Config { installation, egress } = Config::from_env(environment)?;
    let clients = Clients::new(&function_config(&installation.reach));
    let settings = Settings {
        stage: installation.stage.clone(),
        egress,
        authorities: installation.reach.authorities,
        issuers: Vec::new(),
    };
    let verifier = Verifier::new(settings, Aws::keys(&clients, &installation));
    let platform = SsmIssuer::new(clients.ssm.clone(), installation.stage.clone(), egress, SystemClock);
    let gate = Gate { verifier, platform, clock: Arc::new(SystemClock) };
    let door = Door::new(Aws::parts(&clients, installation, gate));
    let door = &door;
    serve_http(|request, deadline| async move { Box::pin(door.answer(&request, deadline)).await }).await
}
