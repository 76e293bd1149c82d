//! The metrics of one batch, as one line in `CloudWatch`'s embedded metric format.
//!
//! A metric costs money per name and set of dimensions, so the dimensions are the stage and the function, and nothing
//! that grows with tenants; the tenant, the reasons of quarantine and what failed at endpoints are properties of the
//! line, which cost nothing but its bytes. What is zero is left out. No value here comes from an event.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use acequia_core::outcome::stall::Stalls;
use acequia_core::outcome::{Hold, Reason};
use acequia_core::queue::{QueueName, QueueRole};
use jiff::Timestamp;
use metrique::emf::{Emf, NoMetric};
use metrique::writer::unit::NegativeScale;
use metrique::writer::{Entry, EntryWriter, MetricFlags, Observation, Unit, Value, ValueWriter};

/// The namespace of all our metrics.
pub(super) const NAMESPACE: &str = "Acequia";

/// `CloudWatch` takes at most 100 values of one metric in one line.
const MOST_VALUES: usize = 100;

/// What one batch came to.
///
/// At a sink, `received` is the sum of `delivered`, `duplicates`, `expired`, `retried` and `quarantined`; at the
/// router, of `routed`, `unmatched`, `retried` and `quarantined`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchMetrics {
    /// Messages of the batch.
    pub received: u64,
    /// Deliveries that the sink has taken.
    pub delivered: u64,
    /// Messages whose delivery was done before, or stands in the batch a second time.
    pub duplicates: u64,
    /// Messages whose delivery's time was over: not sent.
    pub expired: u64,
    /// Events whose deliveries are all in their queues.
    pub routed: u64,
    /// Events that no sink takes.
    pub unmatched: u64,
    /// Sinks that take the type of an event and filtered it out by their pattern.
    pub filtered: u64,
    /// Events that violate a schema which refuses nothing.
    pub schema_reported: u64,
    /// Messages that come back.
    pub retried: u64,
    /// Of these, messages that wait outside their queue.
    pub delayed: u64,
    /// Of these, messages that were held back without an attempt, by what held them.
    pub held: BTreeMap<Hold, u64>,
    /// Circuits of endpoints that opened or closed.
    pub circuit_changes: u64,
    /// Messages that went to the dead-letter queue, by reason.
    pub quarantined: BTreeMap<Reason, u64>,
    /// Attempts that failed at an endpoint, by the word for what failed ([`acequia_core::outcome::Cause::failed_by`]).
    pub failed: BTreeMap<String, u64>,
    /// Attempts of schedules that were used up, with or without success.
    pub attempts: u64,
    /// Deliveries that were made and could not be recorded.
    pub delivered_unrecorded: u64,
    /// What was held up because something of ours was down. It has lines of its own.
    pub stalls: Stalls,
    /// From an event's acceptance to its receipt by the sink (at the router: to its deliveries' queues).
    pub latencies: Vec<Duration>,
}

/// The format of the line: its namespace and dimensions.
pub(super) fn format() -> Emf {
    Emf::builder(NAMESPACE.to_owned(), vec![vec!["stage".to_owned(), "function".to_owned()]]).build()
}

/// The function that serves the queues of a role.
pub(crate) fn function(role: QueueRole) -> &'static str {
    match role {
        QueueRole::Intake => "router",
        role => role.as_str(),
    }
}

/// One batch's metrics with what they are of.
pub(super) struct Line<'b> {
    queue: &'b QueueName,
    at: Timestamp,
    level: &'b str,
    metrics: &'b BatchMetrics,
}

impl<'b> Line<'b> {
    /// `level` is the least level that the function logs: Lambda drops lines below it, and takes one without level or
    /// time for `INFO`.
    pub(super) fn new(queue: &'b QueueName, at: Timestamp, level: &'b str, metrics: &'b BatchMetrics) -> Self {
        Self { queue, at, level, metrics }
    }
}

impl Entry for Line<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        let function = function(self.queue.role);
        let quarantined = self.metrics.quarantined.values().sum();
        let held = self.metrics.held.values().sum();
        let rate_waits = self.metrics.held.get(&Hold::Rate).copied().unwrap_or_default();
        writer.timestamp(SystemTime::from(self.at));
        writer.value("timestamp", &self.at.to_string());
        writer.value("level", self.level);
        writer.value("stage", self.queue.stage.as_str());
        writer.value("function", function);
        writer.value("tenant.id", self.queue.tenant.as_str());
        writer.value("received", &Count(self.metrics.received));
        for (name, count) in [
            ("delivered", self.metrics.delivered),
            ("duplicates", self.metrics.duplicates),
            ("expired", self.metrics.expired),
            ("routed", self.metrics.routed),
            ("unmatched", self.metrics.unmatched),
            ("filtered", self.metrics.filtered),
            ("schema_reported", self.metrics.schema_reported),
            ("retried", self.metrics.retried),
            ("delayed", self.metrics.delayed),
            ("held", held),
            ("rate_waits", rate_waits),
            ("circuit_changes", self.metrics.circuit_changes),
            ("quarantined", quarantined),
            ("attempts", self.metrics.attempts),
            ("delivered_unrecorded", self.metrics.delivered_unrecorded),
        ] {
            if count > 0 {
                writer.value(name, &Count(count));
            }
        }
        writer.value("latency_ms", &Latencies(&self.metrics.latencies));
        for (hold, count) in &self.metrics.held {
            writer.value(format!("held.{}", hold.as_str()), &NoMetric::from(*count));
        }
        for (reason, count) in &self.metrics.quarantined {
            writer.value(format!("quarantined.{reason}"), &NoMetric::from(*count));
        }
        for (what, count) in &self.metrics.failed {
            writer.value(format!("failed.{what}"), &NoMetric::from(*count));
        }
    }
}

pub(super) struct Count(pub(super) u64);

impl Value for Count {
    fn write(&self, writer: impl ValueWriter) {
        writer.metric([Observation::Unsigned(self.0)], Unit::Count, [], MetricFlags::empty());
    }
}

struct Latencies<'a>(&'a [Duration]);

impl Value for Latencies<'_> {
    fn write(&self, writer: impl ValueWriter) {
        let observations = fold(self.0).into_iter().map(|(ms, occurrences)| match occurrences {
            1 => Observation::Unsigned(ms),
            #[expect(clippy::cast_precision_loss, reason = "milliseconds times messages of a batch are below 2^52")]
            _ => Observation::Repeated { total: ms as f64 * occurrences as f64, occurrences },
        });
        writer.metric(observations, Unit::Second(NegativeScale::Milli), [], MetricFlags::empty());
    }
}

/// Milliseconds with how often each occurred, rising, at most [`MOST_VALUES`] of them.
///
/// Equal values become one. Where that is not enough, neighbours do, and count as the largest of them: a percentile
/// then is never shown better than it was.
fn fold(latencies: &[Duration]) -> Vec<(u64, u64)> {
    let mut values: Vec<u64> =
        latencies.iter().map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)).collect();
    values.sort_unstable();
    let equal: Vec<(u64, u64)> = count(values.chunk_by(u64::eq));
    if equal.len() <= MOST_VALUES { equal } else { count(values.chunks(values.len().div_ceil(MOST_VALUES))) }
}

fn count<'a>(groups: impl Iterator<Item = &'a [u64]>) -> Vec<(u64, u64)> {
    groups.filter_map(|group| Some((*group.last()?, u64::try_from(group.len()).unwrap_or(u64::MAX)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn equal_latencies_are_one_value_and_no_latency_is_none() {
        assert_eq!(fold(&milliseconds([7, 3, 7, 7])), [(3, 1), (7, 3)]);
        assert_eq!(fold(&[]), []);
    }

    #[test]
    fn ten_thousand_latencies_are_a_hundred_values_with_the_same_percentiles() {
        let folded = fold(&milliseconds((1..=10_000).rev()));
        assert_eq!(folded.len(), 100);
        assert_eq!(folded.iter().map(|(_, count)| count).sum::<u64>(), 10_000);
        assert_eq!((folded[49], folded[94], folded[98]), ((5000, 100), (9500, 100), (9900, 100)));
    }

    #[test]
    fn of_a_few_more_than_a_hundred_none_gets_lost() {
        let folded = fold(&milliseconds(0..101));
        assert_eq!((folded.len(), folded.iter().map(|(_, count)| count).sum::<u64>()), (51, 101));
    }
}
