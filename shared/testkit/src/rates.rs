//! What is left of shared rates, in memory.

use std::collections::{BTreeMap, BTreeSet};

use acequia_core::delivery::share::Bucket;
use acequia_core::id::TenantId;
use acequia_core::port::{Advance, RateStore, Unavailable};

use crate::fault::Faults;
use crate::shared::Shared;

/// The marks of rates in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryRates {
    marks: Shared<BTreeMap<(TenantId, String), i64>>,
    /// Who joined which bucket of what.
    members: Shared<BTreeSet<(String, Bucket, TenantId)>>,
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

    async fn join(&self, shared: &str, tenant: &TenantId, bucket: Bucket) -> Result<bool, Unavailable> {
        self.faults.call("count who shares a rate")?;
        let mut members = self.members.lock();
        let is_there = |bucket: Bucket| (shared.to_owned(), bucket, tenant.clone());
        let was_there = members.contains(&is_there(bucket.before()));
        Ok(members.insert(is_there(bucket)) && !was_there)
    }

    async fn sharers(&self, shared: &str, bucket: Bucket) -> Result<u32, Unavailable> {
        self.faults.call("count who shares a rate")?;
        let members = self.members.lock();
        let lately =
            |(what, of, _): &&(String, Bucket, TenantId)| what == shared && (bucket.before()..=bucket).contains(of);
        let tenants: BTreeSet<&TenantId> = members.iter().filter(lately).map(|(_, _, tenant)| tenant).collect();
        Ok(u32::try_from(tenants.len()).unwrap_or(u32::MAX))
    }
}
