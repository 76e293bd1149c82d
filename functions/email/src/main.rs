//! The email function's process: reads its environment, wires the sink to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoConsents, DynamoMailStore, Ports, SsmGrants, SsmSecrets, clients::function_config};
use acequia_lambda::{BatchLoop, Environment, RateLimiter, SinkLoop, SystemClock, Telemetry, Widths};
use email::{EmailSink, config::Config, ses::SesMailer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    acequia_lambda::start_telemetry(&environment);
    let Config { installation, configuration_set, consents_table, link_base, rate, width } =
        Config::from_env(environment)?;
    let aws = function_config(&installation.reach);
    let (clients, clock) = (Clients::new(&aws), Arc::new(SystemClock));
    let ports = Ports::new(&clients, installation.tables());
    let sink = EmailSink {
        mailer: SesMailer::new(&aws, configuration_set),
        secrets: SsmSecrets::new(clients.ssm.clone(), installation.stage.clone(), SystemClock),
        grants: SsmGrants::new(clients.ssm, installation.stage, SystemClock),
        mail_store: DynamoMailStore::new(clients.dynamodb.clone(), consents_table.clone()),
        consents: DynamoConsents::new(clients.dynamodb, consents_table),
        clock: clock.clone(),
        link_base,
    };
    let stores = (ports.tenants, ports.ledger, ports.queues, ports.delays);
    let sink_loop = SinkLoop::<Ports, _> {
        common: BatchLoop::on(stores, Telemetry::to_stdout(installation.reporting)),
        rate_limiter: RateLimiter::new(ports.rates, clock).sharing(rate),
        breakers: None,
        widths: Widths::starting_at(width),
        sink,
    };
    acequia_lambda::serve(|event, deadline| sink_loop.handle(event, deadline)).await
}
