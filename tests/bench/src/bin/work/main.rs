//! What runs under callgrind: as little as can be beside the code whose instructions are counted.

#![recursion_limit = "256"]

mod door;
mod least;
mod ledger;
mod ours;

use acequia_aws::{Clients, clients::function_config};
use acequia_core::egress::{Authorities, Reach};
use anyhow::{Context as _, Result, bail};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ledger", rounds] => ledger::run(rounds.parse().context("the number of rounds is none")?).await,
        ["least"] => least::run().await,
        ["ours", stub::scenario::DOOR, document, events] => door::run(document, events).await,
        ["ours", function, document, events] => ours::run(function, document, events, 1).await,
        ["ours", function, document, events, rounds] => {
            ours::run(function, document, events, rounds.parse().context("the number of rounds is none")?).await
        }
        _ => bail!("work ledger ROUNDS, work least, or work ours FUNCTION DOCUMENT EVENTS [ROUNDS]"),
    }
}

/// The clients of a function whose AWS is at this endpoint.
fn clients(endpoint: String) -> Clients {
    let endpoint = Some(endpoint);
    Clients::new(&function_config(&Reach { region: "us-east-1".to_owned(), endpoint, authorities: Authorities::Built }))
}
