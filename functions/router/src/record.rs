//! What the ledger keeps of routing by a row of its own: that an event went nowhere, and where it went if its deliveries
//! cannot carry that ([`acequia_core::delivery::route`]).

use std::collections::BTreeMap;

use acequia_core::delivery::ledger::{RETENTION, Record, RouteRecord};
use acequia_core::outcome::Disposition;
use acequia_core::port::Ledger;
use acequia_core::tenant::Recording;
use acequia_core::time::after;
use acequia_lambda::batch_loop::{Settled, Unrecorded};
use acequia_lambda::{CurrentTenant, Timing};

use crate::item::Item;

/// Writes the routing of those events of a batch whose deliveries do not carry it: for a tenant that records failures
/// only, those that no sink takes, or that failed.
///
/// A write that fails is logged and costs nothing else: the deliveries themselves are in their queues. Answers how many
/// failed.
pub(crate) async fn write(
    ledger: &impl Ledger,
    settled: &Settled<'_, Item>,
    timing: Timing<'_>,
    current: &CurrentTenant,
) -> Unrecorded {
    let now = timing.clock.now();
    // One row per event: where an event stands in the batch twice, its rows say the same.
    let mut rows = BTreeMap::new();
    for (item, decision) in settled.items.iter().zip(settled.decided) {
        let Some(envelope) = &item.envelope else { continue };
        let reason = match decision.disposition {
            Disposition::Acknowledge => None,
            Disposition::Quarantine(reason) => Some(reason),
            // It comes back, and is recorded then.
            Disposition::Hide(_) | Disposition::Delay(_) => continue,
        };
        // What waits for consent has not been routed; the outbox records where it goes.
        if item.is_governed && reason.is_none() {
            continue;
        }
        let routing = item.routing.clone().unwrap_or_default();
        let unmatched = routing.taken.is_empty() && reason.is_none();
        // Its deliveries carry it, and whoever writes of them first writes it: a row more would double what an event costs.
        let is_carried = item.route.is_some() && reason.is_none();
        if is_carried || (current.tenant.record == Recording::Failures && !unmatched && reason.is_none()) {
            continue;
        }
        let row = RouteRecord {
            event: envelope.event.clone(),
            event_type: envelope.event_type.clone(),
            taken: routing.taken,
            filtered: routing.filtered,
            clauses: routing.clauses,
            via: envelope.via.clone(),
            unmatched,
            reason,
            config_version: current.version,
            accepted_at: envelope.accepted_at,
            updated_at: now,
            expires_at: after(now, RETENTION),
            trace_id: envelope.trace.as_ref().map(|trace| trace.trace_id().to_owned()),
        };
        rows.insert(envelope.event.clone(), Record::Route(Box::new(row)));
    }
    let rows: Vec<Record> = rows.into_values().collect();
    if rows.is_empty() {
        return Unrecorded::default();
    }
    let tenant = &current.tenant.summary.id;
    let Some(answers) = timing.for_settling(ledger.write(tenant, &rows)).await else {
        tracing::error!(tenant.id = %tenant, records.unwritten = rows.len(), "the routing of events could not be recorded in time");
        return unrecorded(rows.len());
    };
    let failures: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    if let Some(error) = failures.first() {
        tracing::error!(tenant.id = %tenant, records.unwritten = failures.len(), error = ?error,
            "the routing of events could not be recorded");
    }
    unrecorded(failures.len())
}

fn unrecorded(rows: usize) -> Unrecorded {
    Unrecorded { rows: u64::try_from(rows).unwrap_or(u64::MAX), delivered: 0 }
}
