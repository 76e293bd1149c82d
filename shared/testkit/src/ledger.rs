//! The ledger, in memory. Rows are kept in their stored form (JSON), so that what a record loses by being stored is
//! lost here too.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};

use acequia_core::delivery::crash::CrashMarker;
use acequia_core::delivery::ledger::{ClaimRequest, DeliveryKey, DeliveryRecord, Record, RouteRecord, Verdict, judge};
use acequia_core::id::{EventId, TenantId};
use acequia_core::port::{Amend, Ledger, Page, Unavailable};
use jiff::Timestamp;

use crate::fault::Faults;
use crate::shared::Shared;

/// How many rows a page has: few, so that tests turn pages.
const PAGE: usize = 10;

/// The key of a row. The route's sink is empty, which no sink id can be.
type Key = (TenantId, String, String);

#[derive(Debug, Clone)]
enum Row {
    Route(String),
    Delivery(String),
}

/// Delivery records in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryLedger {
    rows: Shared<BTreeMap<Key, Row>>,
    /// Makes claiming fail; an entry is one request.
    pub claims: Faults,
    /// Makes every reading fail.
    pub reads: Faults,
    /// Makes writing fail; an entry is one record.
    pub writes: Faults,
    /// Makes reading, writing and taking back crash markers fail; an entry is one that is written.
    pub crash_markers: Faults,
    pub(crate) marked: Shared<BTreeMap<(TenantId, String), CrashMarker>>,
}

impl InMemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// The record of one delivery, whatever switch is on: for what a test wants to know in the end.
    pub fn record(&self, tenant: &TenantId, key: &DeliveryKey) -> Option<DeliveryRecord> {
        self.rows.lock().get(&delivery_key(tenant, key)).and_then(as_delivery)
    }

    /// The crash markers against a tenant's messages, whatever switch is on.
    pub fn marked(&self, tenant: &TenantId) -> Vec<CrashMarker> {
        let marked = self.marked.lock();
        marked.iter().filter(|((owner, _), _)| owner == tenant).map(|(_, crash_marker)| crash_marker.clone()).collect()
    }

    /// All rows of a tenant, whatever switch is on.
    pub fn records(&self, tenant: &TenantId) -> Vec<Record> {
        let rows = self.rows.lock();
        rows.iter().filter(|((owner, ..), _)| owner == tenant).filter_map(|(_, row)| as_record(row)).collect()
    }

    /// Never a part of its caller, so that a count of instructions tells the two apart.
    #[inline(never)]
    fn write_now(&self, tenant: &TenantId, records: &[Record]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "write records to the ledger";
        let down = self.writes.call(OPERATION).is_err();
        let mut rows = self.rows.lock();
        let mut write = |index: usize, record: &Record| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.writes.entry(OPERATION, index)?;
            rows.insert(key_of(tenant, record), as_row(record));
            Ok(())
        };
        records.iter().enumerate().map(|(index, record)| write(index, record)).collect()
    }
}

fn delivery_key(tenant: &TenantId, key: &DeliveryKey) -> Key {
    let replay = key.replay.as_ref().map(|replay| format!("#{replay}")).unwrap_or_default();
    (tenant.clone(), key.event.to_string(), format!("{}{replay}", key.sink))
}

fn key_of(tenant: &TenantId, record: &Record) -> Key {
    match record {
        Record::Route(route) => (tenant.clone(), route.event.to_string(), String::new()),
        Record::Delivery(delivery) => delivery_key(tenant, &delivery.key()),
    }
}

fn as_delivery(row: &Row) -> Option<DeliveryRecord> {
    match row {
        Row::Delivery(json) => serde_json::from_str(json).ok(),
        Row::Route(_) => None,
    }
}

fn as_record(row: &Row) -> Option<Record> {
    match row {
        Row::Delivery(json) => serde_json::from_str(json).ok().map(|record| Record::Delivery(Box::new(record))),
        Row::Route(json) => serde_json::from_str::<RouteRecord>(json).ok().map(Box::new).map(Record::Route),
    }
}

fn as_row(record: &Record) -> Row {
    // Records are structs of texts, numbers and lists, which always have a JSON form.
    match record {
        Record::Route(route) => Row::Route(serde_json::to_string(route).unwrap_or_default()),
        Record::Delivery(delivery) => Row::Delivery(serde_json::to_string(delivery).unwrap_or_default()),
    }
}

impl Amend for InMemoryLedger {
    async fn amend(
        &self,
        tenant: &TenantId,
        seen: &DeliveryRecord,
        record: &DeliveryRecord,
    ) -> Result<bool, Unavailable> {
        self.writes.call("amend a record of the ledger")?;
        let mut rows = self.rows.lock();
        let key = delivery_key(tenant, &record.key());
        let stands = rows.get(&key).and_then(as_delivery);
        let is_same = stands.is_some_and(|stands| stands == *seen);
        if is_same {
            rows.insert(key, as_row(&Record::Delivery(Box::new(record.clone()))));
        }
        Ok(is_same)
    }
}

impl Ledger for InMemoryLedger {
    async fn claim(&self, tenant: &TenantId, requests: &[ClaimRequest]) -> Vec<Result<Verdict, Unavailable>> {
        const OPERATION: &str = "claim deliveries in the ledger";
        let down = self.claims.call(OPERATION).is_err();
        let mut rows = self.rows.lock();
        let mut claim = |index: usize, request: &ClaimRequest| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.claims.entry(OPERATION, index)?;
            let key = delivery_key(tenant, &request.key);
            let verdict = judge(rows.get(&key).and_then(as_delivery).as_ref(), request);
            if let Verdict::Claimed { record, .. } = &verdict {
                rows.insert(key, as_row(&Record::Delivery(record.clone())));
            }
            Ok(verdict)
        };
        requests.iter().enumerate().map(|(index, request)| claim(index, request)).collect()
    }

    async fn read(&self, tenant: &TenantId, keys: &[DeliveryKey]) -> Vec<Result<Option<DeliveryRecord>, Unavailable>> {
        const OPERATION: &str = "read records of the ledger";
        if self.reads.call(OPERATION).is_err() {
            return keys.iter().map(|_| Err(Unavailable::new(OPERATION, "switched off by the test"))).collect();
        }
        let rows = self.rows.lock();
        let read = |(index, key): (usize, &DeliveryKey)| {
            self.reads.entry(OPERATION, index)?;
            Ok(rows.get(&delivery_key(tenant, key)).and_then(as_delivery))
        };
        keys.iter().enumerate().map(read).collect()
    }

    async fn write(&self, tenant: &TenantId, records: &[Record]) -> Vec<Result<(), Unavailable>> {
        self.writes.answers().await;
        self.write_now(tenant, records)
    }

    async fn explain(&self, tenant: &TenantId, event: &EventId) -> Result<Vec<Record>, Unavailable> {
        self.reads.call("read an event's rows of the ledger")?;
        let (rows, event) = (self.rows.lock(), event.to_string());
        let of_event = rows.iter().filter(|((owner, id, _), _)| owner == tenant && *id == event);
        Ok(of_event.filter_map(|(_, row)| as_record(row)).collect())
    }

    async fn failed(
        &self,
        tenant: &TenantId,
        within: &RangeInclusive<Timestamp>,
        from: Option<String>,
    ) -> Result<Page, Unavailable> {
        self.reads.call("read a page of the ledger")?;
        let rows = self.rows.lock();
        let of_tenant = rows.iter().filter(|((owner, ..), _)| owner == tenant);
        let failed = of_tenant.filter_map(|(_, row)| as_record(row));
        let mut failed: Vec<_> =
            failed.filter(|record| record.failed_at().is_some_and(|at| within.contains(&at))).collect();
        failed.sort_by_key(|record| std::cmp::Reverse(record.failed_at()));
        let start = from.and_then(|text| text.parse::<usize>().ok()).unwrap_or_default();
        let next = (start + PAGE < failed.len()).then(|| (start + PAGE).to_string());
        Ok(Page { records: failed.into_iter().skip(start).take(PAGE).collect(), next })
    }

    async fn page(&self, tenant: &TenantId, from: Option<String>) -> Result<Page, Unavailable> {
        self.reads.call("read a page of the ledger")?;
        let rows = self.rows.lock();
        let start = from.and_then(|text| serde_json::from_str::<(String, String)>(&text).ok());
        let lower = match start {
            Some((event, sink)) => Bound::Excluded((tenant.clone(), event, sink)),
            None => Bound::Included((tenant.clone(), String::new(), String::new())),
        };
        let mut rest = rows.range((lower, Bound::Unbounded)).take_while(|((owner, ..), _)| owner == tenant);
        let page: Vec<_> = rest.by_ref().take(PAGE).collect();
        let next = match (page.last(), rest.next()) {
            (Some(((_, event, sink), _)), Some(_)) => serde_json::to_string(&(event, sink)).ok(),
            _ => None,
        };
        Ok(Page { records: page.into_iter().filter_map(|(_, row)| as_record(row)).collect(), next })
    }
}
