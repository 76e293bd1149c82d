//! The webhook function's process: reads its environment, wires the sink to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoEndpoints, Ports, SnsAlerts, SsmSecrets, clients::function_config};
use acequia_lambda::{
    BatchLoop, Breakers, Environment, RateLimiter, SinkLoop, SystemChance, SystemClock, Telemetry, Widths, serve,
    start_telemetry,
};
use webhook::{WebhookSink, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let config = Config::from_env(environment)?;
    let installation = config.installation;
    let clients = Clients::new(&function_config(&installation.reach));
    let ports = Ports::new(&clients, installation.tables());
    let clock = Arc::new(SystemClock);
    let endpoints = DynamoEndpoints::new(clients.dynamodb, &installation.ledger_table);
    let alerts = SnsAlerts::new(clients.sns, config.topic);
    let breakers = Breakers::new(endpoints, alerts, clock.clone(), Arc::new(SystemChance));
    let secrets = SsmSecrets::new(clients.ssm, installation.stage, SystemClock);
    let sink = WebhookSink::new(secrets, config.egress, installation.reach.authorities, clock.clone())?;
    let stores = (ports.tenants, ports.ledger, ports.queues, ports.delays);
    let sink_loop = SinkLoop::<Ports, _> {
        common: BatchLoop::on(stores, Telemetry::to_stdout(installation.reporting)),
        rate_limiter: RateLimiter::new(ports.rates, clock),
        breakers: Some(breakers),
        widths: Widths::default(),
        sink,
    };
    Box::pin(serve(|event, deadline| sink_loop.handle(event, deadline))).await
}
