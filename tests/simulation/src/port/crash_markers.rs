//! Crash markers against messages, with perils. One that could not be taken back tells of a death that was none.

use acequia_core::delivery::crash::CrashMarker;
use acequia_core::id::TenantId;
use acequia_core::port::{CrashMarkers, Unavailable};

use super::Perilous;
use crate::peril::unavailable;

const READ: &str = "read crash markers against messages";
const WRITE: &str = "write crash markers against messages";
const TAKE_BACK: &str = "take back crash markers against messages";

impl CrashMarkers for Perilous {
    async fn crash_markers(
        &self,
        tenant: &TenantId,
        message_ids: &[String],
    ) -> Result<Vec<Option<CrashMarker>>, Unavailable> {
        let Some(call) = self.0.call("crash_markers.read").await else { return Err(unavailable(READ)) };
        let answer = self.0.world.ledger.crash_markers(tenant, message_ids).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(READ)) }
    }

    async fn mark(&self, tenant: &TenantId, crash_markers: &[CrashMarker]) -> Vec<Result<(), Unavailable>> {
        let ids: Vec<String> = crash_markers.iter().map(|crash_marker| crash_marker.message_id.clone()).collect();
        let stand = self.0.world.ledger.crash_markers(tenant, &ids).await.unwrap_or_default();
        let says_more = |(crash_marker, stands): (&CrashMarker, Option<CrashMarker>)| {
            stands.filter(|stands| stands.alone > crash_marker.alone).map(|stands| stands.message_id)
        };
        // Where a marker that says more stays, it tells of a death: until the other is written, and its reader need not
        // wait for that.
        let counted: Vec<String> = crash_markers.iter().zip(stand).filter_map(says_more).collect();
        self.count(&counted);
        let down = || crash_markers.iter().map(|_| Err(unavailable(WRITE))).collect();
        let Some(call) = self.0.call("crash_markers.write").await else { return down() };
        let mut answers = Vec::with_capacity(crash_markers.len());
        for crash_marker in crash_markers {
            if self.0.entry_fails(&call) {
                answers.push(Err(unavailable(WRITE)));
            } else {
                answers.extend(self.0.world.ledger.mark(tenant, std::slice::from_ref(crash_marker)).await);
            }
        }
        if !self.0.end(&call).await {
            return down();
        }
        self.forgive(&counted, &ids, &answers);
        answers
    }

    async fn clear_markers(&self, tenant: &TenantId, message_ids: &[String]) -> Vec<Result<(), Unavailable>> {
        // A crash marker that stays tells of a death, too.
        self.count(message_ids);
        let down = || message_ids.iter().map(|_| Err(unavailable(TAKE_BACK))).collect();
        let Some(call) = self.0.call("crash_markers.clear_markers").await else { return down() };
        let mut answers = Vec::with_capacity(message_ids.len());
        for id in message_ids {
            if self.0.entry_fails(&call) {
                answers.push(Err(unavailable(TAKE_BACK)));
            } else {
                answers.extend(self.0.world.ledger.clear_markers(tenant, std::slice::from_ref(id)).await);
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
    /// Counts a death: to an invocation that finds these crash markers, an invocation died with the message.
    fn count(&self, ids: &[String]) {
        let history = &mut self.0.world.lock().history;
        for id in ids {
            history.died(id);
        }
    }

    /// Takes back the counts of messages that were counted and went well after all.
    fn forgive(&self, counted: &[String], ids: &[String], answers: &[Result<(), Unavailable>]) {
        let history = &mut self.0.world.lock().history;
        for (id, answer) in ids.iter().zip(answers) {
            if answer.is_ok() && counted.contains(id) {
                history.forgiven(id);
            }
        }
    }
}
