//! What is told of a batch of events: its metrics, and a record of each event that could not be routed or is sampled.

use std::time::Duration;

use acequia_core::event::envelope::Envelope;
use acequia_core::id;
use acequia_core::outcome::Disposition;
use acequia_core::port::Clock;
use acequia_lambda::batch_loop::Settled;
use acequia_lambda::{BatchMetrics, Telemetry};

use crate::item::Item;

/// Writes the records of a batch, and answers its metrics.
pub(crate) fn report(telemetry: &Telemetry, clock: &dyn Clock, settled: &Settled<'_, Item>) -> BatchMetrics {
    let Settled { queue, items, decided } = settled;
    let (now, name) = (clock.now(), &queue.name);
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let mut metrics = BatchMetrics { received: count(items.len()), ..BatchMetrics::default() };
    for (item, decision) in items.iter().zip(*decided) {
        let routing = item.routing.as_ref();
        match decision.disposition {
            Disposition::Acknowledge if routing.is_some_and(|routing| routing.taken.is_empty()) => {
                metrics.unmatched += 1;
            }
            Disposition::Acknowledge => {
                metrics.routed += 1;
                let took = item.envelope.as_ref().map(|envelope| now.duration_since(envelope.accepted_at));
                metrics.latencies.extend(took.map(|took| Duration::try_from(took).unwrap_or_default()));
            }
            Disposition::Hide(_) => metrics.retried += 1,
            Disposition::Delay(_) => {
                metrics.retried += 1;
                metrics.delayed += 1;
            }
            Disposition::Quarantine(reason) => *metrics.quarantined.entry(reason).or_default() += 1,
        }
        let trace = item.envelope.as_ref().map_or("", |envelope| envelope.trace_id());
        if let Some(violation) = &item.violation {
            metrics.schema_reported += 1;
            tracing::warn!(tenant.id = %name.tenant, message.id = item.message.message_id, message.receive_count = item.message.receive_count,
                trace.id = trace, detail = %violation, "violates a schema");
        }
        metrics.filtered += routing.map_or(0, |routing| count(routing.filtered.len()));
        if let Some(cause) = &item.failure {
            metrics.stalls.add_cause(cause, None);
            let reason = match decision.disposition {
                Disposition::Quarantine(reason) => reason.as_str(),
                Disposition::Acknowledge | Disposition::Hide(_) | Disposition::Delay(_) => "",
            };
            tracing::warn!(tenant.id = %name.tenant, message.id = item.message.message_id, message.receive_count = item.message.receive_count,
                trace.id = trace, outcome = cause.outcome().as_str(), reason, detail = decision.detail(), "not routed");
        } else if item.envelope.as_ref().is_some_and(|envelope| is_sampled(telemetry, envelope)) {
            let (taken, filtered) = routing.map_or((0, 0), |routing| (routing.taken.len(), routing.filtered.len()));
            tracing::info!(tenant.id = %name.tenant, message.id = item.message.message_id, message.receive_count = item.message.receive_count,
                trace.id = trace, sinks.taken = taken, sinks.filtered = filtered, "sampled");
        }
    }
    metrics
}

fn is_sampled(telemetry: &Telemetry, envelope: &Envelope) -> bool {
    // Hashing costs more than all else here, so it is left out where nothing is sampled.
    telemetry.is_sampling() && telemetry.samples(&id::digest(envelope.event.to_string().as_bytes()))
}
