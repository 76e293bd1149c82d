//! What waits because something of ours is down, as one line per store in `CloudWatch`'s embedded metric format.
//!
//! The dimensions are the stage and the store, so that one alarm per store watches all functions. Who waited is a
//! property.

use std::time::SystemTime;

use acequia_core::id::{Stage, TenantId};
use acequia_core::outcome::stall::Store;
use jiff::Timestamp;
use metrique::emf::Emf;
use metrique::writer::{Entry, EntryWriter};

use super::metrics::{Count, NAMESPACE};

/// The format of the line: its namespace and dimensions.
pub(super) fn format() -> Emf {
    Emf::builder(NAMESPACE.to_owned(), vec![vec!["stage".to_owned(), "store".to_owned()]]).build()
}

/// What one store held up, with whom.
pub(super) struct StallLine<'s> {
    pub(super) stage: &'s Stage,
    pub(super) function: &'static str,
    pub(super) tenant: Option<&'s TenantId>,
    pub(super) at: Timestamp,
    pub(super) level: &'s str,
    pub(super) store: Store,
    pub(super) count: u64,
}

impl Entry for StallLine<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.timestamp(SystemTime::from(self.at));
        writer.value("timestamp", &self.at.to_string());
        writer.value("level", self.level);
        writer.value("stage", self.stage.as_str());
        writer.value("store", self.store.as_str());
        writer.value("function", self.function);
        if let Some(tenant) = self.tenant {
            writer.value("tenant.id", tenant.as_str());
        }
        writer.value("stalled", &Count(self.count));
    }
}
