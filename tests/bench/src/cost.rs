//! The agreed counts with what they cost: tables that follow from `tools/stub/counts.txt` and the list prices alone.

use anyhow::{Context as _, Result};
use stub::scenario::{self, BATCHES, Scenario};
use stub::{Counts, gate};

use crate::price;
use crate::table::markdown;

/// What a million messages cost, by service.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// SQS: what the function sends, and what Lambda's poller receives and deletes.
    pub sqs: f64,
    /// `DynamoDB`.
    pub dynamodb: f64,
    /// Lambda's invocations, without their duration.
    pub lambda: f64,
    /// SES.
    pub ses: f64,
}

impl Cost {
    /// Of calls that were made for `messages` messages of a queue in one batch: Lambda's poller is in it.
    ///
    /// # Errors
    /// When an operation has no price.
    pub fn of(counts: &Counts, messages: usize) -> Result<Self> {
        let calls = Self::of_calls(counts, messages)?;
        Ok(Self { sqs: calls.sqs + 2.0 / price::POLLED_PER_CALL * price::SQS_STANDARD, ..calls })
    }

    /// Of calls that were made for `messages` messages in one invocation.
    ///
    /// # Errors
    /// When an operation has no price.
    pub fn of_calls(counts: &Counts, messages: usize) -> Result<Self> {
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most thousands of messages and calls")]
        let share = |units: u64| units as f64 / messages as f64;
        let mut cost = Self { lambda: share(1) * price::LAMBDA_REQUESTS, ..Self::default() };
        for (operation, tally) in counts.iter() {
            let price = price::per_million(operation)
                .with_context(|| format!("{operation} has no price: add it to tests/bench/src/price.rs"))?;
            let dollars = share(tally.units) * price;
            match operation.split(':').next() {
                Some("sqs") => cost.sqs += dollars,
                Some("dynamodb") => cost.dynamodb += dollars,
                _ => cost.ses += dollars,
            }
        }
        Ok(cost)
    }

    /// All of it.
    pub fn total(&self) -> f64 {
        self.sqs + self.dynamodb + self.lambda + self.ses
    }

    fn cells(&self) -> [String; 5] {
        [self.sqs, self.dynamodb, self.lambda, self.ses, self.total()].map(|dollars| format!("{dollars:.3}"))
    }
}

pub(crate) fn agreed(scenario: &Scenario, batch: usize) -> Result<Counts> {
    let counts = gate::agreed(scenario.function, scenario.name, scenario.record, &batch.to_string())?;
    anyhow::ensure!(
        counts.iter().count() > 0,
        "tools/stub/counts.txt has no row of {} | {} | {}: ACEQUIA_BLESS=1 cargo test --test counts",
        scenario.function,
        scenario.name,
        scenario.record
    );
    Ok(counts)
}

fn names(scenario: &Scenario, batch: usize) -> Vec<String> {
    [scenario.function, scenario.name, scenario.record]
        .map(str::to_owned)
        .into_iter()
        .chain([batch.to_string()])
        .collect()
}

/// Every scenario's calls in batches of each size.
///
/// # Errors
/// When the agreed counts cannot be read.
pub fn calls() -> Result<String> {
    let mut rows = Vec::new();
    for scenario in scenario::all() {
        for batch in scenario.sizes() {
            let counts = agreed(&scenario, batch)?;
            let aws = counts.sum(|operation| !operation.starts_with("webhook:")).calls;
            let ledger = counts.sum(|operation| operation.ends_with("(ledger)")).calls;
            #[expect(clippy::cast_precision_loss, reason = "a batch has at most thousands of calls")]
            let share = |calls: u64| format!("{:.2}", calls as f64 / batch as f64);
            let named: Vec<String> =
                counts.iter().map(|(operation, tally)| format!("{} {}", tally.calls, short(operation))).collect();
            let mut row = names(&scenario, batch);
            row.extend([named.join(", "), aws.to_string(), share(aws), share(ledger)]);
            rows.push(row);
        }
    }
    let header = [
        "function",
        "use",
        "record",
        "batch",
        "calls of one batch",
        "AWS calls",
        "per message",
        "of the ledger per message",
    ];
    Ok(markdown(&header, 5, rows))
}

/// The operation's own name, with the table or kind of queue where that says something.
fn short(operation: &str) -> &str {
    let call = operation.split_once(':').map_or(operation, |(_, call)| call);
    call.strip_suffix("(standard)").unwrap_or(call)
}

/// What the calls of each function that works off queues cost per million messages.
///
/// # Errors
/// When the agreed counts cannot be read, or an operation has no price.
pub fn per_function() -> Result<String> {
    let mut rows = Vec::new();
    for scenario in scenario::all().into_iter().filter(|scenario| scenario.intake.is_none()) {
        for batch in BATCHES {
            let mut row = names(&scenario, batch);
            row.extend(Cost::of(&agreed(&scenario, batch)?, batch)?.cells());
            rows.push(row);
        }
    }
    let header = ["function", "use", "record", "batch", "SQS $", "DynamoDB $", "Lambda $", "SES $", "sum $"];
    Ok(markdown(&header, 4, rows))
}

/// What an event with one sink costs from the intake to its effect, per million: the router's part and the sink's.
///
/// # Errors
/// When the agreed counts cannot be read, or an operation has no price.
pub fn per_event() -> Result<String> {
    let all = scenario::all();
    let mut rows = Vec::new();
    let is_sink = |scenario: &&Scenario| scenario.function != "router" && scenario.intake.is_none();
    for sink in all.iter().filter(is_sink) {
        let router = all.iter().find(|scenario| {
            (scenario.function, scenario.name, scenario.record) == ("router", "to one sink", sink.record)
        });
        let router = router.context("there is no scenario of the router with this record")?;
        for batch in BATCHES {
            let before = Cost::of(&agreed(router, batch)?, batch)?;
            let delivered = Cost::of(&agreed(sink, batch)?, batch)?;
            let mut row = names(sink, batch);
            row.extend(
                [before.total(), delivered.total() - delivered.ses, delivered.ses, before.total() + delivered.total()]
                    .map(|dollars| format!("{dollars:.3}")),
            );
            rows.push(row);
        }
    }
    let header = ["sink", "use", "record", "batch", "router $", "sink function $", "SES $", "sum $"];
    Ok(markdown(&header, 4, rows))
}

#[cfg(test)]
mod tests {
    use stub::Tally;

    use super::*;

    #[test]
    fn a_batch_costs_what_its_units_cost_and_the_poller_besides() {
        let one = |units| Tally { calls: 1, items: 10, units, bytes: 0 };
        let calls = [("sqs:SendMessageBatch(standard)", one(1)), ("dynamodb:BatchWriteItem(ledger)", one(10))];
        let made: Counts = calls.map(|(name, tally)| (name.to_owned(), tally)).into_iter().collect();
        let cost = Cost::of(&made, 10).unwrap();
        let near = |left: f64, right: f64| (left - right).abs() < 1e-9;
        assert!(near(cost.sqs, 0.08 + 0.04) && near(cost.dynamodb, 0.625) && near(cost.lambda, 0.02), "{cost:?}");
        assert!(near(cost.total(), 0.765), "{cost:?}");
        assert!(near(Cost::of_calls(&made, 10).unwrap().sqs, 0.04), "nothing polls for a request");
    }

    #[test]
    fn an_operation_without_a_price_is_an_error_and_not_free() {
        let counts: Counts = [("kms:Decrypt".to_owned(), Tally::default())].into_iter().collect();
        assert!(Cost::of(&counts, 10).is_err());
    }
}
