//! The metrics of one look of the guard, as one line in `CloudWatch`'s embedded metric format.

use std::time::{Duration, SystemTime};

use acequia_core::id::Stage;
use jiff::Timestamp;
use metrique::emf::NoMetric;
use metrique::writer::{Entry, EntryWriter};

use super::metrics::Count;
use super::sweep::Seconds;

/// What one look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchMetrics {
    /// Queues that were looked at.
    pub looked_at: u64,
    /// Queues of the stage.
    pub watched_queues: u64,
    /// Dead letters in the queues that hold too many.
    pub dead_letters: u64,
    /// Dead-letter queues that hold too many.
    pub dead_letter_queues: u64,
    /// The age of the oldest message of those that were asked about.
    pub oldest_message: Duration,
    /// Queues of which the operators were told.
    pub told: u64,
    /// Calls that failed: what they were about waits for the next look.
    pub watch_failed: u64,
}

/// One look's metrics with what they are of.
pub(super) struct WatchLine<'s> {
    pub(super) stage: &'s Stage,
    pub(super) at: Timestamp,
    pub(super) level: &'s str,
    pub(super) metrics: &'s WatchMetrics,
}

impl Entry for WatchLine<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.timestamp(SystemTime::from(self.at));
        writer.value("timestamp", &self.at.to_string());
        writer.value("level", self.level);
        writer.value("stage", self.stage.as_str());
        writer.value("function", "sweeper");
        // Also where they are zero: alarms tell a look at which all was well from one that never was.
        writer.value("dead_letters", &Count(self.metrics.dead_letters));
        writer.value("dead_letter_queues", &Count(self.metrics.dead_letter_queues));
        writer.value("oldest_message_s", &Seconds(self.metrics.oldest_message));
        writer.value("watch_failed", &Count(self.metrics.watch_failed));
        writer.value("watched_queues", &NoMetric::from(self.metrics.watched_queues));
        writer.value("looked_at", &NoMetric::from(self.metrics.looked_at));
        writer.value("told", &NoMetric::from(self.metrics.told));
    }
}
