//! What a replay costs, by AWS's list prices of us-east-1 without free tiers (docs/PERFORMANCE.md has the sources).
//!
//! It counts what each delivery and each object needs when all goes well: requests of SQS, `DynamoDB` and S3, and what SES
//! or `EventBridge` take. Left out are Lambda's time, retries, and what leaves AWS over the internet.

use serde::Serialize;

use super::Tally;
use crate::kind::SinkKind;
use crate::price::{DYNAMODB_READS, DYNAMODB_WRITES, EVENTS, S3_GETS, S3_LISTS, SES, SQS_STANDARD};

/// How many messages a request of SQS carries.
const BATCH: f64 = 10.0;
/// SQS bills a request for each 64 KB.
const REQUEST_BYTES: f64 = 65_536.0;
/// How many objects a request for their names lists.
const LISTED: f64 = 1_000.0;

/// What a replay costs, in dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Price {
    /// Finding and reading objects, and writing down how far it is.
    pub reading: f64,
    /// Bringing the deliveries through their queues, and recording them.
    pub delivering: f64,
    /// Both.
    pub sum: f64,
}

/// What a replay costs that comes to this. `kind` says of a sink whose kind it is and whether it claims; `looks_up` whether
/// the ledger is asked about each delivery.
pub fn price<'a>(tally: &'a Tally, looks_up: bool, kind: impl Fn(&'a crate::id::SinkId) -> (SinkKind, bool)) -> Price {
    let objects = number(tally.objects);
    let reading = objects * (S3_GETS + S3_LISTS / LISTED + DYNAMODB_WRITES);
    let mut delivering = 0.0;
    for count in &tally.counts {
        let (deliveries, bytes) = (number(count.deliveries), number(count.bytes));
        let (kind, claims) = kind(&count.sink);
        // Sent once, and received and deleted by Lambda.
        let requests = (deliveries / BATCH).max(bytes / REQUEST_BYTES) * 2.0 + deliveries / BATCH;
        let writes = if claims { 2.0 } else { 1.0 };
        let own = match kind {
            SinkKind::Email => SES,
            SinkKind::Eventbridge => EVENTS,
            SinkKind::Forward => SQS_STANDARD / BATCH,
            _ => 0.0,
        };
        let looks = if looks_up { DYNAMODB_READS } else { 0.0 };
        delivering += requests * SQS_STANDARD + deliveries * (writes * DYNAMODB_WRITES + own + looks);
    }
    let dollars = |of_millions: f64| of_millions / 1e6;
    let (reading, delivering) = (dollars(reading), dollars(delivering));
    Price { reading, delivering, sum: reading + delivering }
}

#[expect(clippy::cast_precision_loss, reason = "a price is no exact figure")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_deliveries_cost_their_requests_and_records_and_what_their_kind_takes() {
        let count = super::super::Count {
            r#type: "t".to_owned(),
            sink: "crm".parse().unwrap(),
            deliveries: 1_000_000,
            bytes: 1_000_000_000,
        };
        let tally = Tally { objects: 1_000, counts: vec![count], ..Tally::default() };
        let sum = |kind, claims| (price(&tally, false, |_| (kind, claims)).sum * 1e4).round() / 1e4;
        // 0.3 million requests of SQS and a million writes; a thousand objects, a name list of them, and as many writes.
        assert!((sum(SinkKind::Webhook, false) - 0.746).abs() < 1e-9, "{}", sum(SinkKind::Webhook, false));
        assert!((sum(SinkKind::Webhook, true) - 1.371).abs() < 1e-9);
        assert!((sum(SinkKind::Email, true) - 101.371).abs() < 1e-9);
        let looked = price(&tally, true, |_| (SinkKind::Webhook, false));
        assert!((looked.delivering - 0.87).abs() < 1e-9, "{looked:?}");
    }
}
