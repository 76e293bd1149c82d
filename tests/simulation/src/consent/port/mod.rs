//! The ports of consent with perils, and with eyes: the ports that tell nothing of consent are [`Perilous`] itself.

mod agenda;
mod mailer;
mod queues;
mod stores;

use std::ops::RangeInclusive;

use acequia_core::delivery::crash::CrashMarker;
use acequia_core::delivery::delay::Delayed;
use acequia_core::delivery::ledger::{ClaimRequest, DeliveryKey, DeliveryRecord, Record, Verdict};
use acequia_core::id::TenantId;
use acequia_core::port::{Amend, CrashMarkers, DelayStore, Ledger, Page, Ports, Unavailable};

use jiff::Timestamp;

use super::function::Kind;
use super::scene::Scene;
use crate::peril::{Instance, unavailable};
use crate::port::Perilous;

/// All ports of one instance.
#[derive(Debug, Clone)]
pub struct Port {
    /// Where its calls pass.
    pub instance: Instance,
    /// What they reach.
    pub scene: Scene,
    /// Whose they are.
    pub kind: Kind,
}

/// Endpoints have no circuits here: the other family's tenants have enough of them.
impl Ports for Port {
    type Tenants = Perilous;
    type Ledger = Self;
    type Queues = Self;
    type Delays = Self;
    type Rates = Perilous;
    type Endpoints = Perilous;
    type Alerts = Perilous;
    type Consents = Self;
}

impl Port {
    fn who(&self) -> u64 {
        self.instance.invocation()
    }

    fn hold(&self, held: Result<(), String>) {
        self.scene.hold(self.who(), held);
    }

    fn other(&self) -> Perilous {
        Perilous(self.instance.clone())
    }
}

impl Amend for Port {
    async fn amend(
        &self,
        tenant: &TenantId,
        seen: &DeliveryRecord,
        record: &DeliveryRecord,
    ) -> Result<bool, Unavailable> {
        self.other().amend(tenant, seen, record).await
    }
}

impl Ledger for Port {
    async fn claim(&self, tenant: &TenantId, requests: &[ClaimRequest]) -> Vec<Result<Verdict, Unavailable>> {
        self.other().claim(tenant, requests).await
    }

    async fn read(&self, tenant: &TenantId, keys: &[DeliveryKey]) -> Vec<Result<Option<DeliveryRecord>, Unavailable>> {
        self.other().read(tenant, keys).await
    }

    async fn write(&self, tenant: &TenantId, records: &[Record]) -> Vec<Result<(), Unavailable>> {
        const WRITE: &str = "write records to the ledger";
        let down = || records.iter().map(|_| Err(unavailable(WRITE))).collect();
        let Some(call) = self.instance.call("ledger.write").await else { return down() };
        let mut answers = Vec::with_capacity(records.len());
        for record in records {
            if self.instance.entry_fails(&call) {
                answers.push(Err(unavailable(WRITE)));
                continue;
            }
            answers.extend(self.scene.world.ledger.write(tenant, std::slice::from_ref(record)).await);
            if let Record::Delivery(delivery) = record {
                let held = self.scene.seen().written(self.who(), tenant, delivery);
                self.hold(held);
            }
        }
        if self.instance.end(&call).await { answers } else { down() }
    }

    async fn explain(&self, tenant: &TenantId, event: &acequia_core::id::EventId) -> Result<Vec<Record>, Unavailable> {
        self.scene.world.ledger.explain(tenant, event).await
    }

    async fn failed(
        &self,
        tenant: &TenantId,
        within: &RangeInclusive<Timestamp>,
        from: Option<String>,
    ) -> Result<Page, Unavailable> {
        self.scene.world.ledger.failed(tenant, within, from).await
    }

    async fn page(&self, tenant: &TenantId, from: Option<String>) -> Result<Page, Unavailable> {
        self.scene.world.ledger.page(tenant, from).await
    }
}

impl CrashMarkers for Port {
    async fn crash_markers(
        &self,
        tenant: &TenantId,
        message_ids: &[String],
    ) -> Result<Vec<Option<CrashMarker>>, Unavailable> {
        self.other().crash_markers(tenant, message_ids).await
    }

    async fn mark(&self, tenant: &TenantId, crash_markers: &[CrashMarker]) -> Vec<Result<(), Unavailable>> {
        self.other().mark(tenant, crash_markers).await
    }

    async fn clear_markers(&self, tenant: &TenantId, message_ids: &[String]) -> Vec<Result<(), Unavailable>> {
        self.other().clear_markers(tenant, message_ids).await
    }
}

impl DelayStore for Port {
    async fn delay(&self, tenant: &TenantId, rows: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        const DELAY: &str = "delay messages";
        let down = || rows.iter().map(|_| Err(unavailable(DELAY))).collect();
        let Some(call) = self.instance.call("delays.delay").await else { return down() };
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            if self.instance.entry_fails(&call) {
                answers.push(Err(unavailable(DELAY)));
            } else {
                answers.extend(self.scene.world.delays.delay(tenant, std::slice::from_ref(row)).await);
            }
        }
        if self.instance.end(&call).await { answers } else { down() }
    }
}
