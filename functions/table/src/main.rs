//! The table function's process: reads its environment, wires the sink to AWS and to databases, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, Ports, RdsTokens, SsmGrants, SsmSecrets, clients::function_config};
use acequia_lambda::{
    BatchLoop, CachedTenants, Environment, RateLimiter, SinkLoop, SystemChance, SystemClock, Telemetry, Widths, serve,
    start_telemetry,
};
use acequia_postgres::PostgresTables;
use table::{TableSink, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let Config { installation } = Config::from_env(environment)?;
    let aws = function_config(&installation.reach);
    let clients = Clients::new(&aws);
    let ports = Ports::new(&clients, installation.tables());
    let clock = Arc::new(SystemClock);
    let grants = SsmGrants::new(clients.ssm.clone(), installation.stage.clone(), SystemClock);
    let secrets = SsmSecrets::new(clients.ssm, installation.stage, SystemClock);
    let (tables, tokens) = (PostgresTables::new(), RdsTokens::new(&aws, SystemClock));
    let (chance, telemetry) = (Arc::new(SystemChance), Telemetry::to_stdout(installation.reporting));
    let tenants = CachedTenants::new(ports.tenants, clock.clone());
    let Ports { ledger, queues, delays, rates, .. } = ports;
    let sink_loop = SinkLoop::<Ports, _> {
        common: BatchLoop { tenants, ledger, queues, delays, clock: clock.clone(), chance, telemetry },
        rate_limiter: RateLimiter::new(rates, clock.clone()),
        breakers: None,
        widths: Widths::default(),
        sink: TableSink { tables, secrets, grants, tokens, clock },
    };
    serve(|event, deadline| sink_loop.handle(event, deadline)).await
}
