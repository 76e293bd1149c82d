//! The forward function's process: reads its environment, wires the sink to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{Clients, DynamoLedger, DynamoParking, DynamoRates, DynamoTenants, SqsQueues};
use acequia_lambda::{
    CachedTenants, Environment, Pace, SinkLoop, SystemChance, SystemClock, Telemetry, serve, start_telemetry,
};
use forward::{ForwardSink, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let config = Config::from_env(environment)?;
    let installation = config.installation;
    let clients = Clients::new(&acequia_aws::clients::function_config(installation.region, installation.endpoint));
    let clock = Arc::new(SystemClock);
    let sink = ForwardSink { queues: SqsQueues::new(clients.sqs.clone()), clock: clock.clone() };
    let pace = Pace::new(DynamoRates::new(clients.dynamodb.clone(), installation.ledger_table.clone()), clock.clone());
    let sink_loop = SinkLoop {
        tenants: CachedTenants::new(
            DynamoTenants::new(clients.dynamodb.clone(), installation.tenants_table),
            clock.clone(),
        ),
        ledger: DynamoLedger::new(clients.dynamodb.clone(), installation.ledger_table),
        queues: SqsQueues::new(clients.sqs),
        parking: DynamoParking::new(clients.dynamodb, installation.parked_table),
        pace,
        sink,
        clock,
        chance: Arc::new(SystemChance),
        telemetry: Telemetry::to_stdout(installation.reporting),
    };
    serve(|event, deadline| sink_loop.handle(event, deadline)).await
}
