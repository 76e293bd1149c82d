//! What it costs to take a million events in over HTTP: the agreed counts at list prices, without the duration of
//! invocations, which is measured ([`super::latency`]).

use anyhow::Result;
use stub::Counts;
use stub::scenario::{self, DOOR, REQUESTS, Scenario};

use crate::cost::{Cost, agreed};
use crate::price;
use crate::table::markdown;

/// The counts that one request of so many events stands for, and how many events they are of. Permits of a rate are
/// taken a hundred at a time, so that a request of one event has its share of the call of a hundred.
fn counts(scenario: &Scenario, events: usize) -> Result<(Counts, usize, Counts)> {
    let own = agreed(scenario, events)?;
    let largest = REQUESTS.into_iter().max().unwrap_or(events);
    let is_shared = scenario.name == "rate";
    let of = if is_shared { largest } else { events };
    let stored = agreed(scenario, of)?;
    Ok((own, of, stored))
}

/// What a million events cost at the door, by what the tenant and its client want.
///
/// # Errors
/// When the agreed counts cannot be read, or an operation has no price.
pub fn table() -> Result<String> {
    let mut rows = Vec::new();
    for scenario in scenario::of(DOOR) {
        for events in REQUESTS {
            let (own, of, stored) = counts(&scenario, events)?;
            let sent = Cost::of_calls(&own, events)?;
            let dynamodb = Cost::of_calls(&stored, of)?.dynamodb;
            #[expect(clippy::cast_precision_loss, reason = "a request has at most a thousand events")]
            let each = 1.0 / events as f64;
            let api = each * price::HTTP_API_REQUESTS;
            let parts = [api, sent.lambda, sent.sqs, dynamodb, api + sent.lambda + sent.sqs + dynamodb];
            let texts = [scenario.name.to_owned(), events.to_string()];
            rows.push(texts.into_iter().chain(parts.map(|dollars| format!("{dollars:.3}"))).collect());
        }
    }
    let header = ["use", "events a request", "HTTP API $", "Lambda $", "SQS $", "DynamoDB $", "sum $"];
    Ok(markdown(&header, 1, rows))
}
