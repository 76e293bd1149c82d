//! The metrics of one sweep, as one line in `CloudWatch`'s embedded metric format.

use std::time::{Duration, SystemTime};

use acequia_core::id::Stage;
use jiff::Timestamp;
use metrique::emf::NoMetric;
use metrique::writer::unit::NegativeScale;
use metrique::writer::{Entry, EntryWriter, MetricFlags, Observation, Unit, Value, ValueWriter};

use super::metrics::Count;

/// What one sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepMetrics {
    /// Messages that went back to their queues.
    pub swept: u64,
    /// Messages whose queue refuses them for good, and that went to its dead-letter queue.
    pub quarantined: u64,
    /// Dead letters that went back to their queues by themselves.
    pub redriven: u64,
    /// Messages that could not be read, sent or deleted, and stay for the next sweep.
    pub sweep_failed: u64,
    /// By how much the most overdue of the messages that were found is late.
    pub overdue: Duration,
    /// Shards that this sweep did not come to the end of: the next one goes on there.
    pub shards_behind: u64,
}

impl SweepMetrics {
    /// Adds what was done in another part of the same sweep.
    pub fn add(&mut self, other: &Self) {
        self.swept += other.swept;
        self.quarantined += other.quarantined;
        self.redriven += other.redriven;
        self.sweep_failed += other.sweep_failed;
        self.overdue = self.overdue.max(other.overdue);
        self.shards_behind += other.shards_behind;
    }
}

/// One sweep's metrics with what they are of.
pub(super) struct SweepLine<'s> {
    pub(super) stage: &'s Stage,
    pub(super) at: Timestamp,
    pub(super) level: &'s str,
    pub(super) metrics: &'s SweepMetrics,
}

impl Entry for SweepLine<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.timestamp(SystemTime::from(self.at));
        writer.value("timestamp", &self.at.to_string());
        writer.value("level", self.level);
        writer.value("stage", self.stage.as_str());
        writer.value("function", "sweeper");
        for (name, count) in [
            ("swept", self.metrics.swept),
            ("quarantined", self.metrics.quarantined),
            ("redriven", self.metrics.redriven),
            ("sweep_failed", self.metrics.sweep_failed),
        ] {
            if count > 0 {
                writer.value(name, &Count(count));
            }
        }
        writer.value("overdue_s", &Seconds(self.metrics.overdue));
        writer.value("shards_behind", &NoMetric::from(self.metrics.shards_behind));
    }
}

pub(super) struct Seconds(pub(super) Duration);

impl Value for Seconds {
    fn write(&self, writer: impl ValueWriter) {
        let seconds = Observation::Unsigned(self.0.as_secs());
        writer.metric([seconds], Unit::Second(NegativeScale::One), [], MetricFlags::empty());
    }
}
