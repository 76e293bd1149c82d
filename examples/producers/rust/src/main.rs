//! Sends the events on the standard input, one JSON object a line, to Acequia over HTTP, and says which are refused.
#![expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a program for a shell")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value as Json;

/// Makes a request, again where that may help, always under the same name: nothing is taken twice.
async fn send(events: String) -> Result<(u16, Json)> {
    let [api, tenant, key] = ["ACEQUIA_API", "ACEQUIA_TENANT", "ACEQUIA_KEY"].map(std::env::var);
    let client = reqwest::Client::builder().timeout(Duration::from_secs(40)).build()?;
    let request = client.post(format!("{}/v1/tenants/{}/events", api?, tenant?)).bearer_auth(key?);
    let request = request.header("content-type", "application/x-ndjson").body(events);
    let request = request.header("idempotency-key", format!("{:032x}", rand::random::<u128>())).build()?;
    let mut attempt = 1;
    loop {
        let answered = client.execute(request.try_clone().context("the body is a stream")?).await;
        let status = answered.as_ref().map_or(0, |answer| answer.status().as_u16());
        if attempt == 6 || !matches!(status, 0 | 409 | 429 | 500..) {
            return Ok((status, serde_json::from_slice(&answered?.bytes().await?).unwrap_or_default()));
        }
        let after = answered.ok().and_then(|answer| answer.headers().get("retry-after")?.to_str().ok()?.parse().ok());
        tokio::time::sleep(Duration::from_secs(after.unwrap_or(attempt).min(30))).await;
        attempt += 1;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (status, answer) = send(std::io::read_to_string(std::io::stdin())?).await?;
    for (number, result) in (1..).zip(answer.get("results").and_then(Json::as_array).into_iter().flatten()) {
        if !matches!(result.get("status").and_then(Json::as_str), Some("accepted" | "duplicate")) {
            eprintln!("event {number}: {result}");
        }
    }
    ensure!(status == 202, "the API answers {status}: {}", answer.get("detail").unwrap_or(&answer));
    Ok(())
}
