//! Reading and writing the ledger's rows, in batches whose left-overs are sent again.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use acequia_core::delivery::ledger::{DeliveryKey, DeliveryRecord, Record, RouteRecord};
use acequia_core::id::{EventId, TenantId};
use acequia_core::port::{Page, Unavailable};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};
use futures::StreamExt as _;
use jiff::Timestamp;

use super::put::PutClaims;
use crate::columns::{Column, columns};
use crate::error::{EntryError, ItemError, SharedError};
use crate::keys::{self, Item, PK, ROUTE, SK, number, text, text_of};
use crate::refusal::unavailable;
use crate::table::Table;

/// `BatchGetItem` takes a hundred keys.
const READ_BATCH: usize = 100;
/// How many rows a call of `DynamoDB` writes, and how many statements one takes.
pub(super) const BATCH: usize = 25;
/// How many batches run at once.
const CALLS: usize = 4;
/// Left-overs mean that the table throttles: they are sent again after 50, 100, 200, 400 ms, then given up.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(50);

const READ: &str = "read records of the ledger";
const WRITE: &str = "write records to the ledger";
const EXPLAIN: &str = "read an event's rows of the ledger";
const PAGE: &str = "read a page of the ledger";

/// The event of a record, and the sink of a delivery.
const EVENT: &str = "event";
const SINK: &str = "sink";
/// What a record's key says already, and its row not again: each attribute of a row is written, signed and paid for.
const IN_KEY: [&str; 2] = [EVENT, SINK];

/// The index of what failed for good, and the attributes that are its keys: the tenant, and when.
const FAILED: &str = "failed";
const FAILED_AT: &str = "failed_at";

/// A place in that index.
type Mark = (String, String, i64);

/// A key as a value to look up by.
type KeyPair = (String, String);

/// The table, without claims.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    client: Client,
    table: String,
}

impl Rows {
    pub(super) fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Conditional writes into it.
    pub(super) fn conditional(&self) -> PutClaims {
        PutClaims::new(self.client.clone(), self.table.clone())
    }

    /// The table, for rows that are no records.
    pub(super) fn table(&self) -> Table {
        Table::new(self.client.clone(), self.table.clone())
    }

    /// Reads records consistently, in the order of the keys. A row that cannot be read fails alone.
    pub(super) async fn read(
        &self,
        tenant: &TenantId,
        wanted: &[DeliveryKey],
    ) -> Vec<Result<Option<DeliveryRecord>, Unavailable>> {
        let row = |key: &DeliveryKey| keys::delivery_row(&key.sink, key.replay.as_ref());
        let pair = |key: &DeliveryKey| (keys::event(tenant, &key.event), row(key));
        let mut found: HashMap<KeyPair, Result<DeliveryRecord, Unavailable>> = HashMap::with_capacity(wanted.len());
        for batch in wanted.chunks(READ_BATCH) {
            let open = batch.iter().map(|key| keys::key(keys::event(tenant, &key.event), row(key))).collect();
            if let Err(error) = self.read_batch(open, &mut found).await {
                let error = SharedError::new(error);
                for key in batch {
                    found.entry(pair(key)).or_insert_with(|| Err(error.unavailable(READ)));
                }
            }
        }
        wanted.iter().map(|key| found.remove(&pair(key)).transpose()).collect()
    }

    async fn read_batch(
        &self,
        mut open: Vec<Item>,
        found: &mut HashMap<KeyPair, Result<DeliveryRecord, Unavailable>>,
    ) -> Result<(), Unavailable> {
        for attempt in 0..TRIES {
            pause(attempt).await;
            let (items, rest) = self.get(open).await?;
            for item in items {
                let pair = pair_of(&item).ok_or_else(|| Unavailable::new(READ, ItemError::Keyless))?;
                let record = delivery_of(item, &pair).map_err(|error| Unavailable::new(READ, error));
                found.insert(pair, record);
            }
            open = rest;
            if open.is_empty() {
                break;
            }
        }
        for pair in open.iter().filter_map(pair_of) {
            found.insert(pair, Err(Unavailable::new(READ, left_over())));
        }
        Ok(())
    }

    async fn get(&self, open: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), Unavailable> {
        let asked = KeysAndAttributes::builder().set_keys(Some(open)).consistent_read(true).build();
        let asked = asked.map_err(|error| Unavailable::new(READ, error))?;
        let answer = self.client.batch_get_item().request_items(&self.table, asked).send().await;
        let answer = answer.map_err(|error| unavailable(READ, error))?;
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
        let rest = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
        Ok((items, rest.map(|rest| rest.keys).unwrap_or_default()))
    }

    /// Writes rows unconditionally.
    pub(super) async fn write(&self, tenant: &TenantId, records: &[Record]) -> Vec<Result<(), Unavailable>> {
        let calls: Vec<_> = records.chunks(BATCH).map(|batch| self.write_batch(tenant, batch)).collect();
        let answers: Vec<_> = futures::stream::iter(calls).buffered(CALLS).collect().await;
        answers.into_iter().flatten().collect()
    }

    async fn write_batch(&self, tenant: &TenantId, records: &[Record]) -> Vec<Result<(), Unavailable>> {
        let mut open: Vec<WriteRequest> = Vec::with_capacity(records.len());
        let failed = |error: SharedError| records.iter().map(|_| Err(error.unavailable(WRITE))).collect();
        for record in records {
            match put_of(tenant, record) {
                Ok(request) => open.push(request),
                Err(error) => return failed(SharedError::new(error)),
            }
        }
        let mut error: Option<SharedError> = None;
        // The keys of what is not written; before the first answer, that is all.
        let mut unwritten: Option<Vec<KeyPair>> = None;
        for attempt in 0..TRIES {
            pause(attempt).await;
            match self.client.batch_write_item().request_items(&self.table, open).send().await {
                Err(failure) => {
                    error = Some(SharedError::new(failure));
                    break;
                }
                Ok(answer) => {
                    open = answer.unprocessed_items.and_then(|mut t| t.remove(&self.table)).unwrap_or_default();
                    let pair = |request: &WriteRequest| pair_of(request.put_request.as_ref()?.item());
                    unwritten = Some(open.iter().filter_map(pair).collect());
                }
            }
            if open.is_empty() {
                break;
            }
        }
        let error = error.unwrap_or_else(|| SharedError::new(left_over()));
        let is_unwritten = |record: &Record| {
            let is_it = |pair: &KeyPair| pair.0 == keys::event(tenant, record.event()) && pair.1 == keys::row(record);
            unwritten.as_ref().is_none_or(|pairs| pairs.iter().any(is_it))
        };
        let verdict = |record: &Record| if is_unwritten(record) { Err(error.unavailable(WRITE)) } else { Ok(()) };
        records.iter().map(verdict).collect()
    }

    /// All rows of one event.
    pub(super) async fn explain(&self, tenant: &TenantId, event: &EventId) -> Result<Vec<Record>, Unavailable> {
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query
            .key_condition_expression("pk = :event")
            .expression_attribute_values(":event", text(keys::event(tenant, event)));
        let mut items = query.into_paginator().items().send();
        let mut records = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| unavailable(EXPLAIN, error))?;
            records.extend(record_of(item).map_err(|error| Unavailable::new(EXPLAIN, error))?);
        }
        Ok(records)
    }

    /// One page of the index of what failed for good, newest first.
    pub(super) async fn failed(
        &self,
        tenant: &TenantId,
        within: &RangeInclusive<Timestamp>,
        from: Option<String>,
    ) -> Result<Page, Unavailable> {
        let start = match from.as_deref().map(serde_json::from_str::<Mark>) {
            None => None,
            Some(Ok((pk, sk, at))) => {
                let mut key = keys::key(pk, sk);
                key.insert(FAILED.to_owned(), text(tenant.as_str()));
                key.insert(FAILED_AT.to_owned(), number(at));
                Some(key)
            }
            Some(Err(_)) => return Err(Unavailable::new(PAGE, ItemError::Mark)),
        };
        let query = self.client.query().table_name(&self.table).index_name(FAILED).scan_index_forward(false);
        let query = query
            .key_condition_expression("#tenant = :tenant AND #at BETWEEN :since AND :until")
            .expression_attribute_names("#tenant", FAILED)
            .expression_attribute_names("#at", FAILED_AT)
            .expression_attribute_values(":tenant", text(tenant.as_str()))
            .expression_attribute_values(":since", number(within.start().as_millisecond()))
            .expression_attribute_values(":until", number(within.end().as_millisecond()))
            .set_exclusive_start_key(start);
        let answer = query.send().await.map_err(|error| unavailable(PAGE, error))?;
        let mut records = Vec::new();
        for item in answer.items.unwrap_or_default() {
            records.extend(record_of(item).map_err(|error| Unavailable::new(PAGE, error))?);
        }
        let mark = |item: &Item| {
            let (pk, sk) = pair_of(item)?;
            let at: i64 = item.get(FAILED_AT)?.as_n().ok()?.parse().ok()?;
            serde_json::to_string(&(pk, sk, at)).ok()
        };
        Ok(Page { records, next: answer.last_evaluated_key.as_ref().and_then(mark) })
    }

    /// One page of the table, of which only the tenant's rows are kept: a page may be empty and not the last.
    pub(super) async fn page(&self, tenant: &TenantId, from: Option<String>) -> Result<Page, Unavailable> {
        let start = match from.as_deref().map(serde_json::from_str::<KeyPair>) {
            None => None,
            Some(Ok((pk, sk))) => Some(keys::key(pk, sk)),
            Some(Err(_)) => return Err(Unavailable::new(PAGE, ItemError::Mark)),
        };
        let scan = self.client.scan().table_name(&self.table).set_exclusive_start_key(start);
        let scan = scan
            .filter_expression("begins_with(pk, :tenant)")
            .expression_attribute_values(":tenant", text(keys::ledger_prefix(tenant)));
        let answer = scan.send().await.map_err(|error| unavailable(PAGE, error))?;
        let mut records = Vec::new();
        for item in answer.items.unwrap_or_default() {
            records.extend(record_of(item).map_err(|error| Unavailable::new(PAGE, error))?);
        }
        let next = answer.last_evaluated_key.as_ref().and_then(pair_of);
        Ok(Page { records, next: next.and_then(|pair| serde_json::to_string(&pair).ok()) })
    }
}

fn left_over() -> EntryError {
    EntryError::new("Unprocessed", "the table throttles: the service left it out again and again")
}

async fn pause(attempt: u32) {
    if let Some(doublings) = attempt.checked_sub(1) {
        tokio::time::sleep(FIRST_WAIT.saturating_mul(1 << doublings)).await;
    }
}

fn pair_of(item: &Item) -> Option<KeyPair> {
    Some((text_of(item, PK)?.to_owned(), text_of(item, SK)?.to_owned()))
}

/// The attributes of a delivery's record, its key last.
pub(super) fn columns_of(tenant: &TenantId, record: &DeliveryRecord) -> Result<Vec<Column>, ItemError> {
    let mut columns = columns(record, &IN_KEY).map_err(ItemError::Unreadable)?;
    columns.push((PK, text(keys::event(tenant, &record.event))));
    columns.push((SK, text(keys::delivery_row(&record.sink, record.replay.as_ref().map(|replay| &replay.id)))));
    columns.extend(failure(tenant, record.failed_at()));
    Ok(columns)
}

/// The attributes by which the index has a row; none where it did not fail.
fn failure(tenant: &TenantId, at: Option<Timestamp>) -> Vec<Column> {
    let keys = |at: Timestamp| vec![(FAILED, text(tenant.as_str())), (FAILED_AT, number(at.as_millisecond()))];
    at.map(keys).unwrap_or_default()
}

/// The item of these attributes.
pub(super) fn item_of(columns: Vec<Column>) -> Item {
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn put_of(tenant: &TenantId, record: &Record) -> Result<WriteRequest, ItemError> {
    let columns = match record {
        Record::Delivery(delivery) => columns_of(tenant, delivery)?,
        Record::Route(route) => {
            let mut columns = columns(route, &IN_KEY).map_err(ItemError::Unreadable)?;
            columns.push((PK, text(keys::event(tenant, &route.event))));
            columns.push((SK, text(ROUTE)));
            columns.extend(failure(tenant, record.failed_at()));
            columns
        }
    };
    let put = PutRequest::builder().set_item(Some(item_of(columns))).build().map_err(|_| ItemError::Keyless)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

/// Reads a row; `None` for one that is neither a route nor a delivery, such as an endpoint's.
fn record_of(item: Item) -> Result<Option<Record>, ItemError> {
    let (pk, sk) = pair_of(&item).ok_or(ItemError::Keyless)?;
    if !pk.contains('|') {
        return Ok(None);
    }
    if sk == ROUTE {
        let route: RouteRecord = serde_dynamo::from_item(whole(item, &pk, &[])).map_err(ItemError::Unreadable)?;
        return Ok(Some(Record::Route(Box::new(route))));
    }
    Ok(Some(Record::Delivery(Box::new(delivery_of(item, &(pk, sk))?))))
}

fn delivery_of(item: Item, (pk, sk): &KeyPair) -> Result<DeliveryRecord, ItemError> {
    serde_dynamo::from_item(whole(item, pk, &[(SINK, keys::sink_of(sk))])).map_err(ItemError::Unreadable)
}

/// The item with what its key says: the event of the partition key, and `more`.
fn whole(mut item: Item, pk: &str, more: &[(&str, &str)]) -> Item {
    // No tenant's id has a `#` in it.
    let event = pk.split_once('#').map(|(_, event)| (EVENT, event));
    item.extend(event.iter().chain(more).map(|(name, value)| ((*name).to_owned(), text(*value))));
    item
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::ledger::{Verdict, judge};
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_row_does_not_repeat_its_key_and_is_read_whole_from_it() {
        let tenant = build::tenant_id("acme");
        let Verdict::Claimed { record, .. } = judge(None, &build::claim("1#2|3", "crm")) else { panic!("it is new") };
        let item = item_of(columns_of(&tenant, &record).unwrap());
        assert!(!item.contains_key(EVENT) && !item.contains_key(SINK) && !item.contains_key("attempts"));
        // As rows were written before.
        let mut older = item.clone();
        older.insert(EVENT.to_owned(), text(record.event.as_str()));
        older.insert(SINK.to_owned(), text(record.sink.as_str()));
        for item in [item, older] {
            assert_eq!(record_of(item).unwrap(), Some(Record::Delivery(record.clone())));
        }
    }
}
