//! The ledger in `DynamoDB`: one row per delivery and one per event, under the partition key of the event. The index `failed` has those that
//! failed for good, by tenant and time.
//!
//! Claiming is in [`claim`](mod@claim), reading and writing in [`rows`](mod@rows).

mod claim;
mod crash_markers;
mod partiql;
mod put;
mod rows;

use std::ops::RangeInclusive;

use acequia_core::delivery::ledger::{ClaimRequest, DeliveryKey, DeliveryRecord, Record, Verdict};
use acequia_core::id::{EventId, TenantId};
use acequia_core::port::{Amend, Ledger, Page, Unavailable};
use aws_sdk_dynamodb::Client;
use jiff::Timestamp;

pub use claim::{ClaimWrite, ClaimWriter};
pub use partiql::PartiqlClaims;
pub(crate) use partiql::insert_new;
pub use put::PutClaims;

/// The ledger's table. `W` is how claims are written: in batches unless something else is asked for.
#[derive(Debug, Clone)]
pub struct DynamoLedger<W = PartiqlClaims> {
    rows: rows::Rows,
    writer: W,
}

impl DynamoLedger {
    /// The ledger in this table; claims go in batches of 25.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        Self::with_writer(client.clone(), table.clone(), PartiqlClaims::new(client, table))
    }
}

impl<W: ClaimWriter> DynamoLedger<W> {
    /// The ledger in this table, with another way to write claims.
    pub fn with_writer(client: Client, table: impl Into<String>, writer: W) -> Self {
        Self { rows: rows::Rows::new(client, table.into()), writer }
    }
}

impl<W: ClaimWriter> Amend for DynamoLedger<W> {
    async fn amend(
        &self,
        tenant: &TenantId,
        seen: &DeliveryRecord,
        record: &DeliveryRecord,
    ) -> Result<bool, Unavailable> {
        let write = ClaimWrite { record: record.clone(), over: Some(seen.clone()) };
        self.rows.conditional().put(tenant, &write).await
    }
}

impl<W: ClaimWriter> Ledger for DynamoLedger<W> {
    async fn claim(&self, tenant: &TenantId, requests: &[ClaimRequest]) -> Vec<Result<Verdict, Unavailable>> {
        claim::claim(&self.rows, &self.writer, tenant, requests).await
    }

    async fn read(&self, tenant: &TenantId, keys: &[DeliveryKey]) -> Vec<Result<Option<DeliveryRecord>, Unavailable>> {
        self.rows.read(tenant, keys).await
    }

    async fn write(&self, tenant: &TenantId, records: &[Record]) -> Vec<Result<(), Unavailable>> {
        self.rows.write(tenant, records).await
    }

    async fn explain(&self, tenant: &TenantId, event: &EventId) -> Result<Vec<Record>, Unavailable> {
        self.rows.explain(tenant, event).await
    }

    async fn failed(
        &self,
        tenant: &TenantId,
        within: &RangeInclusive<Timestamp>,
        from: Option<String>,
    ) -> Result<Page, Unavailable> {
        self.rows.failed(tenant, within, from).await
    }

    async fn page(&self, tenant: &TenantId, from: Option<String>) -> Result<Page, Unavailable> {
        self.rows.page(tenant, from).await
    }
}
