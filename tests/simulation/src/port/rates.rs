//! The store of rates, with perils.

use acequia_core::delivery::share::Bucket;
use acequia_core::id::TenantId;
use acequia_core::port::{Advance, RateStore, Unavailable};

use super::Perilous;
use crate::mutation::Mutation;
use crate::peril::unavailable;

const ADVANCE: &str = "take places of a rate";

impl RateStore for Perilous {
    async fn advance(
        &self,
        tenant: &TenantId,
        rate: &str,
        known: Option<i64>,
        next: i64,
    ) -> Result<Advance, Unavailable> {
        let Some(call) = self.0.call("rates.advance").await else { return Err(unavailable(ADVANCE)) };
        if self.0.world.mutation == Some(Mutation::IgnoreRate) {
            // As if the rate had never been used.
            return Ok(known.map_or(Advance::Moved, |_| Advance::Stands(None)));
        }
        let mut answer = self.0.world.rates.advance(tenant, rate, known, next).await;
        if call.repeated {
            answer = self.0.world.rates.advance(tenant, rate, known, next).await;
        }
        if self.0.end(&call).await { answer } else { Err(unavailable(ADVANCE)) }
    }

    async fn join(&self, shared: &str, tenant: &TenantId, bucket: Bucket) -> Result<bool, Unavailable> {
        self.0.world.rates.join(shared, tenant, bucket).await
    }

    async fn sharers(&self, shared: &str, bucket: Bucket) -> Result<u32, Unavailable> {
        self.0.world.rates.sharers(shared, bucket).await
    }
}
