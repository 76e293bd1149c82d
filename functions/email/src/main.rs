//! The email function's process: reads its environment, wires the sink to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoConsents, DynamoLedger, DynamoMailBook, DynamoTenants, SqsQueues, SsmSecrets};
use acequia_lambda::{
    CachedTenants, Environment, SinkLoop, SystemChance, SystemClock, Telemetry, serve, start_telemetry,
};
use email::ses::SesMailer;
use email::{EmailSink, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let Config { installation, configuration_set, consents_table, link_base } = Config::from_env(environment)?;
    let aws = acequia_aws::clients::function_config(installation.region, installation.endpoint);
    let (clients, clock) = (Clients::new(&aws), Arc::new(SystemClock));
    let tenants = DynamoTenants::new(clients.dynamodb.clone(), installation.tenants_table);
    let sink = EmailSink {
        mailer: SesMailer::new(&aws, configuration_set),
        secrets: SsmSecrets::new(clients.ssm, installation.stage, SystemClock),
        book: DynamoMailBook::new(clients.dynamodb.clone(), consents_table.clone()),
        consents: DynamoConsents::new(clients.dynamodb.clone(), consents_table),
        clock: clock.clone(),
        link_base,
    };
    let sink_loop = SinkLoop {
        tenants: CachedTenants::new(tenants, clock.clone()),
        ledger: DynamoLedger::new(clients.dynamodb, installation.ledger_table),
        queues: SqsQueues::new(clients.sqs),
        sink,
        clock,
        chance: Arc::new(SystemChance),
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve(|event, deadline| sink_loop.handle(event, deadline)).await
}
