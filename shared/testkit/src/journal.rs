//! The journal of redriving, in memory.

use std::collections::BTreeMap;

use acequia_core::delivery::redrive::Standing;
use acequia_core::id::TenantId;
use acequia_core::port::{RedriveJournal, Unavailable};
use acequia_core::queue::QueueArn;
use jiff::Timestamp;

use crate::fault::Faults;
use crate::shared::Shared;

type Key = (TenantId, QueueArn, String);

#[derive(Debug, Clone)]
enum Entry {
    Begun(String, Timestamp),
    Sent,
}

/// A journal in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryJournal {
    rows: Shared<BTreeMap<Key, Entry>>,
    /// Makes beginning fail; an entry is one dead letter.
    pub begins: Faults,
    /// Makes settling and forgetting fail.
    pub writes: Faults,
}

impl InMemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }
}

fn key(tenant: &TenantId, queue: &QueueArn, id: &str) -> Key {
    (tenant.clone(), queue.clone(), id.to_owned())
}

fn standing(entry: &Entry) -> Standing {
    match entry {
        Entry::Begun(_, at) => Standing::Begun(*at),
        Entry::Sent => Standing::Sent,
    }
}

impl RedriveJournal for InMemoryJournal {
    async fn begin(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
        run: &str,
        now: Timestamp,
    ) -> Vec<Result<Standing, Unavailable>> {
        const OPERATION: &str = "begin a redrive in the journal";
        let down = self.begins.call(OPERATION).is_err();
        let begin = |(index, id): (usize, &String)| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.begins.entry(OPERATION, index)?;
            let mut rows = self.rows.lock();
            let entry = rows.entry(key(tenant, queue, id)).or_insert_with(|| Entry::Begun(run.to_owned(), now));
            Ok(match entry {
                Entry::Begun(owner, _) if owner == run => Standing::Mine,
                other => standing(other),
            })
        };
        ids.iter().enumerate().map(begin).collect()
    }

    async fn settle(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
        _now: Timestamp,
    ) -> Result<(), Unavailable> {
        self.writes.call("settle a redrive in the journal")?;
        self.rows.lock().extend(ids.iter().map(|id| (key(tenant, queue, id), Entry::Sent)));
        Ok(())
    }

    async fn forget(&self, tenant: &TenantId, queue: &QueueArn, ids: &[String]) -> Result<(), Unavailable> {
        self.writes.call("take back a redrive in the journal")?;
        let mut rows = self.rows.lock();
        for id in ids {
            rows.remove(&key(tenant, queue, id));
        }
        Ok(())
    }

    async fn look(&self, tenant: &TenantId, queue: &QueueArn, id: &str) -> Result<Option<Standing>, Unavailable> {
        Ok(self.rows.lock().get(&key(tenant, queue, id)).map(standing))
    }
}
