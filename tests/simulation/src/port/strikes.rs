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
        let ids: Vec<String> = strikes.iter().map(|strike| strike.message_id.clone()).collect();
        let stand = self.0.world.ledger.strikes(tenant, &ids).await.unwrap_or_default();
        let says_more = |(strike, stands): (&Strike, Option<Strike>)| {
            stands.filter(|stands| stands.alone > strike.alone).map(|stands| stands.message_id)
        };
        // Where one that says more stays, it tells of a death: until the other is written, and whoever asks need not wait for that.
        let counted: Vec<String> = strikes.iter().zip(stand).filter_map(says_more).collect();
        self.count(&counted);
        let down = || strikes.iter().map(|_| Err(unavailable(WRITE))).collect();
        let Some(call) = self.0.call("strikes.write").await else { return down() };
        let mut answers = Vec::with_capacity(strikes.len());
        for strike in strikes {
            if self.0.entry_fails(&call) {
                answers.push(Err(unavailable(WRITE)));
            } else {
                answers.extend(self.0.world.ledger.strike(tenant, std::slice::from_ref(strike)).await);
            }
        }
        if !self.0.end(&call).await {
            return down();
        }
        self.forgive(&counted, &ids, &answers);
        answers
    }

    async fn take_back(&self, tenant: &TenantId, message_ids: &[String]) -> Vec<Result<(), Unavailable>> {
        // A strike that stays tells of a death, too.
        self.count(message_ids);
        let down = || message_ids.iter().map(|_| Err(unavailable(TAKE_BACK))).collect();
        let Some(call) = self.0.call("strikes.take_back").await else { return down() };
        let mut answers = Vec::with_capacity(message_ids.len());
        for id in message_ids {
            if self.0.entry_fails(&call) {
                answers.push(Err(unavailable(TAKE_BACK)));
            } else {
                answers.extend(self.0.world.ledger.take_back(tenant, std::slice::from_ref(id)).await);
            }
        }
        if !self.0.end(&call).await {
            return down();
        }
        self.forgive(message_ids, message_ids, &answers);
        answers
    }
}

impl Perilous {
    /// For who finds these strikes, an invocation died with the message.
    fn count(&self, ids: &[String]) {
        let history = &mut self.0.world.lock().history;
        for id in ids {
            history.died(id);
        }
    }

    /// Those that were counted and went well after all count no more.
    fn forgive(&self, counted: &[String], ids: &[String], answers: &[Result<(), Unavailable>]) {
        let history = &mut self.0.world.lock().history;
        for (id, answer) in ids.iter().zip(answers) {
            if answer.is_ok() && counted.contains(id) {
                history.forgiven(id);
            }
        }
    }
}
