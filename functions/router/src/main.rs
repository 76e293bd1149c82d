//! The router's process: reads its environment, wires the router to AWS, and serves.

#![recursion_limit = "256"]

use acequia_aws::{Clients, DynamoConsents, Ports, clients::function_config};
use acequia_lambda::{BatchLoop, Environment, Telemetry, serve, start_telemetry};
use router::{Router, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let config = Config::from_env(environment)?;
    let installation = config.installation;
    let clients = Clients::new(&function_config(&installation.reach));
    let ports = Ports::new(&clients, installation.tables());
    let stores = (ports.tenants, ports.ledger, ports.queues, ports.delays);
    let router = Router::<Ports> {
        common: BatchLoop::on(stores, Telemetry::to_stdout(installation.reporting)),
        consents: DynamoConsents::new(clients.dynamodb, config.consents_table),
    };
    serve(|event, deadline| router.handle(event, deadline)).await
}
