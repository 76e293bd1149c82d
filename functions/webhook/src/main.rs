//! The webhook function's process: reads its environment, wires the sink to AWS, and serves.

#![recursion_limit = "256"]

use std::sync::Arc;

use acequia_aws::{
    Clients, DynamoEndpoints, DynamoLedger, DynamoParking, DynamoRates, DynamoTenants, SnsOperators, SqsQueues,
    SsmSecrets,
};
use acequia_lambda::{
    CachedTenants, Environment, Pace, SinkLoop, SystemChance, SystemClock, Telemetry, serve, start_telemetry,
};
use webhook::{WebhookSink, breakers::Breakers, config::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let config = Config::from_env(environment)?;
    let installation = config.installation;
    let clients = Clients::new(&acequia_aws::clients::function_config(installation.region, installation.endpoint));
    let clock = Arc::new(SystemClock);
    let tenants = DynamoTenants::new(clients.dynamodb.clone(), installation.tenants_table);
    let sink = WebhookSink {
        breakers: Breakers::new(
            DynamoEndpoints::new(clients.dynamodb.clone(), installation.ledger_table.clone()),
            SnsOperators::new(clients.sns, config.topic),
            clock.clone(),
            Arc::new(SystemChance),
        ),
        secrets: SsmSecrets::new(clients.ssm, installation.stage, SystemClock),
        client: webhook::egress::client(config.egress)?,
        egress: config.egress,
        clock: clock.clone(),
    };
    let pace = Pace::new(DynamoRates::new(clients.dynamodb.clone(), installation.ledger_table.clone()), clock.clone());
    let sink_loop = SinkLoop {
        tenants: CachedTenants::new(tenants, clock.clone()),
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
