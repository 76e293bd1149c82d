//! `acequia tally`: a tenant's deliveries counted, sink by sink, from the ledger.
//!
//! It counts what the ledger knows. A tenant with `trace = "failures"` has no record of most events, and its counts are low.

use std::collections::BTreeMap;

use acequia_core::delivery::ledger::{DeliveryRecord, Record, Status};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::port::Ledger as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Report, count, or_dash, table};

#[derive(Debug, Serialize)]
struct Tally<'a> {
    tenant: &'a TenantId,
    /// Events that were routed.
    events: u64,
    /// Events that no sink takes.
    unmatched: u64,
    /// Events that were quarantined before they were routed.
    quarantined: u64,
    sinks: Vec<SinkTally>,
}

#[derive(Debug, Serialize)]
struct SinkTally {
    sink: SinkId,
    kind: Option<SinkKind>,
    delivered: u64,
    filtered: u64,
    retrying: u64,
    quarantined: u64,
    expired: u64,
    in_progress: u64,
    /// All that were spent, those before a redrive too.
    attempts: u64,
    /// How often deliveries came out of the dead-letter queue.
    redriven: u64,
    /// From acceptance to the sink's receipt.
    p50_ms: Option<u64>,
    p95_ms: Option<u64>,
    p99_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Counts {
    events: u64,
    unmatched: u64,
    quarantined: u64,
    sinks: BTreeMap<SinkId, SinkCounts>,
}

#[derive(Debug, Default)]
struct SinkCounts {
    kind: Option<SinkKind>,
    delivered: u64,
    filtered: u64,
    retrying: u64,
    quarantined: u64,
    expired: u64,
    in_progress: u64,
    attempts: u64,
    redriven: u64,
    latencies: Vec<u64>,
}

pub(super) async fn run(context: &Context, tenant: &TenantId, since: Option<Timestamp>) -> Result<Report, Failure> {
    let (_, raw) = context.configuration(tenant).await?;
    let mut counts = Counts::default();
    for sink in &raw.sinks {
        let kind = SinkKind::ALL.into_iter().find(|kind| kind.as_str() == sink.kind);
        if let Ok(id) = sink.id.parse::<SinkId>() {
            counts.sinks.insert(id, SinkCounts { kind, ..SinkCounts::default() });
        }
    }
    let ledger = context.ledger();
    let mut from = None;
    loop {
        let page = ledger.page(tenant, from).await?;
        for record in &page.records {
            counts.add(record, since);
        }
        from = page.next;
        if from.is_none() {
            return Ok(report(tenant, counts));
        }
    }
}

impl Counts {
    fn add(&mut self, record: &Record, since: Option<Timestamp>) {
        let accepted_at = match record {
            Record::Route(route) => route.accepted_at,
            Record::Delivery(delivery) => delivery.accepted_at,
        };
        if since.is_some_and(|since| accepted_at < since) {
            return;
        }
        match record {
            Record::Route(route) => {
                self.events += 1;
                self.unmatched += u64::from(route.unmatched);
                self.quarantined += u64::from(route.reason.is_some());
                for sink in &route.filtered {
                    self.sinks.entry(sink.clone()).or_default().filtered += 1;
                }
            }
            Record::Delivery(delivery) => self.sinks.entry(delivery.sink.clone()).or_default().add(delivery),
        }
    }
}

impl SinkCounts {
    fn add(&mut self, delivery: &DeliveryRecord) {
        self.kind = Some(delivery.kind);
        self.attempts += u64::from(delivery.attempts_used) + u64::from(delivery.attempts_used_before);
        self.redriven += delivery.redrives.len() as u64;
        match delivery.status {
            Status::Claimed => self.in_progress += 1,
            Status::Retry => self.retrying += 1,
            Status::Quarantined => self.quarantined += 1,
            Status::Expired => self.expired += 1,
            Status::Delivered => {
                self.delivered += 1;
                let received_at = delivery.attempts.last().map_or(delivery.updated_at, |attempt| attempt.at);
                let took = received_at.as_millisecond() - delivery.accepted_at.as_millisecond();
                self.latencies.push(u64::try_from(took).unwrap_or_default());
            }
        }
    }

    fn finish(mut self, sink: SinkId) -> SinkTally {
        self.latencies.sort_unstable();
        let of = |percent| percentile(&self.latencies, percent);
        SinkTally {
            sink,
            kind: self.kind,
            delivered: self.delivered,
            filtered: self.filtered,
            retrying: self.retrying,
            quarantined: self.quarantined,
            expired: self.expired,
            in_progress: self.in_progress,
            attempts: self.attempts,
            redriven: self.redriven,
            p50_ms: of(50),
            p95_ms: of(95),
            p99_ms: of(99),
        }
    }
}

/// What no row of the ledger tells: it is keyed by events, and has one row for all copies of a delivery.
const NOT_COUNTED: &str = "Not counted: what could not be read as an event (acequia dlq list --queue intake shows it), and further copies of an \
                           event that were sent to a sink without a claim.";

/// The smallest value that at least so many percent of the (sorted) values do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

fn report(tenant: &TenantId, counts: Counts) -> Report {
    let Counts { events, unmatched, quarantined, sinks } = counts;
    let sinks = sinks.into_iter().map(|(sink, counts)| counts.finish(sink)).collect();
    let tally = Tally { tenant, events, unmatched, quarantined, sinks };
    let row = |sink: &SinkTally| {
        [
            sink.sink.to_string(),
            or_dash(sink.kind),
            sink.delivered.to_string(),
            sink.filtered.to_string(),
            sink.retrying.to_string(),
            sink.quarantined.to_string(),
            sink.expired.to_string(),
            sink.in_progress.to_string(),
            sink.attempts.to_string(),
            sink.redriven.to_string(),
            or_dash(sink.p50_ms),
            or_dash(sink.p95_ms),
            or_dash(sink.p99_ms),
        ]
    };
    let header = [
        "SINK",
        "KIND",
        "DELIVERED",
        "FILTERED",
        "RETRYING",
        "QUARANTINED",
        "EXPIRED",
        "IN PROGRESS",
        "ATTEMPTS",
        "REDRIVEN",
        "P50 MS",
        "P95 MS",
        "P99 MS",
    ];
    let text = format!(
        "{tenant}: {}, {unmatched} of them unmatched, {quarantined} quarantined by the router\n\n{}\n\n{NOT_COUNTED}",
        count(events, "event routed", "events routed"),
        table(header, tally.sinks.iter().map(row))
    );
    Report::new(&tally, text)
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::ledger::{AttemptNote, RouteRecord};
    use acequia_core::wire::Redrive;
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!([50, 95, 99].map(|percent| percentile(&hundred, percent)), [Some(50), Some(95), Some(99)]);
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn rows_are_counted_by_their_sinks_and_by_what_became_of_them() {
        let mut counts = Counts::default();
        counts.add(
            &Record::Route(RouteRecord {
                event: build::event_id("1"),
                event_type: "t".to_owned(),
                taken: vec![build::sink_id("crm")],
                filtered: vec![build::sink_id("mail")],
                unmatched: false,
                reason: None,
                config_version: 1,
                accepted_at: build::start(),
                updated_at: build::at(1),
                expires_at: build::at(9),
            }),
            None,
        );
        let mut delivered = build::record("1", "crm", Status::Delivered);
        delivered.attempts_used = 2;
        delivered.attempts_used_before = 3;
        delivered.redrives.push(Redrive { id: "m-1".to_owned(), at: build::at(2) });
        delivered.note(AttemptNote {
            number: 2,
            at: build::at(3),
            outcome: "delivered".to_owned(),
            duration_ms: 5,
            detail: String::new(),
            content: None,
        });
        let early = Record::Delivery(Box::new(build::record("0", "crm", Status::Retry)));
        counts.add(&Record::Delivery(Box::new(delivered)), None);
        counts.add(&early, Some(build::at(1)));
        let report = report(&build::tenant_id("acme"), counts);
        assert!(
            report.text().starts_with("acme: 1 event routed,") && report.text().ends_with(NOT_COUNTED),
            "{}",
            report.text()
        );
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"tenant": "acme", "events": 1, "unmatched": 0, "quarantined": 0, "sinks": [
            {"sink": "crm", "kind": "email", "delivered": 1, "filtered": 0, "retrying": 0, "quarantined": 0,
             "expired": 0, "in_progress": 0, "attempts": 5, "redriven": 1, "p50_ms": 3000, "p95_ms": 3000, "p99_ms": 3000},
            {"sink": "mail", "kind": null, "delivered": 0, "filtered": 1, "retrying": 0, "quarantined": 0,
             "expired": 0, "in_progress": 0, "attempts": 0, "redriven": 0, "p50_ms": null, "p95_ms": null, "p99_ms": null}]})
        );
    }
}
