//! Delayed messages, in memory.

use std::collections::BTreeMap;

use acequia_core::delivery::delay::{Delayed, DelayedKey, DuePage, Look, Waiting, waiting};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{DelayStore, DelayedMessages, Lease, Sweeping, Unavailable};
use jiff::Timestamp;

use crate::fault::Faults;
use crate::shared::Shared;

/// Who has a lease, until when, and where the last one stopped.
#[derive(Debug, Clone, Default)]
struct HeldLease {
    holder: String,
    until: Option<Timestamp>,
    mark: Option<String>,
}

/// Delayed messages in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryDelays {
    rows: Shared<BTreeMap<DelayedKey, Delayed>>,
    leases: Shared<BTreeMap<String, HeldLease>>,
    turns: Shared<BTreeMap<String, Timestamp>>,
    /// Makes delays fail; an entry is one message.
    pub delays: Faults,
    /// Makes looking for what is due, and reading it, fail.
    pub reads: Faults,
    /// Makes deleting fail; an entry is one message.
    pub releases: Faults,
}

impl InMemoryDelays {
    /// Nothing is delayed.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is delayed, by key.
    pub fn rows(&self) -> Vec<Delayed> {
        self.rows.lock().values().cloned().collect()
    }
}

impl DelayStore for InMemoryDelays {
    async fn delay(&self, tenant: &TenantId, rows: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "delay messages";
        if self.delays.call(OPERATION).is_err() {
            return rows.iter().map(|_| Err(Unavailable::new(OPERATION, "switched off by the test"))).collect();
        }
        let delay = |(index, row): (usize, &Delayed)| {
            self.delays.entry(OPERATION, index)?;
            let key = DelayedKey { tenant: tenant.clone(), ..row.key.clone() };
            self.rows.lock().insert(key, row.clone());
            Ok(())
        };
        rows.iter().enumerate().map(delay).collect()
    }
}

impl DelayedMessages for InMemoryDelays {
    async fn waiting(&self, tenant: &TenantId) -> Result<Vec<Waiting>, Unavailable> {
        self.reads.call("list delayed messages")?;
        let rows = self.rows.lock();
        let own = rows.values().filter(|row| row.key.tenant == *tenant);
        Ok(waiting(own.map(|row| (row.key.sink.clone(), row.due_at, row.delayed_at))))
    }

    async fn look(&self, tenant: &TenantId, sink: Option<&SinkId>, most: usize) -> Result<Look, Unavailable> {
        self.reads.call("list delayed messages")?;
        let wanted =
            |row: &&Delayed| row.key.tenant == *tenant && sink.is_none_or(|sink| row.key.sink.as_ref() == Some(sink));
        let mut first: Vec<Delayed> = self.rows.lock().values().filter(wanted).cloned().collect();
        first.sort_by_key(|row| row.due_at);
        let total = first.len() as u64;
        first.truncate(most);
        Ok(Look { first, total })
    }

    async fn expedite(&self, tenant: &TenantId, sink: &SinkId, now: Timestamp) -> Result<u64, Unavailable> {
        self.reads.call("bring delayed messages forward")?;
        let mut rows = self.rows.lock();
        let mut expedited = 0;
        for row in rows.values_mut().filter(|row| row.key.tenant == *tenant && row.key.sink.as_ref() == Some(sink)) {
            (row.due_at, row.expedited) = (now, true);
            expedited += 1;
        }
        Ok(expedited)
    }

    async fn keys(&self, tenant: &TenantId) -> Result<Vec<DelayedKey>, Unavailable> {
        self.reads.call("list delayed messages")?;
        Ok(self.rows.lock().keys().filter(|key| key.tenant == *tenant).cloned().collect())
    }

    async fn read(&self, keys: &[DelayedKey]) -> Vec<Result<Option<Delayed>, Unavailable>> {
        self.load(keys).await
    }

    async fn erase(&self, rows: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        self.release(rows).await
    }
}

impl Sweeping for InMemoryDelays {
    async fn lease(
        &self,
        what: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, Unavailable> {
        self.reads.call("take a lease of the sweeper")?;
        let mut leases = self.leases.lock();
        let lease = leases.entry(what.to_owned()).or_default();
        let is_free = lease.until.is_none_or(|until| until <= now) || lease.holder == holder;
        if !is_free {
            return Ok(None);
        }
        (lease.holder, lease.until) = (holder.to_owned(), Some(until));
        Ok(Some(Lease { mark: lease.mark.clone() }))
    }

    async fn stop_at(&self, what: &str, holder: &str, until: Timestamp, mark: Option<&str>) -> Result<(), Unavailable> {
        self.reads.call("say where a lease of the sweeper stops")?;
        if let Some(lease) = self.leases.lock().get_mut(what).filter(|lease| lease.holder == holder) {
            (lease.until, lease.mark) = (Some(until), mark.map(str::to_owned));
        }
        Ok(())
    }

    async fn turn(&self, what: &str, now: Timestamp, until: Timestamp) -> Result<bool, Unavailable> {
        self.reads.call("take a turn")?;
        let mut turns = self.turns.lock();
        let free = turns.get(what).is_none_or(|until| *until <= now);
        if free {
            turns.insert(what.to_owned(), until);
        }
        Ok(free)
    }

    async fn due(&self, shard: u8, now: Timestamp, from: Option<String>, limit: usize) -> Result<DuePage, Unavailable> {
        self.reads.call("look for delayed messages that are due")?;
        let mut due: Vec<(String, DelayedKey)> = self
            .rows
            .lock()
            .values()
            .filter(|row| row.key.shard() == shard && row.due_at <= now)
            .map(|row| (format!("{:015}/{}", row.due_at.as_millisecond(), row.key), row.key.clone()))
            .filter(|(mark, _)| from.as_ref().is_none_or(|from| mark > from))
            .collect();
        due.sort();
        let more = due.len() > limit;
        due.truncate(limit);
        let next = due.last().map(|(mark, _)| mark.clone()).filter(|_| more);
        let first_due_at = due.first().and_then(|(_, key)| Some(self.rows.lock().get(key)?.due_at));
        Ok(DuePage { keys: due.into_iter().map(|(_, key)| key).collect(), first_due_at, next })
    }

    async fn load(&self, keys: &[DelayedKey]) -> Vec<Result<Option<Delayed>, Unavailable>> {
        const OPERATION: &str = "read delayed messages";
        if self.reads.call(OPERATION).is_err() {
            return keys.iter().map(|_| Err(Unavailable::new(OPERATION, "switched off by the test"))).collect();
        }
        let rows = self.rows.lock();
        keys.iter().map(|key| Ok(rows.get(key).cloned())).collect()
    }

    async fn release(&self, sent: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "delete delayed messages that were sent";
        if self.releases.call(OPERATION).is_err() {
            return sent.iter().map(|_| Err(Unavailable::new(OPERATION, "switched off by the test"))).collect();
        }
        let release = |(index, row): (usize, &Delayed)| {
            self.releases.entry(OPERATION, index)?;
            self.rows.lock().remove(&row.key);
            Ok(())
        };
        sent.iter().enumerate().map(release).collect()
    }
}
