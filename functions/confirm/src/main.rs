//! The confirm function's process: reads its environment, wires the function to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoConsents, DynamoMailStore, DynamoTenants, SsmSecrets, clients::function_config};
use acequia_lambda::{CachedTenants, Environment, SystemClock, Telemetry, serve_http, start_telemetry};
use confirm::{Confirm, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let config = Config::from_env(environment)?;
    let installation = config.installation;
    let aws = function_config(&installation.reach);
    let (clients, clock) = (Clients::new(&aws), Arc::new(SystemClock));
    let tenants = DynamoTenants::new(clients.dynamodb.clone(), installation.tenants_table);
    let confirm = Confirm {
        tenants: CachedTenants::new(tenants, clock.clone()),
        consents: DynamoConsents::new(clients.dynamodb.clone(), config.consents_table.clone()),
        mail_store: DynamoMailStore::new(clients.dynamodb, config.consents_table),
        secrets: SsmSecrets::new(clients.ssm, installation.stage.clone(), SystemClock),
        clock,
        stage: installation.stage,
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    let confirm = &confirm;
    serve_http(|request, _deadline| async move { confirm.answer(&request.into()).await }).await
}
