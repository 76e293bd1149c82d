//! The command `receiver`: listens, prints where as one line of JSON, and serves until it is stopped.
#![expect(clippy::print_stdout, reason = "the address and the secrets are the output")]

use std::sync::Arc;

use clap::Parser;
use receiver::{Endpoint, Endpoints, Mode};
use serde_json::json;

/// Receives webhooks on loopback, verifies their signatures and answers as it is told to.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// An endpoint to begin with, NAME or NAME=SECRET (a secret is made where none is given); repeatable.
    #[arg(long = "endpoint", value_name = "NAME[=SECRET]")]
    endpoints: Vec<String>,
    /// How these endpoints answer: 200, "503 retry-after=2", hang, close, "slow 250", "flaky 0.3 seed=7" ...
    #[arg(long, default_value = "200")]
    mode: Mode,
    /// Keep the requests of these endpoints whole (GET /_receiver/requests?endpoint=NAME).
    #[arg(long)]
    record: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let endpoints = Arc::new(Endpoints::default());
    for text in &arguments.endpoints {
        let (name, secret) = text.split_once('=').map_or((text.as_str(), None), |(name, secret)| (name, Some(secret)));
        let secret = secret.map_or_else(receiver::new_secret, str::to_owned);
        let mut endpoint = Endpoint::new(vec![secret], arguments.record)?;
        endpoint.switch(arguments.mode.clone());
        endpoints.lock().insert(name.to_owned(), endpoint);
    }
    let listener = receiver::bind(arguments.port).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let secrets: serde_json::Map<String, serde_json::Value> =
        endpoints.lock().iter().map(|(name, endpoint)| (name.clone(), json!(endpoint.secrets()))).collect();
    println!("{}", json!({"address": address, "endpoints": secrets}));
    tokio::select! {
        _ = receiver::serve(listener, endpoints) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
