//! A tenant's deliveries counted, sink by sink, from the ledger.
//!
//! It counts what the ledger knows. A tenant with `record = "failures"` has no record of most events, and its counts are
//! low.

use std::collections::BTreeMap;

use acequia_core::delivery::ledger::{DeliveryRecord, Record, Status};
use acequia_core::delivery::route::Routed;
use acequia_core::id::{EventId, SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::port::Ledger as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::{OperationError, Ports, configuration};

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Whose deliveries.
    pub tenant: TenantId,
    /// Events that were routed.
    pub events: u64,
    /// Events that no sink takes.
    pub unmatched: u64,
    /// Events that were quarantined before they were routed.
    pub quarantined: u64,
    /// Each sink, by id.
    pub sinks: Vec<SinkTally>,
}

/// The deliveries to one sink, by what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkTally {
    /// The sink.
    pub sink: SinkId,
    /// Its kind; null where neither the configuration nor a record says it.
    pub kind: Option<SinkKind>,
    /// Deliveries that arrived.
    pub delivered: u64,
    /// Events that the sink does not take.
    pub filtered: u64,
    /// Deliveries that will be tried again.
    pub retrying: u64,
    /// Deliveries in the dead-letter queue.
    pub quarantined: u64,
    /// Deliveries that came too late.
    pub expired: u64,
    /// Deliveries that are being made.
    pub in_progress: u64,
    /// All attempts that were spent, those before a redrive too.
    pub attempts: u64,
    /// How often deliveries came out of the dead-letter queue.
    pub redriven: u64,
    /// From acceptance to the sink's receipt in milliseconds, of half of those that arrived; null where none did.
    pub p50_ms: Option<u64>,
    /// The same of 95 in a hundred.
    pub p95_ms: Option<u64>,
    /// The same of 99 in a hundred.
    pub p99_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Counts {
    /// The event of the row before: the rows of one stand together.
    last: Option<EventId>,
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

/// Counts what was accepted at `since` or later. It reads the tenant's whole ledger: for reports, not for monitoring.
///
/// # Errors
/// [`OperationError::NoConfiguration`] where the tenant has none, or when a store does not answer.
pub async fn run(ports: &impl Ports, tenant: &TenantId, since: Option<Timestamp>) -> Result<Tally, OperationError> {
    let configuration = configuration::current(ports, tenant).await?;
    let mut counts = Counts::default();
    for sink in &configuration.raw.sinks {
        let kind = SinkKind::ALL.into_iter().find(|kind| kind.as_str() == sink.kind);
        if let Ok(id) = sink.id.parse::<SinkId>() {
            counts.sinks.insert(id, SinkCounts { kind, ..SinkCounts::default() });
        }
    }
    let ledger = ports.ledger();
    let mut from = None;
    loop {
        let page = ledger.page(tenant, from).await?;
        for record in &page.records {
            counts.add(record, since);
        }
        from = page.next;
        if from.is_none() {
            return Ok(counts.finish(tenant));
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
                self.unmatched += u64::from(route.unmatched);
                self.quarantined += u64::from(route.reason.is_some());
                self.route(&route.event, &route.filtered);
            }
            Record::Delivery(delivery) => {
                if let Some(routed) = delivery.route.as_deref().and_then(Routed::read) {
                    self.route(&delivery.event, &routed.filtered);
                }
                self.sinks.entry(delivery.sink.clone()).or_default().add(delivery);
            }
        }
    }

    /// Each row of an event may say where it was routed, and the first is counted.
    fn route(&mut self, event: &EventId, filtered: &[SinkId]) {
        if self.last.as_ref() == Some(event) {
            return;
        }
        self.last = Some(event.clone());
        self.events += 1;
        for sink in filtered {
            self.sinks.entry(sink.clone()).or_default().filtered += 1;
        }
    }

    fn finish(self, tenant: &TenantId) -> Tally {
        let Self { last: _, events, unmatched, quarantined, sinks } = self;
        let sinks = sinks.into_iter().map(|(sink, counts)| counts.finish(sink)).collect();
        Tally { tenant: tenant.clone(), events, unmatched, quarantined, sinks }
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
            // Nothing was sent.
            Status::Shadowed => self.filtered += 1,
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

/// The smallest value that at least so many percent of the (sorted) values do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::ledger::{AttemptNote, RouteRecord};
    use acequia_core::wire::Redrive;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!([50, 95, 99].map(|percent| percentile(&hundred, percent)), [Some(50), Some(95), Some(99)]);
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[tokio::test]
    async fn rows_are_counted_by_their_sinks_and_by_what_became_of_them() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        world.tenants.put(&tenant, build::webhook_document("acme", "https://a.example/"));
        let route = RouteRecord {
            event: build::event_id("1"),
            event_type: "t".to_owned(),
            taken: vec![build::sink_id("crm")],
            filtered: vec![build::sink_id("mail")],
            clauses: vec!["types".to_owned()],
            via: None,
            unmatched: false,
            reason: None,
            config_version: 1,
            accepted_at: build::at(1),
            updated_at: build::at(1),
            expires_at: build::at(9),
            trace_id: None,
        };
        let mut delivered = build::record("1", "crm", Status::Delivered);
        delivered.accepted_at = build::at(1);
        delivered.attempts_used = 2;
        delivered.attempts_used_before = 3;
        delivered.redrives.push(Redrive { id: "m-1".to_owned(), at: build::at(2) });
        delivered.note(AttemptNote {
            number: 2,
            at: build::at(4),
            outcome: "delivered".to_owned(),
            duration_ms: 5,
            detail: String::new(),
            content: None,
            stages: None,
            fault: None,
        });
        let early = Record::Delivery(Box::new(build::record("0", "crm", Status::Retry)));
        let rows = [Record::Route(Box::new(route)), Record::Delivery(Box::new(delivered)), early];
        assert!(world.ledger.write(&tenant, &rows).await.iter().all(Result::is_ok));
        let tally = run(&world, &tenant, Some(build::at(1))).await.unwrap();
        assert_eq!(
            serde_json::to_value(&tally).unwrap(),
            serde_json::json!({"tenant": "acme", "events": 1, "unmatched": 0, "quarantined": 0, "sinks": [
            {"sink": "crm", "kind": "email", "delivered": 1, "filtered": 0, "retrying": 0, "quarantined": 0,
             "expired": 0, "in_progress": 0, "attempts": 5, "redriven": 1, "p50_ms": 3000, "p95_ms": 3000, "p99_ms": 3000},
            {"sink": "mail", "kind": null, "delivered": 0, "filtered": 1, "retrying": 0, "quarantined": 0,
             "expired": 0, "in_progress": 0, "attempts": 0, "redriven": 0, "p50_ms": null, "p95_ms": null, "p99_ms": null}]})
        );
        assert_eq!(run(&world, &tenant, None).await.unwrap().sinks[0].retrying, 1);
    }

    #[tokio::test]
    async fn a_tenant_without_configuration_is_not_counted_as_one_without_deliveries() {
        let missing = run(&World::default(), &build::tenant_id("acme"), None).await.unwrap_err();
        assert!(matches!(missing, OperationError::NoConfiguration { .. }), "{missing:?}");
    }
}
