//! The forward function's process: reads its environment, wires the sink to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, Ports, SsmGrants, clients::function_config};
use acequia_lambda::{
    BatchLoop, Environment, RateLimiter, SinkLoop, SystemClock, Telemetry, Widths, serve, start_telemetry,
};
use forward::{ForwardSink, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let config = Config::from_env(environment)?;
    let installation = config.installation;
    let clients = Clients::new(&function_config(&installation.reach));
    let ports = Ports::new(&clients, installation.tables());
    let clock = Arc::new(SystemClock);
    let grants = SsmGrants::new(clients.ssm, installation.stage, SystemClock);
    let sink = ForwardSink { queues: ports.queues.clone(), grants, clock: clock.clone() };
    let stores = (ports.tenants, ports.ledger, ports.queues, ports.delays);
    let sink_loop = SinkLoop::<Ports, _> {
        common: BatchLoop::on(stores, Telemetry::to_stdout(installation.reporting)),
        rate_limiter: RateLimiter::new(ports.rates, clock),
        breakers: None,
        widths: Widths::default(),
        sink,
    };
    serve(|event, deadline| sink_loop.handle(event, deadline)).await
}
