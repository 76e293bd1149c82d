//! The metrics of one request at the front door, as one line in `CloudWatch`'s embedded metric format.

use std::time::{Duration, SystemTime};

use acequia_core::id::{Stage, TenantId};
use jiff::Timestamp;
use metrique::writer::unit::NegativeScale;
use metrique::writer::{Entry, EntryWriter, MetricFlags, Observation, Unit, Value, ValueWriter};

use super::metrics::Count;

/// What one request came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IntakeMetrics {
    /// Requests: one.
    pub requests: u64,
    /// Requests that got the answer of an earlier one.
    pub replayed: u64,
    /// Events that SQS has.
    pub accepted: u64,
    /// Events that it had before.
    pub duplicates: u64,
    /// Events that will never be taken as they are.
    pub refused: u64,
    /// Events that are to be sent again.
    pub not_taken: u64,
    /// Requests whose credentials did not do.
    pub denied: u64,
    /// Requests beyond the tenant's rate.
    pub rate_limited: u64,
    /// Requests that could not be read.
    pub malformed: u64,
    /// Requests that were not done because something of ours did not answer.
    pub failed: u64,
    /// How long it took.
    pub took: Duration,
}

impl IntakeMetrics {
    /// Counts an answer's status where it says something that the events do not.
    pub fn note(&mut self, status: u16) {
        match status {
            401 | 403 => self.denied = 1,
            429 => self.rate_limited = 1,
            503 => self.failed = 1,
            400 | 404 | 409 | 413 | 415 => self.malformed = 1,
            _ => {}
        }
    }
}

/// One request's metrics with what they are of.
pub(super) struct IntakeLine<'s> {
    pub(super) stage: &'s Stage,
    pub(super) tenant: &'s TenantId,
    pub(super) at: Timestamp,
    pub(super) level: &'s str,
    pub(super) metrics: &'s IntakeMetrics,
}

impl Entry for IntakeLine<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.timestamp(SystemTime::from(self.at));
        writer.value("timestamp", &self.at.to_string());
        writer.value("level", self.level);
        writer.value("stage", self.stage.as_str());
        writer.value("function", "ingest");
        writer.value("tenant.id", self.tenant.as_str());
        for (name, count) in [
            ("requests", self.metrics.requests),
            ("replayed", self.metrics.replayed),
            ("accepted", self.metrics.accepted),
            ("duplicates", self.metrics.duplicates),
            ("refused", self.metrics.refused),
            ("not_taken", self.metrics.not_taken),
            ("denied", self.metrics.denied),
            ("rate_limited", self.metrics.rate_limited),
            ("malformed", self.metrics.malformed),
            ("failed", self.metrics.failed),
        ] {
            if count > 0 {
                writer.value(name, &Count(count));
            }
        }
        writer.value("took_ms", &Milliseconds(self.metrics.took));
    }
}

struct Milliseconds(Duration);

impl Value for Milliseconds {
    fn write(&self, writer: impl ValueWriter) {
        let milliseconds = Observation::Unsigned(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX));
        writer.metric([milliseconds], Unit::Second(NegativeScale::Milli), [], MetricFlags::empty());
    }
}
