//! What is left of shared rates, in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::id::TenantId;
use acequia_core::port::{Advance, RateStore, Unavailable};
use acequia_core::time::after;
use jiff::Timestamp;

use crate::fault::Faults;
use crate::shared::Shared;

/// The marks of rates in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryRates {
    marks: Shared<BTreeMap<(TenantId, String), i64>>,
    active_tenants: Shared<BTreeMap<(String, TenantId), Timestamp>>,
    /// Makes every operation fail.
    pub faults: Faults,
}

impl InMemoryRates {
    /// No rate was ever used.
    pub fn new() -> Self {
        Self::default()
    }
}

impl RateStore for InMemoryRates {
    async fn advance(
        &self,
        tenant: &TenantId,
        rate: &str,
        known: Option<i64>,
        next: i64,
    ) -> Result<Advance, Unavailable> {
        self.faults.call("take places of a rate")?;
        let mut marks = self.marks.lock();
        let key = (tenant.clone(), rate.to_owned());
        let stands = marks.get(&key).copied();
        if stands != known {
            return Ok(Advance::Stands(stands));
        }
        marks.insert(key, next);
        Ok(Advance::Moved)
    }

    async fn active_tenants(
        &self,
        shared: &str,
        tenant: &TenantId,
        window: Duration,
        now: Timestamp,
    ) -> Result<u32, Unavailable> {
        self.faults.call("count who shares a rate")?;
        let mut active_tenants = self.active_tenants.lock();
        active_tenants.insert((shared.to_owned(), tenant.clone()), now);
        let lately = active_tenants.iter().filter(|((what, _), at)| what == shared && after(**at, window) >= now);
        Ok(u32::try_from(lately.count()).unwrap_or(u32::MAX))
    }
}
