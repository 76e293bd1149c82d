//! The sweeper's process: reads its environment, wires its tasks to AWS, and serves.

#![recursion_limit = "256"]

mod wiring;

use acequia_lambda::{Environment, serve_schedule, start_telemetry};
use serde_json::Value as Json;
use sweeper::{SweepFailed, Task, config::Config};
use wiring::Tasks;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    start_telemetry(&environment);
    let Tasks { sweeper, watcher } = &wiring::wire(Config::from_env(environment)?);
    serve_schedule(|payload: Json, deadline| async move {
        match Task::of(&payload) {
            Task::Sweep => sweeper.handle(deadline).await,
            Task::Watch { looks } => {
                watcher.handle(looks, deadline).await;
                Ok::<(), SweepFailed>(())
            }
        }
    })
    .await
}
