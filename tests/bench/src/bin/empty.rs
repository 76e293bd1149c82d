//! A function that does nothing: what the functions' start is compared with.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value as Json, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(|_event: LambdaEvent<Json>| async { Ok::<_, Error>(json!({})) })).await
}
