//! Crash markers against messages, in memory: beside the ledger, as on AWS.

use acequia_core::delivery::crash::CrashMarker;
use acequia_core::id::TenantId;
use acequia_core::port::{CrashMarkers, Unavailable};

use crate::ledger::InMemoryLedger;

impl CrashMarkers for InMemoryLedger {
    async fn crash_markers(
        &self,
        tenant: &TenantId,
        message_ids: &[String],
    ) -> Result<Vec<Option<CrashMarker>>, Unavailable> {
        self.crash_markers.call("read crash markers against messages")?;
        let marked = self.marked.lock();
        Ok(message_ids.iter().map(|id| marked.get(&(tenant.clone(), id.clone())).cloned()).collect())
    }

    async fn mark(&self, tenant: &TenantId, crash_markers: &[CrashMarker]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "write crash markers against messages";
        let down = self.crash_markers.call(OPERATION).is_err();
        let write = |(index, crash_marker): (usize, &CrashMarker)| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.crash_markers.entry(OPERATION, index)?;
            self.marked.lock().insert((tenant.clone(), crash_marker.message_id.clone()), crash_marker.clone());
            Ok(())
        };
        crash_markers.iter().enumerate().map(write).collect()
    }

    async fn clear_markers(&self, tenant: &TenantId, message_ids: &[String]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "take back crash markers against messages";
        let down = self.crash_markers.call(OPERATION).is_err();
        let clear_markers = |id: &String| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.marked.lock().remove(&(tenant.clone(), id.clone()));
            Ok(())
        };
        message_ids.iter().map(clear_markers).collect()
    }
}
