//! The ledger, with perils.

use std::ops::RangeInclusive;

use acequia_core::delivery::ledger::{ClaimRequest, DeliveryKey, DeliveryRecord, Record, Status, Verdict};
use acequia_core::id::{EventId, TenantId};
use acequia_core::port::{Amend, Ledger, Page, Unavailable};
use acequia_core::time::after;
use jiff::Timestamp;

use super::Perilous;
use crate::mutation::Mutation;
use crate::peril::unavailable;
use crate::story::expired;

const CLAIM: &str = "claim deliveries in the ledger";
const WRITE: &str = "write records to the ledger";

impl Perilous {
    /// Whose rows are meant: the tenant's, unless the protocol is broken so.
    fn owner(&self, tenant: &TenantId) -> TenantId {
        let shared = self.0.world.mutation == Some(Mutation::ShareLedger);
        if shared { acequia_testkit::build::tenant_id("everybody") } else { tenant.clone() }
    }

    fn request(&self, request: &ClaimRequest) -> ClaimRequest {
        let mut request = request.clone();
        if self.0.world.mutation == Some(Mutation::ShortLease) {
            request.lease_until = after(request.now, std::time::Duration::from_secs(1));
        }
        request
    }

    /// Claims one delivery for real, and sees it.
    async fn claim_one(&self, tenant: &TenantId, request: &ClaimRequest) -> Result<Verdict, Unavailable> {
        let ledger = &self.0.world.ledger;
        let owner = self.owner(tenant);
        let verdict = ledger.claim(&owner, std::slice::from_ref(&self.request(request))).await.pop();
        let verdict = verdict.unwrap_or_else(|| Err(unavailable(CLAIM)))?;
        self.see_verdict(tenant, request, &verdict);
        if let (Some(Mutation::LookExpedites), Verdict::NotDue(_)) = (self.0.world.mutation, &verdict) {
            self.expedite(tenant, request).await;
        }
        match (self.0.world.mutation, verdict) {
            (Some(Mutation::AcknowledgeInProgress), Verdict::InProgress(_)) => Ok(Verdict::Done),
            (Some(Mutation::CompleteFirst), Verdict::Claimed { record, ambiguous }) => {
                let done =
                    DeliveryRecord { status: Status::Delivered, claim: None, lease_until: None, ..(*record).clone() };
                ledger.write(&owner, &[Record::Delivery(Box::new(done))]).await;
                Ok(Verdict::Claimed { record, ambiguous })
            }
            (_, verdict) => Ok(verdict),
        }
    }

    /// A broken look: the record is due now, and nothing was attempted.
    async fn expedite(&self, tenant: &TenantId, request: &ClaimRequest) {
        let stands = self.0.world.ledger.read(&self.owner(tenant), std::slice::from_ref(&request.key)).await;
        for record in stands.into_iter().flatten().flatten() {
            let due = DeliveryRecord { due_at: Some(request.now), ..record };
            self.write_one(tenant, &Record::Delivery(Box::new(due))).await.ok();
        }
    }

    fn see_verdict(&self, tenant: &TenantId, request: &ClaimRequest, verdict: &Verdict) {
        let history = &mut self.0.world.lock().history;
        let Some(key) = history.story_of_key(tenant, &request.key) else { return };
        let word = match verdict {
            Verdict::Claimed { ambiguous: true, .. } => "claims, after one that died,",
            Verdict::Claimed { .. } => "claims",
            Verdict::Done => "finds done",
            Verdict::InProgress(_) => "finds in progress",
            Verdict::NotDue(_) => "finds not due",
            Verdict::Conflict => "finds another content of",
            Verdict::Quarantined(_) => "finds quarantined",
        };
        history.note(self.0.invocation(), format_args!("{word} {key:?}"));
        if let Verdict::Claimed { record, .. } = verdict {
            history.claimed(self.0.invocation(), key, record);
        }
    }

    /// Writes one row for real, and sees it.
    async fn write_one(&self, tenant: &TenantId, record: &Record) -> Result<(), Unavailable> {
        let mut record = record.clone();
        match (self.0.world.mutation, &mut record) {
            (Some(Mutation::ForgetExpired), Record::Delivery(delivery)) if delivery.status == Status::Expired => {
                let history = &mut self.0.world.lock().history;
                if let Some(key) = history.story_of_key(tenant, &delivery.key()) {
                    history.unsettled.remove(&key);
                    history.expired_unwritten.remove(&(key, delivery.digest.clone()));
                }
                return Ok(());
            }
            (Some(Mutation::ForgetAttempts), Record::Delivery(delivery)) => {
                let history = &self.0.world.lock().history;
                let plan = history.story_of_key(tenant, &delivery.key()).and_then(|key| history.plan(key));
                if plan.is_some_and(|plan| !plan.claims) {
                    delivery.attempts_used = 0;
                }
            }
            _ => {}
        }
        if let (Some(Mutation::DueAtOnce), Record::Delivery(delivery)) = (self.0.world.mutation, &mut record) {
            delivery.due_at = delivery.due_at.map(|_| delivery.updated_at);
        }
        let answer = self.0.world.ledger.write(&self.owner(tenant), std::slice::from_ref(&record)).await.pop();
        let history = &mut self.0.world.lock().history;
        match &record {
            Record::Delivery(delivery) => {
                if let Some(key) = history.story_of_key(tenant, &delivery.key()) {
                    history.written(self.0.invocation(), key, delivery);
                }
            }
            Record::Route(route) => {
                if let Some(identity) = history.identity(tenant, &route.event) {
                    history.unrecorded.remove(&identity);
                }
            }
        }
        answer.unwrap_or_else(|| Err(unavailable(WRITE)))
    }

    /// A row was not written, or is not known to be.
    fn miss(&self, tenant: &TenantId, record: &Record) -> Result<(), Unavailable> {
        let history = &mut self.0.world.lock().history;
        match record {
            Record::Route(route) => {
                if let Some(identity) = history.identity(tenant, &route.event) {
                    history.unrecorded.insert(identity);
                }
            }
            Record::Delivery(delivery) => {
                if let Some(key) = history.story_of_key(tenant, &delivery.key()) {
                    history.unsettled.insert(key);
                    for digest in expired(delivery) {
                        history.expired_unwritten.insert((key, digest.to_owned()));
                    }
                }
            }
        }
        Err(unavailable(WRITE))
    }
}

impl Amend for Perilous {
    async fn amend(
        &self,
        tenant: &TenantId,
        seen: &DeliveryRecord,
        record: &DeliveryRecord,
    ) -> Result<bool, Unavailable> {
        const OPERATION: &str = "amend a record of the ledger";
        let Some(call) = self.0.call("ledger.amend").await else { return Err(unavailable(OPERATION)) };
        let answer = self.0.world.ledger.amend(&self.owner(tenant), seen, record).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(OPERATION)) }
    }
}

impl Ledger for Perilous {
    async fn claim(&self, tenant: &TenantId, requests: &[ClaimRequest]) -> Vec<Result<Verdict, Unavailable>> {
        let down = || requests.iter().map(|_| Err(unavailable(CLAIM))).collect();
        let Some(call) = self.0.call("ledger.claim").await else { return down() };
        let mut verdicts = Vec::with_capacity(requests.len());
        for request in requests {
            if self.0.entry_fails(&call) {
                verdicts.push(Err(unavailable(CLAIM)));
                continue;
            }
            let mut verdict = self.claim_one(tenant, request).await;
            // The adapter remembers over its own repetitions that an earlier claimant died.
            if let (true, Ok(Verdict::Claimed { ambiguous: first, .. })) = (call.repeated, &verdict) {
                let first = *first;
                verdict = self.claim_one(tenant, request).await;
                if let Ok(Verdict::Claimed { ambiguous, .. }) = &mut verdict {
                    *ambiguous |= first;
                }
            }
            verdicts.push(verdict);
        }
        if self.0.end(&call).await { verdicts } else { down() }
    }

    async fn read(&self, tenant: &TenantId, keys: &[DeliveryKey]) -> Vec<Result<Option<DeliveryRecord>, Unavailable>> {
        const OPERATION: &str = "read records of the ledger";
        let down = || keys.iter().map(|_| Err(unavailable(OPERATION))).collect();
        let Some(call) = self.0.call("ledger.read").await else { return down() };
        let mut answers = self.0.world.ledger.read(&self.owner(tenant), keys).await;
        for answer in &mut answers {
            if self.0.entry_fails(&call) {
                *answer = Err(unavailable(OPERATION));
            }
        }
        if self.0.end(&call).await { answers } else { down() }
    }

    async fn write(&self, tenant: &TenantId, records: &[Record]) -> Vec<Result<(), Unavailable>> {
        // The caller may not wait for the answer: until the records are written, they are missed.
        let missed: Vec<_> = records.iter().map(|record| self.miss(tenant, record)).collect();
        let Some(call) = self.0.call("ledger.write").await else { return missed };
        let mut answers = Vec::with_capacity(records.len());
        for record in records {
            if self.0.entry_fails(&call) {
                answers.push(self.miss(tenant, record));
                continue;
            }
            answers.push(self.write_one(tenant, record).await);
            if call.repeated {
                self.write_one(tenant, record).await.ok();
            }
        }
        if self.0.end(&call).await { answers } else { records.iter().map(|record| self.miss(tenant, record)).collect() }
    }

    async fn explain(&self, tenant: &TenantId, event: &EventId) -> Result<Vec<Record>, Unavailable> {
        self.0.world.ledger.explain(tenant, event).await
    }

    async fn failed(
        &self,
        tenant: &TenantId,
        within: &RangeInclusive<Timestamp>,
        from: Option<String>,
    ) -> Result<Page, Unavailable> {
        self.0.world.ledger.failed(tenant, within, from).await
    }

    async fn page(&self, tenant: &TenantId, from: Option<String>) -> Result<Page, Unavailable> {
        self.0.world.ledger.page(tenant, from).await
    }
}
