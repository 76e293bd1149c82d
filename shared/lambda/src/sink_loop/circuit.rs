//! Which deliveries may start now, by the circuits of their endpoints; and what their attempts say of those.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::id::SinkId;
use acequia_core::outcome::stall::Store;
use acequia_core::port::Ports;
use acequia_core::tenant::Sink as SinkConfig;

use super::{Item, SinkLoop};
use crate::batch_loop::BatchItem as _;
use crate::breakers::{Known, Passes};
use crate::{Batch, BatchMetrics, Endpoint, Sink, within};

/// The least time for the breakers to write what they saw, also where the effects took all of theirs: the ledger needs
/// the rest.
const LEAST_TIME: Duration = Duration::from_secs(1);

/// What a batch changed about circuits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CircuitNotes {
    turns: u64,
    unwritten: u64,
}

impl CircuitNotes {
    /// Adds it to the batch's metrics.
    pub(super) fn write(self, metrics: &mut BatchMetrics) {
        metrics.circuit_changes = self.turns;
        metrics.stalls.add(Store::Ledger, self.unwritten);
    }
}

impl<P: Ports, S: Sink> SinkLoop<P, S> {
    /// Looks at the circuits of these sinks, in the time that effects have. Sinks without a circuit cost nothing here.
    pub(super) async fn look_at_circuits(&self, batch: Batch<'_>, sinks: &[Arc<SinkConfig>]) -> Known {
        let Some(breakers) = &self.breakers else { return Known::default() };
        let watched: Vec<&SinkId> =
            sinks.iter().filter(|sink| S::endpoint(sink).is_some()).map(|sink| &sink.id).collect();
        breakers.look(&batch.queue.name.tenant, &watched).await
    }

    /// Makes those wait whose endpoint takes nothing now.
    pub(super) async fn ask_circuits(&self, batch: Batch<'_>, items: &mut [Item], known: Known) -> Option<Passes> {
        let breakers = self.breakers.as_ref()?;
        let mut sinks: BTreeMap<&SinkId, Endpoint<'_>> = BTreeMap::new();
        for (_, sink, _) in items.iter().filter_map(Item::admitted) {
            if let Some(endpoint) = S::endpoint(sink) {
                sinks.insert(&sink.id, endpoint);
            }
        }
        if sinks.is_empty() {
            return None;
        }
        let passes = breakers.ask(&batch.queue.name.tenant, &sinks, known).await;
        for item in items {
            let barred = item.admitted().and_then(|(_, sink, _)| passes.bar(&sink.id));
            if let Some(cause) = barred {
                item.fail(cause);
            }
        }
        Some(passes)
    }

    /// Tells the circuits what came of the attempts since they were told last.
    pub(super) async fn tell_circuits(&self, batch: Batch<'_>, passes: &Passes) {
        let Some(breakers) = &self.breakers else { return };
        // On the heap, because the loop's future holds this one's whole size otherwise. If it is cut off, the next
        // batch sees the same.
        self.in_time(batch, passes, Box::pin(breakers.tell(&batch.queue.name.tenant, passes))).await;
    }

    /// The end of a batch for its circuits.
    pub(super) async fn end_circuits(&self, batch: Batch<'_>, passes: Option<Passes>) -> CircuitNotes {
        let (Some(breakers), Some(passes)) = (&self.breakers, passes) else { return CircuitNotes::default() };
        self.tell_circuits(batch, &passes).await;
        let tenant = &batch.queue.name.tenant;
        self.in_time(batch, &passes, Box::pin(breakers.retry_alerts(tenant, &passes))).await;
        self.in_time(batch, &passes, Box::pin(breakers.note_held_back(tenant, &passes))).await;
        CircuitNotes { turns: passes.turns(), unwritten: passes.unwritten() }
    }

    async fn in_time(&self, batch: Batch<'_>, passes: &Passes, work: impl Future<Output = ()>) {
        let clock = &*self.common.clock;
        if within(clock, batch.deadline.for_effects(clock).max(LEAST_TIME), work).await.is_none() {
            passes.note_unwritten();
        }
    }
}
