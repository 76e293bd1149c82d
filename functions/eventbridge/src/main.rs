//! The eventbridge function's process: reads its environment, wires the sink to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, Ports, SsmGrants, clients::function_config};
use acequia_lambda::{
    BatchLoop, CachedTenants, Environment, RateLimiter, SinkLoop, SystemChance, SystemClock, Telemetry, Widths, serve,
    start_telemetry,
};
use eventbridge::{EventbridgeSink, config::Config, events::EventBridge};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let Config { installation } = Config::from_env(environment)?;
    let aws = function_config(&installation.reach);
    let clients = Clients::new(&aws);
    let ports = Ports::new(&clients, installation.tables());
    let clock = Arc::new(SystemClock);
    let grants = SsmGrants::new(clients.ssm, installation.stage, SystemClock);
    let sink_loop = SinkLoop::<Ports, _> {
        common: BatchLoop {
            tenants: CachedTenants::new(ports.tenants, clock.clone()),
            ledger: ports.ledger,
            queues: ports.queues,
            delays: ports.delays,
            clock: clock.clone(),
            chance: Arc::new(SystemChance),
            telemetry: Telemetry::to_stdout(installation.reporting),
        },
        rate_limiter: RateLimiter::new(ports.rates, clock.clone()),
        breakers: None,
        widths: Widths::default(),
        sink: EventbridgeSink { buses: EventBridge::new(aws), grants, clock },
    };
    serve(|event, deadline| sink_loop.handle(event, deadline)).await
}
