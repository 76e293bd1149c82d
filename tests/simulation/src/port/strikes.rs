//! Strikes against messages, with perils. One that could not be taken back tells of a death that was none.

use acequia_core::id::TenantId;
use acequia_core::port::{Strikes, Unavailable};
use acequia_core::strikes::Strike;

use super::Perilous;
use crate::peril::unavailable;

const READ: &str = "read strikes against messages";
const WRITE: &str = "write strikes against messages";
const TAKE_BACK: &str = "take back strikes against messages";

impl Strikes for Perilous {
    async fn strikes(&self, tenant: &TenantId, message_ids: &[String]) -> Result<Vec<Option<Strike>>, Unavailable> {
        let Some(call) = self.0.call("strikes.read").await else { return Err(unavailable(READ)) };
        let answer = self.0.world.ledger.strikes(tenant, message_ids).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(READ)) }
    }

    async fn strike(&self, tenant: &TenantId, strikes: &[Strike]) -> Vec<Result<(), Unavailable>> {
        let Some(call) = self.0.call("strikes.write").await else { return self.none_written(tenant, strikes).await };
        let mut answers = Vec::with_capacity(strikes.len());
        for strike in strikes {
            if self.0.entry_fails(&call) {
                answers.push(self.unwritten(tenant, strike).await);
            } else {
                answers.extend(self.0.world.ledger.strike(tenant, std::slice::from_ref(strike)).await);
            }
        }
        if self.0.end(&call).await { answers } else { self.none_written(tenant, strikes).await }
    }

    async fn take_back(&self, tenant: &TenantId, message_ids: &[String]) -> Vec<Result<(), Unavailable>> {
        let down = || message_ids.iter().map(|id| self.unforgiven(id)).collect();
        let Some(call) = self.0.call("strikes.take_back").await else { return down() };
        let mut answers = Vec::with_capacity(message_ids.len());
        for id in message_ids {
            if self.0.entry_fails(&call) {
                answers.push(self.unforgiven(id));
            } else {
                answers.extend(self.0.world.ledger.take_back(tenant, std::slice::from_ref(id)).await);
            }
        }
        if self.0.end(&call).await { answers } else { down() }
    }
}

impl Perilous {
    async fn none_written(&self, tenant: &TenantId, strikes: &[Strike]) -> Vec<Result<(), Unavailable>> {
        let mut answers = Vec::with_capacity(strikes.len());
        for strike in strikes {
            answers.push(self.unwritten(tenant, strike).await);
        }
        answers
    }

    /// A strike was not written; where it was to stand in place of one that says more, that one stays.
    async fn unwritten(&self, tenant: &TenantId, strike: &Strike) -> Result<(), Unavailable> {
        let stands = self.0.world.ledger.strikes(tenant, std::slice::from_ref(&strike.message_id)).await;
        let stands = stands.ok().and_then(|mut found| found.pop().flatten());
        if stands.is_some_and(|stands| stands.alone > strike.alone) {
            return self.unforgiven(&strike.message_id);
        }
        Err(unavailable(WRITE))
    }

    /// A strike stays: for who finds it, an invocation died with this message.
    fn unforgiven(&self, message_id: &str) -> Result<(), Unavailable> {
        self.0.world.lock().history.died(message_id);
        Err(unavailable(TAKE_BACK))
    }
}
