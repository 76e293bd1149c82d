//! Strikes against messages, in memory: beside the ledger, as on AWS.

use acequia_core::id::TenantId;
use acequia_core::port::{Strikes, Unavailable};
use acequia_core::strikes::Strike;

use crate::ledger::InMemoryLedger;

impl Strikes for InMemoryLedger {
    async fn strikes(&self, tenant: &TenantId, message_ids: &[String]) -> Result<Vec<Option<Strike>>, Unavailable> {
        self.strikes.call("read strikes against messages")?;
        let struck = self.struck.lock();
        Ok(message_ids.iter().map(|id| struck.get(&(tenant.clone(), id.clone())).cloned()).collect())
    }

    async fn strike(&self, tenant: &TenantId, strikes: &[Strike]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "write strikes against messages";
        let down = self.strikes.call(OPERATION).is_err();
        let write = |(index, strike): (usize, &Strike)| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.strikes.entry(OPERATION, index)?;
            self.struck.lock().insert((tenant.clone(), strike.message_id.clone()), strike.clone());
            Ok(())
        };
        strikes.iter().enumerate().map(write).collect()
    }

    async fn take_back(&self, tenant: &TenantId, message_ids: &[String]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "take back strikes against messages";
        let down = self.strikes.call(OPERATION).is_err();
        let take_back = |id: &String| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.struck.lock().remove(&(tenant.clone(), id.clone()));
            Ok(())
        };
        message_ids.iter().map(take_back).collect()
    }
}
