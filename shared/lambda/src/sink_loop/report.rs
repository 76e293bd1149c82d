//! What is told of a batch: its metrics, and a wide record of each attempt that failed or is sampled.
//!
//! Nothing of an event's data gets in here: ids are ours or hashes, and a cause's text holds no address, secret or
//! payload.

use std::borrow::Cow;
use std::time::Duration;

use acequia_core::outcome::{Cause, Disposition};
use acequia_core::port::Clock;
use acequia_core::queue::QueueName;
use jiff::Timestamp;

use super::Item;
use crate::batch::Decided;
use crate::batch_loop::Settled;
use crate::{BatchMetrics, Sink, Telemetry};

/// The longest type of an event that is logged.
const MAX_TYPE_BYTES: usize = 128;

/// Writes the records of a batch, and answers its metrics.
pub(super) fn report<S: Sink>(telemetry: &Telemetry, clock: &dyn Clock, settled: &Settled<'_, Item>) -> BatchMetrics {
    let Settled { queue, items, decided } = settled;
    let (now, name) = (clock.now(), &queue.name);
    let mut metrics =
        BatchMetrics { received: u64::try_from(items.len()).unwrap_or(u64::MAX), ..BatchMetrics::default() };
    for (item, decision) in items.iter().zip(*decided) {
        let result = item.attempted.as_ref().map(|attempted| &attempted.result);
        match decision.disposition {
            Disposition::Acknowledge if matches!(result, Some(Ok(_))) => metrics.delivered += 1,
            Disposition::Acknowledge if matches!(result, Some(Err(Cause::NotWanted(_) | Cause::Shadowed(_)))) => {
                metrics.filtered += 1;
            }
            Disposition::Acknowledge if matches!(result, Some(Err(Cause::Expired))) => metrics.expired += 1,
            Disposition::Acknowledge => metrics.duplicates += 1,
            Disposition::Hide(_) => metrics.retried += 1,
            Disposition::Delay(_) => {
                metrics.retried += 1;
                metrics.delayed += 1;
            }
            Disposition::Quarantine(reason) => *metrics.quarantined.entry(reason).or_default() += 1,
        }
        metrics.attempts +=
            u64::from(result.is_some_and(|result| result.as_ref().err().is_none_or(Cause::spends_attempt)));
        if let Some(Err(cause)) = result {
            metrics.stalls.add_cause(cause, Some(S::KIND));
            if let Some(what) = cause.failed_by() {
                *metrics.failed.entry(what.into_owned()).or_default() += 1;
            }
        }
        if let Some(Ok(_)) = result {
            metrics.latencies.extend(latency(item));
        }
        match result {
            // Nothing was attempted, and an outage would hold thousands: the batch's line counts them.
            Some(Err(Cause::Held { by, .. })) => *metrics.held.entry(*by).or_default() += 1,
            // The ledger has it, and nothing failed.
            Some(Err(Cause::Shadowed(_))) => {}
            Some(Err(cause)) if *cause != Cause::AlreadyDone => {
                AttemptRecord::new(name, now, item, decision, Some(cause)).log_failure::<S>();
            }
            Some(result) if telemetry.is_sampling() && is_sampled(telemetry, item) => {
                AttemptRecord::new(name, now, item, decision, result.as_ref().err()).log_sample::<S>();
            }
            _ => {}
        }
    }
    metrics
}

/// From the event's acceptance to the sink's answer.
fn latency(item: &Item) -> Option<Duration> {
    let ended = item.attempted.as_ref()?.ended_at?;
    // The clocks of SQS and of this machine may differ: what seems to have come before it was accepted took no time.
    Some(Duration::try_from(ended.duration_since(item.delivery.as_ref()?.envelope.accepted_at)).unwrap_or_default())
}

fn is_sampled(telemetry: &Telemetry, item: &Item) -> bool {
    // What stands behind the underscore of a delivery id is a hash, in hex.
    let hash = item.delivery.as_ref().and_then(|delivery| delivery.id.as_str().split_once('_'));
    hash.is_some_and(|(_, hash)| telemetry.samples(hash))
}

/// All that is known of one attempt; a text that is not known is empty, a number is 0.
struct AttemptRecord<'a> {
    tenant: &'a str,
    sink: &'a str,
    delivery: &'a str,
    event_type: &'a str,
    message: &'a str,
    receive_count: u32,
    attempt: u32,
    outcome: &'a str,
    reason: &'a str,
    failed: Cow<'static, str>,
    wait_ms: u64,
    age_ms: u64,
    duration_ms: u64,
    trace: &'a str,
    detail: String,
}

/// One record at a level: the fields are the same whatever the message says.
macro_rules! log {
    ($level:ident, $record:expr, $message:literal) => {
        tracing::$level!(tenant.id = $record.tenant, sink.id = $record.sink, sink.kind = %S::KIND,
            delivery.id = $record.delivery, trace.id = $record.trace, event.type = $record.event_type, message.id = $record.message,
            message.receive_count = $record.receive_count, attempt.number = $record.attempt, outcome = $record.outcome,
            reason = $record.reason, failed = &*$record.failed, wait_ms = $record.wait_ms, age_ms = $record.age_ms,
            duration_ms = $record.duration_ms, detail = &*$record.detail, $message)
    };
}

impl<'a> AttemptRecord<'a> {
    fn new(
        name: &'a QueueName,
        now: Timestamp,
        item: &'a Item,
        decision: &'a Decided<'a>,
        cause: Option<&'a Cause>,
    ) -> Self {
        let delivery = item.delivery.as_ref();
        let (outcome, wait, reason) = match (decision.disposition, cause) {
            (Disposition::Quarantine(reason), _) => ("quarantined", None, reason.as_str()),
            (Disposition::Hide(wait) | Disposition::Delay(wait), cause) => {
                (cause.map_or("retry", |cause| cause.outcome().as_str()), Some(wait), "")
            }
            (Disposition::Acknowledge, cause) => {
                (cause.map_or("delivered", |cause| cause.outcome().as_str()), None, "")
            }
        };
        let age =
            delivery.and_then(|delivery| Duration::try_from(now.duration_since(delivery.envelope.accepted_at)).ok());
        Self {
            tenant: name.tenant.as_str(),
            sink: delivery.map_or("", |delivery| delivery.sink.as_str()),
            delivery: delivery.map_or("", |delivery| delivery.id.as_str()),
            event_type: delivery.map_or("", |delivery| plain(&delivery.envelope.event_type)),
            message: &item.message.message_id,
            receive_count: item.message.receive_count,
            attempt: decision.attempts,
            outcome,
            reason,
            failed: cause.and_then(Cause::failed_by).unwrap_or_default(),
            wait_ms: milliseconds(wait),
            age_ms: milliseconds(age),
            duration_ms: milliseconds(item.attempted.as_ref().map(|attempted| attempted.duration)),
            trace: delivery.map_or("", |delivery| delivery.envelope.trace_id()),
            detail: decision.detail(),
        }
    }

    fn log_failure<S: Sink>(&self) {
        log!(warn, self, "not delivered");
    }

    fn log_sample<S: Sink>(&self) {
        log!(info, self, "sampled");
    }
}

/// An event's type, if it is the name that it should be. It comes from a producer, and could be any text, even an
/// address.
fn plain(event_type: &str) -> &str {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if event_type.len() <= MAX_TYPE_BYTES && event_type.bytes().all(is_name) { event_type } else { "(no name)" }
}

fn milliseconds(time: Option<Duration>) -> u64 {
    u64::try_from(time.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_logged_as_types_of_events() {
        assert_eq!(plain("org.example.action-signed_v2"), "org.example.action-signed_v2");
        for odd in ["ana@example.org", "two words", "é", &"a".repeat(129)] {
            assert_eq!(plain(odd), "(no name)");
        }
    }
}
