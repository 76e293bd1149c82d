//! What is to be done yet, in memory: the outbox rows and the reminders of the store of consents.

use std::collections::BTreeMap;
use std::fmt::Debug;

use acequia_core::consent::{ConsentKey, Due, DuePage, OutboxRow, RowKey, SubjectId, Waiting};
use acequia_core::id::TenantId;
use acequia_core::port::{Agenda, Unavailable};
use jiff::Timestamp;

use crate::consents::InMemoryConsents;

/// The shard of a subject: its first hex digit.
fn shard_of(subject: &SubjectId) -> u8 {
    subject.as_bytes().first().map_or(0, |byte| byte >> 4)
}

/// A page of what is due, behind the mark of the page before, which is where that ended.
fn page<K: Debug>(found: impl Iterator<Item = Due<K>>, from: Option<&str>, limit: usize) -> DuePage<K> {
    let place = |due: Due<K>| (format!("{:020}/{}/{:?}", due.at.as_millisecond(), due.tenant, due.key), due);
    let all: BTreeMap<String, Due<K>> = found.map(place).collect();
    let mut rest: Vec<_> = all.into_iter().filter(|(place, _)| from.is_none_or(|from| place.as_str() > from)).collect();
    let is_last = rest.len() <= limit;
    rest.truncate(limit);
    let next = rest.last().filter(|_| !is_last).map(|(place, _)| place.clone());
    DuePage { found: rest.into_iter().map(|(_, due)| due).collect(), next }
}

impl Agenda for InMemoryConsents {
    async fn waiting(&self, wanted: &[(TenantId, RowKey)]) -> Vec<Result<Option<Waiting>, Unavailable>> {
        const OPERATION: &str = "read outbox rows";
        let down = self.reads.call(OPERATION).is_err();
        let rows = self.rows.lock();
        let answer = |(index, row): (usize, &(TenantId, RowKey))| {
            if down {
                return Err(Unavailable::new(OPERATION, "switched off by the test"));
            }
            self.reads.entry(OPERATION, index)?;
            Ok(rows.outbox.get(row).cloned())
        };
        wanted.iter().enumerate().map(answer).collect()
    }

    async fn take(&self, tenant: &TenantId, seen: &Waiting, until: Timestamp) -> Result<bool, Unavailable> {
        self.writes.call("take an outbox row")?;
        let mut rows = self.rows.lock();
        let Some(row) = rows.outbox.get_mut(&(tenant.clone(), seen.row.name())) else { return Ok(false) };
        if row.due_at != seen.due_at {
            return Ok(false);
        }
        (row.due_at, row.tries, row.taken) = (until, seen.tries.saturating_add(1), true);
        Ok(true)
    }

    async fn put_off(&self, tenant: &TenantId, row: &RowKey, tries: u32, until: Timestamp) -> Result<(), Unavailable> {
        self.writes.call("put an outbox row off")?;
        if let Some(row) = self.rows.lock().outbox.get_mut(&(tenant.clone(), row.clone())) {
            (row.due_at, row.tries, row.taken) = (until, tries, false);
        }
        Ok(())
    }

    async fn settle(&self, tenant: &TenantId, row: &OutboxRow) -> Result<(), Unavailable> {
        self.writes.call("settle an outbox row")?;
        self.rows.lock().outbox.remove(&(tenant.clone(), row.name()));
        Ok(())
    }

    async fn overdue(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> Result<DuePage<RowKey>, Unavailable> {
        self.reads.call("find overdue outbox rows")?;
        let rows = self.rows.lock();
        let due = rows
            .outbox
            .iter()
            .filter(|((_, row), waiting)| waiting.is_due(now) && shard_of(&row.consent.subject) == shard);
        let due =
            due.map(|((tenant, row), waiting)| Due { at: waiting.due_at, tenant: tenant.clone(), key: row.clone() });
        Ok(page(due, from.as_deref(), limit))
    }

    async fn to_remind(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> Result<DuePage<ConsentKey>, Unavailable> {
        self.reads.call("find reminders that are due")?;
        let rows = self.rows.lock();
        let due = rows.reminders.iter().filter(|((_, key), at)| **at <= now && shard_of(&key.subject) == shard);
        let due = due.map(|((tenant, key), at)| Due { at: *at, tenant: tenant.clone(), key: *key });
        Ok(page(due, from.as_deref(), limit))
    }

    async fn put_off_reminder(&self, due: &Due<ConsentKey>, until: Option<Timestamp>) -> Result<(), Unavailable> {
        self.writes.call("put a reminder off")?;
        let mut rows = self.rows.lock();
        let key = (due.tenant.clone(), due.key);
        if rows.reminders.get(&key) == Some(&due.at) {
            match until {
                Some(until) => rows.reminders.insert(key, until),
                None => rows.reminders.remove(&key),
            };
        }
        Ok(())
    }
}
