//! Isolation by order: whether a healthy tenant's events wait behind a broken endpoint's.
//!
//! Each of the broken tenant's deliveries is tried again and again, for seconds. An event that another tenant gets
//! delivered while an *earlier* one of the broken tenant is still tried has overtaken it. If one tenant waited for
//! another, its events would be delivered behind what was accepted before them. A slow machine makes both slower, and
//! changes nothing about their order.

use std::ops::Range;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::local::Local;
use crate::setup::Tools;
use crate::{emulator, process};

/// Prints each delivery of a tenant in the ledger: sink, acceptance and end in milliseconds since 1970, attempts.
const READ: &str = "
import boto3, json, sys
pages = boto3.client('dynamodb').get_paginator('scan').paginate(
    TableName='acequia-local-ledger', FilterExpression='begins_with(pk, :tenant) AND attribute_exists(attempts)',
    ExpressionAttributeValues={':tenant': {'S': sys.argv[1] + '#'}})
rows = [row for page in pages for row in page['Items']]
print(json.dumps([{'sink': row['sk']['S'], 'accepted_ms': int(row['accepted_at']['N']), 'attempts': int(row['attempts_used']['N']),
                   'ended_ms': int(row['attempts']['L'][-1]['M']['at']['N'])} for row in rows]))
";

/// A delivery that has ended: delivered, or given up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Delivery {
    sink: String,
    accepted_ms: u64,
    ended_ms: u64,
    attempts: u64,
}

/// How many deliveries of one sink overtook the broken tenant's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Order {
    /// Deliveries of events that were accepted behind one of the broken tenant's.
    pub(super) of: u64,
    /// The deliveries that ended before such a delivery did.
    pub(super) overtook: u64,
    /// All deliveries, and how many took more than one attempt.
    pub(super) deliveries: u64,
    pub(super) repeated: u64,
}

/// Reads a tenant's deliveries of events that were accepted within `time` (milliseconds since 1970).
pub(super) fn read(local: &Local, tenant: &str, time: Range<u64>) -> Result<Vec<Delivery>> {
    let mut python = process::command(Tools::Local.program("python"));
    python.args(["-c", READ, tenant]).env_clear().envs(emulator::variables(&local.aws.address));
    let said = process::output(&mut python, "reading the ledger", "")?;
    let all: Vec<Delivery> = serde_json::from_str(&said).context("reading the ledger answered another form")?;
    Ok(all.into_iter().filter(|ended| time.contains(&ended.accepted_ms)).collect())
}

/// Compares one sink's deliveries with the broken tenant's.
pub(super) fn compare(healthy: &[Delivery], sink: &str, broken: &[Delivery]) -> Order {
    let mut broken: Vec<&Delivery> = broken.iter().collect();
    broken.sort_by_key(|ended| ended.accepted_ms);
    // For each of the broken tenant's deliveries: the latest end of the deliveries that were accepted up to it.
    let mut last = 0;
    let ends: Vec<(u64, u64)> = broken
        .iter()
        .map(|ended| {
            last = last.max(ended.ended_ms);
            (ended.accepted_ms, last)
        })
        .collect();
    let mut order = Order::default();
    for delivery in healthy.iter().filter(|delivery| delivery.sink == sink) {
        order.deliveries += 1;
        order.repeated += u64::from(delivery.attempts > 1);
        let before = ends.partition_point(|(accepted, _)| *accepted < delivery.accepted_ms);
        if let Some((_, ended)) = before.checked_sub(1).and_then(|last| ends.get(last)) {
            order.of += 1;
            order.overtook += u64::from(*ended > delivery.ended_ms);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(sink: &str, accepted_ms: u64, ended_ms: u64) -> Delivery {
        Delivery { sink: sink.to_owned(), accepted_ms, ended_ms, attempts: 1 }
    }

    #[test]
    fn an_event_that_is_delivered_while_an_earlier_one_is_still_tried_has_overtaken_it() {
        let broken = [ended("hook", 1000, 9000), ended("hook", 2000, 2500)];
        let healthy = [
            ended("crm", 500, 600),     // nothing was accepted before it
            ended("crm", 1500, 1600),   // before the first ended
            ended("crm", 3000, 3100),   // the same, though a later one has ended
            ended("crm", 8000, 9100),   // behind it
            ended("other", 1500, 1600), // another sink
        ];
        let order = compare(&healthy, "crm", &broken);
        assert_eq!(order, Order { of: 3, overtook: 2, deliveries: 4, repeated: 0 });
    }

    #[test]
    fn a_tenant_that_waits_for_the_broken_one_overtakes_nothing() {
        let broken: Vec<Delivery> = (0..50).map(|n| ended("hook", n * 100, n * 100 + 5000)).collect();
        let waiting: Vec<Delivery> = (0..50).map(|n| ended("crm", n * 100 + 50, n * 100 + 5100)).collect();
        let free: Vec<Delivery> = (0..50).map(|n| ended("crm", n * 100 + 50, n * 100 + 900)).collect();
        assert_eq!(compare(&waiting, "crm", &broken).overtook, 0);
        assert_eq!(compare(&free, "crm", &broken).overtook, 50);
    }

    #[test]
    fn what_took_a_second_attempt_is_counted() {
        let twice = Delivery { attempts: 2, ..ended("crm", 1, 2) };
        assert_eq!(compare(&[twice], "crm", &[]), Order { of: 0, overtook: 0, deliveries: 1, repeated: 1 });
    }
}
