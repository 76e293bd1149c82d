//! The metrics of what a source other than a queue brought, as one line in `CloudWatch`'s embedded metric format.

use std::collections::BTreeMap;
use std::time::SystemTime;

use acequia_core::id::{Stage, TenantId};
use acequia_core::outcome::Reason;
use acequia_core::outcome::stall::Stalls;
use jiff::Timestamp;
use metrique::emf::NoMetric;
use metrique::writer::{Entry, EntryWriter};

use super::metrics::Count;

/// What the records of one call came to: `received` is the sum of `accepted`, `quarantined` and `retried`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceMetrics {
    /// Records of the call.
    pub received: u64,
    /// Records that are in the intake queue.
    pub accepted: u64,
    /// Of these, events that violate a schema which refuses nothing.
    pub schema_reported: u64,
    /// Records that come back.
    pub retried: u64,
    /// Records that went to the dead-letter queue, by reason.
    pub quarantined: BTreeMap<Reason, u64>,
    /// What was held up because something of ours was down. It has lines of its own.
    pub stalls: Stalls,
}

impl SourceMetrics {
    /// Adds those of another part of the call.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.accepted += other.accepted;
        self.schema_reported += other.schema_reported;
        self.retried += other.retried;
        for (reason, count) in &other.quarantined {
            *self.quarantined.entry(*reason).or_default() += count;
        }
        for (store, count) in other.stalls.iter() {
            self.stalls.add(store, count);
        }
    }
}

/// One call's metrics with what they are of.
pub(super) struct SourceLine<'s> {
    pub(super) stage: &'s Stage,
    pub(super) function: &'s str,
    pub(super) tenant: Option<&'s TenantId>,
    pub(super) at: Timestamp,
    pub(super) level: &'s str,
    pub(super) metrics: &'s SourceMetrics,
}

impl Entry for SourceLine<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.timestamp(SystemTime::from(self.at));
        writer.value("timestamp", &self.at.to_string());
        writer.value("level", self.level);
        writer.value("stage", self.stage.as_str());
        writer.value("function", self.function);
        if let Some(tenant) = self.tenant {
            writer.value("tenant.id", tenant.as_str());
        }
        writer.value("received", &Count(self.metrics.received));
        for (name, count) in [
            ("accepted", self.metrics.accepted),
            ("schema_reported", self.metrics.schema_reported),
            ("retried", self.metrics.retried),
            ("quarantined", self.metrics.quarantined.values().sum()),
        ] {
            if count > 0 {
                writer.value(name, &Count(count));
            }
        }
        for (reason, count) in &self.metrics.quarantined {
            writer.value(format!("quarantined.{reason}"), &NoMetric::from(*count));
        }
    }
}
