//! The archive function's process: reads its environment, wires the sink to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, Ports, S3Archive, clients::function_config};
use acequia_lambda::{
    BatchLoop, CachedTenants, Environment, RateLimiter, SinkLoop, SystemChance, SystemClock, Telemetry, Widths, serve,
    start_telemetry,
};
use archive::{ArchiveSink, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let Config { installation, bucket } = Config::from_env(environment)?;
    let aws = function_config(&installation.reach);
    let ports = Ports::new(&Clients::new(&aws), installation.tables());
    let clock = Arc::new(SystemClock);
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
        sink: ArchiveSink { archive: S3Archive::new(&aws, &bucket), clock },
    };
    serve(|event, deadline| sink_loop.handle(event, deadline)).await
}
