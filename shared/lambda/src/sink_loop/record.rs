//! What the ledger remembers of a batch.

use acequia_core::delivery::ledger::{AttemptNote, DeliveryRecord, Record, Status};
use acequia_core::outcome::{Cause, Disposition, Hold, Outcome};
use acequia_core::port::{Ledger, Unavailable};
use acequia_core::tenant::Recording;
use acequia_core::time::after;
use jiff::Timestamp;

use super::Item;
use crate::batch::Decided;
use crate::batch_loop::{Settled, Unrecorded};
use crate::{Attempted, CurrentTenant, Sink, Timing};

/// Writes the ledger: what was claimed, what failed, and (where the tenant records all) what went well. Answers what it
/// does not know of now.
pub(super) async fn write<S: Sink>(
    ledger: &impl Ledger,
    settled: &Settled<'_, Item>,
    timing: Timing<'_>,
    current: &CurrentTenant,
) -> Unrecorded {
    let Settled { queue, items, decided } = settled;
    let (now, tenant) = (timing.clock.now(), &queue.name.tenant);
    let (mut delivered, mut records) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for (item, decided) in items.iter().zip(*decided).filter(|(item, _)| !item.recorded) {
        let Some(record) = as_settled(item, decided, now) else { continue };
        if !is_recorded(item, &record, current.tenant.record) {
            continue;
        }
        let made = record.status == Status::Delivered;
        if item.rivals
            && let Some(place) = place_of(&records, &record)
        {
            // A store takes one row of a key in a call, and what is not over yet needs it more. It tells of both.
            if let (Some(Record::Delivery(standing)), Some(delivered)) =
                (records.get_mut(place), delivered.get_mut(place))
            {
                let mut gives_way = record;
                if gives_way.status == Status::Retry || *delivered {
                    std::mem::swap(&mut **standing, &mut gives_way);
                    *delivered = made;
                }
                standing.note_other(&gives_way);
            }
            continue;
        }
        delivered.push(made);
        records.push(Record::Delivery(Box::new(record)));
    }
    if records.is_empty() {
        return Unrecorded::default();
    }
    let unwritten = || records.iter().map(|_| Err(Unavailable::new("write the ledger", "no answer in time"))).collect();
    let answers = timing.for_settling(ledger.write(tenant, &records)).await.unwrap_or_else(unwritten);
    let failures: Vec<_> = answers
        .into_iter()
        .zip(delivered)
        .filter_map(|(answer, delivered)| answer.err().map(|error| (error, delivered)))
        .collect();
    let unrecorded = failures.iter().fold(Unrecorded::default(), |sum, (_, delivered)| Unrecorded {
        rows: sum.rows + 1,
        delivered: sum.delivered + u64::from(*delivered),
    });
    if let Some((error, _)) = failures.first() {
        tracing::error!(tenant.id = %tenant, sink.kind = %S::KIND, delivered_unrecorded = unrecorded.delivered,
            records.unwritten = failures.len(), error = ?error, "the ledger could not be written after the effect");
    }
    unrecorded
}

/// Whether a record is worth a row.
fn is_recorded(item: &Item, record: &DeliveryRecord, recording: Recording) -> bool {
    let claimed = item.sink.as_ref().is_some_and(|sink| sink.claims);
    let went_well = record.status == Status::Delivered && record.attempts_used == 1 && record.attempts.len() == 1;
    recording == Recording::All || !went_well || claimed
}

/// The record of a delivery that was made, while others of its batch are still under way; `None` where it leaves no
/// recording.
pub(super) fn delivered_early(
    item: &Item,
    attempted: Option<Attempted>,
    recording: Recording,
    now: Timestamp,
) -> Option<DeliveryRecord> {
    let mut record = (**item.record.as_ref()?).clone();
    let attempted = attempted?;
    let attempts = record.attempts_used.saturating_add(1);
    record.reason = None;
    record.reservation = None;
    record.note(note(&record, &attempted, "delivered", now));
    (record.attempts_used, record.updated_at) = (attempts, now);
    (record.claim, record.lease_until) = (None, None);
    record.status = Status::Delivered;
    record.receipt = attempted.result.ok();
    is_recorded(item, &record, recording).then_some(record)
}

fn note(record: &DeliveryRecord, attempted: &Attempted, outcome: &str, now: Timestamp) -> AttemptNote {
    AttemptNote {
        number: record.attempts_used.saturating_add(1),
        at: now,
        outcome: outcome.to_owned(),
        duration_ms: u64::try_from(attempted.duration.as_millis()).unwrap_or(u64::MAX),
        detail: attempted.result.as_ref().err().map(ToString::to_string).unwrap_or_default(),
        content: None,
        stages: attempted.stages,
        fault: attempted.result.as_ref().err().and_then(Cause::fault),
    }
}

/// Where the record of the same id stands already.
fn place_of(records: &[Record], record: &DeliveryRecord) -> Option<usize> {
    let key = record.key();
    records.iter().position(|other| matches!(other, Record::Delivery(other) if other.key() == key))
}

/// The record of an item as it stands now; `None` for what was not admitted, or left no recording.
fn as_settled(item: &Item, decided: &Decided<'_>, now: Timestamp) -> Option<DeliveryRecord> {
    let mut record = (**item.record.as_ref()?).clone();
    let attempted = item.attempted.as_ref()?;
    let spends = attempted.result.as_ref().err().is_none_or(Cause::spends_attempt);
    let quarantined = matches!(decided.disposition, Disposition::Quarantine(_));
    let expired = matches!(attempted.result, Err(Cause::Expired));
    // A failure for good stays one while the dead-letter queue does not take it: the next claimant quarantines, and
    // attempts nothing.
    let is_final = attempted.result.as_ref().is_err_and(Cause::is_final);
    record.reason = decided.refused.filter(|_| is_final);
    let waits_for_its_reservation =
        matches!(attempted.result, Err(Cause::Held { by: Hold::Rate, .. })) && record.reservation.is_some();
    if !waits_for_its_reservation {
        record.reservation = None;
    }
    // What the sink did not want leaves a note too: the message is acknowledged, and nothing arrived.
    let shadowed = attempted.result.as_ref().is_err_and(|cause| cause.outcome() == Outcome::Shadowed);
    let filtered = attempted.result.as_ref().is_err_and(|cause| cause.outcome() == Outcome::Filtered) || shadowed;
    // Nothing was sent, and an operator has to do something about it: who asks for the event is to see what.
    let held = matches!(attempted.result, Err(Cause::MailHeld(_)));
    if spends || quarantined || expired || filtered || held {
        let outcome = match (&attempted.result, quarantined) {
            (Ok(_), _) => "delivered",
            (Err(_), true) => "quarantined",
            (Err(cause), false) => cause.outcome().as_str(),
        };
        record.note(note(&record, attempted, outcome, now));
    } else if record.reason.is_none()
        && !waits_for_its_reservation
        && !item.sink.as_ref().is_some_and(|sink| sink.claims)
    {
        // Nothing was attempted and nothing is claimed: the record says what it said before.
        return None;
    }
    record.attempts_used = decided.attempts;
    record.updated_at = now;
    (record.claim, record.lease_until) = (None, None);
    match decided.disposition {
        Disposition::Acknowledge => {
            record.status = match (expired, shadowed) {
                (true, _) => Status::Expired,
                (_, true) => Status::Shadowed,
                _ => Status::Delivered,
            };
            record.receipt = attempted.result.as_ref().ok().cloned();
        }
        Disposition::Hide(wait) | Disposition::Delay(wait) => {
            record.status = Status::Retry;
            record.due_at = Some(after(now, wait));
        }
        Disposition::Quarantine(reason) => {
            record.status = Status::Quarantined;
            record.reason = Some(reason);
        }
    }
    Some(record)
}
