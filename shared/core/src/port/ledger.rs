//! What is remembered of deliveries and of messages.

use std::future::Future;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::Unavailable;
use crate::delivery::crash::CrashMarker;
use crate::delivery::ledger::{ClaimRequest, DeliveryKey, DeliveryRecord, Record, Verdict};
use crate::id::{EventId, TenantId};

/// A page of a walk over a tenant's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The rows.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// The memory of deliveries ([`crate::delivery::ledger`]).
pub trait Ledger: Send + Sync {
    /// Claims deliveries; one verdict each, in the order of the requests. The keys must be distinct.
    ///
    /// Where a verdict could not be had, that one is an error and its delivery must not be made.
    fn claim(
        &self,
        tenant: &TenantId,
        requests: &[ClaimRequest],
    ) -> impl Future<Output = Vec<Result<Verdict, Unavailable>>> + Send;
    /// Reads records; one answer each, in the order of the keys, which must be distinct. A row that cannot be read
    /// fails alone.
    fn read(
        &self,
        tenant: &TenantId,
        keys: &[DeliveryKey],
    ) -> impl Future<Output = Vec<Result<Option<DeliveryRecord>, Unavailable>>> + Send;
    /// Writes rows, unconditionally; one answer each, in order. The keys must be distinct.
    fn write(&self, tenant: &TenantId, records: &[Record])
    -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
    /// All rows of one event: where it was routed, and each delivery.
    fn explain(
        &self,
        tenant: &TenantId,
        event: &EventId,
    ) -> impl Future<Output = Result<Vec<Record>, Unavailable>> + Send;
    /// One page of a tenant's rows that failed for good within a time ([`Record::failed_at`]), those last that failed
    /// first. A row that was written just now may be missing for a moment.
    fn failed(
        &self,
        tenant: &TenantId,
        within: &RangeInclusive<Timestamp>,
        from: Option<String>,
    ) -> impl Future<Output = Result<Page, Unavailable>> + Send;
    /// One page of all of a tenant's rows: those of one event stand together, from page to page; the events are in no order. It reads the whole table: for reports, not for functions.
    fn page(&self, tenant: &TenantId, from: Option<String>) -> impl Future<Output = Result<Page, Unavailable>> + Send;
}

/// Changes records of deliveries afterwards ([`crate::delivery::ledger::learn`]).
pub trait Amend: Send + Sync {
    /// Writes `record` in place of `seen`, unless somebody wrote that one since; answers whether it was written.
    fn amend(
        &self,
        tenant: &TenantId,
        seen: &DeliveryRecord,
        record: &DeliveryRecord,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// The memory of messages that may make the process die ([`crate::delivery::crash`]).
pub trait CrashMarkers: Send + Sync {
    /// Reads the crash markers against messages; one answer each, in the order of the ids, which must be distinct.
    fn crash_markers(
        &self,
        tenant: &TenantId,
        message_ids: &[String],
    ) -> impl Future<Output = Result<Vec<Option<CrashMarker>>, Unavailable>> + Send;
    /// Writes crash markers, each in place of an earlier one; one answer each, in order. The messages must be distinct.
    fn mark(
        &self,
        tenant: &TenantId,
        crash_markers: &[CrashMarker],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
    /// Takes the crash markers against messages back; one answer each, in order. The ids must be distinct.
    fn clear_markers(
        &self,
        tenant: &TenantId,
        message_ids: &[String],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}
