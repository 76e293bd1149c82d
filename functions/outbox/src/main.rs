//! The outbox's process: reads its environment, wires the outbox to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{
    Clients, DynamoConsents, DynamoLedger, DynamoTenants, SqsQueues, SsmSecrets, clients::function_config,
};
use acequia_lambda::{CachedTenants, Environment, SystemClock, Telemetry, serve_json, start_telemetry};
use lambda_runtime::Error;
use outbox::{Outbox, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let config = Config::from_env(environment)?;
    let installation = config.installation;
    let aws = function_config(&installation.reach);
    let (clients, clock) = (Clients::new(&aws), Arc::new(SystemClock));
    let tenants = DynamoTenants::new(clients.dynamodb.clone(), installation.tenants_table);
    let outbox = Outbox {
        tenants: CachedTenants::new(tenants, clock.clone()),
        ledger: DynamoLedger::new(clients.dynamodb.clone(), installation.ledger_table),
        queues: SqsQueues::new(clients.sqs),
        consents: DynamoConsents::new(clients.dynamodb, config.consents_table),
        secrets: SsmSecrets::new(clients.ssm, installation.stage.clone(), SystemClock),
        clock,
        stage: installation.stage,
        queue_arns: config.queue_arns,
        link_base: config.link_base,
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve_json(|event, deadline| outbox.serve(event, deadline)).await
}
