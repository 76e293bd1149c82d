//! Which deliveries may start now, by the circuits of their endpoints; and what their attempts say of those.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::delivery::breaker::Seen;
use acequia_core::id::SinkId;
use acequia_core::outcome::stall::Store;
use acequia_core::port::Ports;

use super::{Item, SinkLoop};
use crate::batch_loop::BatchItem as _;
use crate::breakers::Passes;
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
    /// Makes those wait whose endpoint takes nothing now. Sinks without a circuit cost nothing here.
    pub(super) async fn ask_circuits(&self, batch: Batch<'_>, items: &mut [Item]) -> Option<Passes> {
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
        let mut passes = breakers.ask(&batch.queue.name.tenant, &sinks).await;
        for item in items {
            let barred = item.admitted().and_then(|(_, sink, _)| passes.bar(&sink.id));
            if let Some(cause) = barred {
                item.fail(cause);
            }
        }
        Some(passes)
    }

    /// Tells the circuits what came of the attempts.
    pub(super) async fn tell_circuits(&self, batch: Batch<'_>, items: &[Item], passes: Option<Passes>) -> CircuitNotes {
        let (Some(breakers), Some(passes)) = (&self.breakers, passes) else { return CircuitNotes::default() };
        let mut seen: BTreeMap<&SinkId, Seen> = BTreeMap::new();
        for item in items {
            if let (Some(sink), Some(attempted)) = (&item.sink, &item.attempted) {
                seen.entry(&sink.id).or_default().add(&attempted.result);
            }
        }
        let clock = &*self.common.clock;
        // On the heap, because the loop's future holds this one's whole size otherwise. If it is cut off, the next
        // batch sees the same.
        let told = Box::pin(breakers.tell(&batch.queue.name.tenant, &seen, &passes));
        if within(clock, batch.deadline.for_effects(clock).max(LEAST_TIME), told).await.is_none() {
            passes.note_unwritten();
        }
        CircuitNotes { turns: passes.turns(), unwritten: passes.unwritten() }
    }
}
