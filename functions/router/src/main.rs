//! The router's process: reads its environment, wires the router to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoConsents, DynamoLedger, DynamoTenants, SqsQueues};
use acequia_lambda::{CachedTenants, Environment, SystemChance, SystemClock, Telemetry, serve, start_telemetry};
use router::{Router, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let config = Config::from_env(environment)?;
    let installation = config.installation;
    let aws = acequia_aws::clients::function_config(installation.region, installation.endpoint);
    let clients = Clients::new(&aws);
    let clock = Arc::new(SystemClock);
    let router = Router {
        tenants: CachedTenants::new(
            DynamoTenants::new(clients.dynamodb.clone(), installation.tenants_table),
            clock.clone(),
        ),
        consents: DynamoConsents::new(clients.dynamodb.clone(), config.consents_table),
        ledger: DynamoLedger::new(clients.dynamodb, installation.ledger_table),
        queues: SqsQueues::new(clients.sqs),
        clock,
        chance: Arc::new(SystemChance),
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve(|event, _deadline| router.handle(event)).await
}
