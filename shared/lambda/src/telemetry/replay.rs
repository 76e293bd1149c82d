//! The metrics of one invocation that ran replays, as one line in `CloudWatch`'s embedded metric format.

use std::time::{Duration, SystemTime};

use acequia_core::id::Stage;
use jiff::Timestamp;
use metrique::writer::{Entry, EntryWriter};

use super::metrics::Count;
use super::sweep::Seconds;

/// What one invocation came to that ran replays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayMetrics {
    /// Deliveries that were sent.
    pub sent: u64,
    /// Slices that failed.
    pub failed: u64,
    /// How long the replay waited that was not looked after for longest.
    pub oldest: Duration,
}

/// One invocation's metrics with what they are of.
pub(super) struct ReplayLine<'s> {
    pub(super) stage: &'s Stage,
    pub(super) at: Timestamp,
    pub(super) level: &'s str,
    pub(super) metrics: &'s ReplayMetrics,
}

impl Entry for ReplayLine<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.timestamp(SystemTime::from(self.at));
        writer.value("timestamp", &self.at.to_string());
        writer.value("level", self.level);
        writer.value("stage", self.stage.as_str());
        writer.value("function", "replay");
        for (name, count) in [("replay_sent", self.metrics.sent), ("replay_failed", self.metrics.failed)] {
            if count > 0 {
                writer.value(name, &Count(count));
            }
        }
        writer.value("replay_oldest_s", &Seconds(self.metrics.oldest));
    }
}
