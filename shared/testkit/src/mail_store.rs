//! What is known of addresses, in memory.

use std::collections::BTreeMap;

use acequia_core::consent::{AddressId, Suppression};
use acequia_core::id::TenantId;
use acequia_core::port::{SendQuota, SuppressionList, Unavailable};
use jiff::Timestamp;

use crate::fault::Faults;
use crate::shared::Shared;

#[derive(Debug, Default)]
struct Rows {
    suppressed: BTreeMap<(TenantId, AddressId), Suppression>,
    failures: BTreeMap<(TenantId, AddressId), u32>,
    taken: BTreeMap<(TenantId, String), u64>,
    asked: BTreeMap<(TenantId, AddressId, String), u64>,
}

/// A suppression list and a send quota in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryMailStore {
    rows: Shared<Rows>,
    /// Makes every call fail.
    pub calls: Faults,
}

impl InMemoryMailStore {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }
}

impl SuppressionList for InMemoryMailStore {
    async fn suppressed(
        &self,
        tenant: &TenantId,
        addresses: &[AddressId],
    ) -> Result<Vec<Option<Suppression>>, Unavailable> {
        self.calls.answers().await;
        self.calls.call("read suppressed addresses")?;
        let rows = self.rows.lock();
        Ok(addresses.iter().map(|address| rows.suppressed.get(&(tenant.clone(), *address)).cloned()).collect())
    }

    async fn suppress(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        suppression: &Suppression,
    ) -> Result<(), Unavailable> {
        self.calls.call("suppress an address")?;
        self.rows.lock().suppressed.entry((tenant.clone(), *address)).or_insert_with(|| suppression.clone());
        Ok(())
    }

    async fn forget(&self, tenant: &TenantId, address: &AddressId) -> Result<bool, Unavailable> {
        self.calls.call("forget an address")?;
        let mut rows = self.rows.lock();
        let key = (tenant.clone(), *address);
        let (suppressed, failed) = (rows.suppressed.remove(&key), rows.failures.remove(&key));
        Ok(suppressed.is_some() || failed.is_some())
    }

    async fn count_failure(&self, tenant: &TenantId, address: &AddressId, _now: Timestamp) -> Result<u32, Unavailable> {
        self.calls.call("count a failure of an address")?;
        let mut rows = self.rows.lock();
        let count = rows.failures.entry((tenant.clone(), *address)).or_default();
        *count += 1;
        Ok(*count)
    }
}

impl SendQuota for InMemoryMailStore {
    async fn take(&self, tenant: &TenantId, cap: u64, now: Timestamp) -> Result<bool, Unavailable> {
        self.calls.call("take from the day's mails")?;
        let mut rows = self.rows.lock();
        let taken = rows.taken.entry((tenant.clone(), day(now))).or_default();
        let free = *taken < cap;
        *taken += u64::from(free);
        Ok(free)
    }

    async fn give_back(&self, tenant: &TenantId, now: Timestamp) -> Result<(), Unavailable> {
        self.calls.answers().await;
        self.calls.call("give a mail back to the day")?;
        let mut rows = self.rows.lock();
        if let Some(taken) = rows.taken.get_mut(&(tenant.clone(), day(now))) {
            *taken = taken.saturating_sub(1);
        }
        Ok(())
    }

    async fn take_ask(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        most: u64,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        self.calls.answers().await;
        self.calls.call("count a mail that asks an address")?;
        let mut rows = self.rows.lock();
        let asked = rows.asked.entry((tenant.clone(), *address, day(now))).or_default();
        let free = *asked < most;
        *asked += u64::from(free);
        Ok(free)
    }

    async fn give_back_ask(&self, tenant: &TenantId, address: &AddressId, now: Timestamp) -> Result<(), Unavailable> {
        self.calls.answers().await;
        self.calls.call("give back a mail that asks an address")?;
        if let Some(asked) = self.rows.lock().asked.get_mut(&(tenant.clone(), *address, day(now))) {
            *asked = asked.saturating_sub(1);
        }
        Ok(())
    }
}

fn day(now: Timestamp) -> String {
    now.strftime("%Y-%m-%d").to_string()
}
