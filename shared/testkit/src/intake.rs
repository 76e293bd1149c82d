//! What the door took before, in memory.

use std::collections::BTreeMap;

use acequia_core::id::TenantId;
use acequia_core::intake::once::judge;
use acequia_core::intake::{Entry, EntryKey, Once};
use acequia_core::port::{IntakeStore, Unavailable};
use jiff::Timestamp;

use crate::fault::Faults;
use crate::shared::Shared;

/// The entries of the door in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryIntake {
    entries: Shared<BTreeMap<(TenantId, EntryKey), Entry>>,
    /// Makes beginning fail.
    pub begins: Faults,
    /// Makes ending and forgetting fail.
    pub ends: Faults,
}

impl InMemoryIntake {
    /// Nothing was ever taken.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl IntakeStore for InMemoryIntake {
    async fn begin(
        &self,
        tenant: &TenantId,
        entries: &[(EntryKey, Entry)],
        now: Timestamp,
    ) -> Vec<Result<Once, Unavailable>> {
        let begin = |(key, entry): &(EntryKey, Entry)| {
            self.begins.call("begin an entry of the intake")?;
            let mut stored = self.entries.lock();
            let place = (tenant.clone(), key.clone());
            let answer = judge(stored.get(&place), entry, now);
            if let Once::Begun(_) = answer {
                stored.insert(place, entry.clone());
            }
            Ok(answer)
        };
        entries.iter().map(begin).collect()
    }

    async fn end(&self, tenant: &TenantId, entries: &[(EntryKey, Entry)]) -> Vec<Result<(), Unavailable>> {
        let end = |(key, entry): &(EntryKey, Entry)| {
            self.ends.call("end an entry of the intake")?;
            self.entries.lock().insert((tenant.clone(), key.clone()), entry.clone());
            Ok(())
        };
        entries.iter().map(end).collect()
    }

    async fn forget(&self, tenant: &TenantId, keys: &[EntryKey]) -> Vec<Result<(), Unavailable>> {
        let forget = |key: &EntryKey| {
            self.ends.call("forget an entry of the intake")?;
            self.entries.lock().remove(&(tenant.clone(), key.clone()));
            Ok(())
        };
        keys.iter().map(forget).collect()
    }
}
