//! The store of consents, in memory.

use std::collections::BTreeMap;

use acequia_core::consent::{
    Action, ActionId, Change, CommitError, Consent, ConsentKey, Consents, Dossier, OutboxRow, Snapshot, SubjectId,
};
use acequia_core::id::TenantId;
use acequia_core::port::Unavailable;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::Faults;
use crate::shared::Shared;

#[derive(Debug, Default)]
struct Rows {
    consents: BTreeMap<(TenantId, ConsentKey), Consent>,
    actions: BTreeMap<(TenantId, ConsentKey, ActionId), Action>,
    outbox: BTreeMap<(TenantId, ConsentKey, String), OutboxRow>,
    /// What the stream has shown, in order: every row that was ever written to the outbox.
    stream: Vec<(TenantId, OutboxRow)>,
}

/// Consents in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryConsents {
    rows: Shared<Rows>,
    /// Makes every reading fail.
    pub reads: Faults,
    /// Makes every writing fail, before it is done.
    pub writes: Faults,
    /// Makes the answer to a commit fail, after it was done.
    pub answers: Faults,
}

impl InMemoryConsents {
    /// No consents.
    pub fn new() -> Self {
        Self::default()
    }

    /// A consent as it stands.
    pub fn consent(&self, tenant: &TenantId, key: &ConsentKey) -> Option<Consent> {
        self.rows.lock().consents.get(&(tenant.clone(), *key)).cloned()
    }

    /// An action as it stands.
    pub fn action(&self, tenant: &TenantId, key: &ConsentKey, id: &ActionId) -> Option<Action> {
        self.rows.lock().actions.get(&(tenant.clone(), *key, *id)).cloned()
    }

    /// Every row that was ever written to the outbox, in order: what the table's stream shows.
    pub fn stream(&self) -> Vec<(TenantId, OutboxRow)> {
        self.rows.lock().stream.clone()
    }

    /// What the table's stream shows from this place on.
    pub fn stream_from(&self, place: usize) -> Vec<(TenantId, OutboxRow)> {
        self.rows.lock().stream.get(place..).unwrap_or_default().to_vec()
    }

    /// When the oldest outbox row was written that is not carried out.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.rows.lock().outbox.values().map(|row| row.at).min()
    }

    /// Writes outbox rows without the change that they follow from: what nobody may do, for a test that proves that it would be found.
    pub fn add_rows(&self, tenant: &TenantId, outbox: &[OutboxRow]) {
        let mut rows = self.rows.lock();
        for row in outbox {
            rows.outbox.insert((tenant.clone(), row.key, row.id.clone()), row.clone());
            rows.stream.push((tenant.clone(), row.clone()));
        }
    }

    /// When the next reminder is due, of all tenants.
    pub fn next_reminder(&self) -> Option<Timestamp> {
        self.rows.lock().consents.values().filter_map(|consent| consent.remind_at).min()
    }

    /// The outbox rows that are not carried out.
    pub fn outbox(&self) -> Vec<OutboxRow> {
        self.rows.lock().outbox.values().cloned().collect()
    }
}

/// A record as it comes back from a table: its times are of milliseconds.
fn stored<T: Clone + Serialize + DeserializeOwned>(record: &T) -> T {
    serde_json::to_value(record).and_then(serde_json::from_value).unwrap_or_else(|_| record.clone())
}

impl Consents for InMemoryConsents {
    async fn load(&self, tenant: &TenantId, key: &ConsentKey, actions: &[ActionId]) -> Result<Snapshot, Unavailable> {
        self.reads.call("read a consent")?;
        let rows = self.rows.lock();
        let action = |id: &ActionId| rows.actions.get(&(tenant.clone(), *key, *id)).map(|action| (*id, action.clone()));
        Ok(Snapshot {
            consent: rows.consents.get(&(tenant.clone(), *key)).cloned(),
            actions: actions.iter().filter_map(action).collect(),
        })
    }

    async fn commit(&self, tenant: &TenantId, change: &Change) -> Result<(), CommitError> {
        self.writes.call("write a consent")?;
        {
            let mut rows = self.rows.lock();
            let key = (tenant.clone(), change.key);
            let current = rows.consents.get(&key).map_or(0, |consent| consent.version);
            if current != change.expected() {
                return Err(CommitError::Conflict);
            }
            rows.consents.insert(key, stored(&change.consent));
            for action in &change.actions {
                rows.actions.insert((tenant.clone(), change.key, action.id), stored(action));
            }
            for row in &change.outbox {
                rows.outbox.insert((tenant.clone(), change.key, row.id.clone()), stored(row));
                rows.stream.push((tenant.clone(), stored(row)));
            }
        }
        Ok(self.answers.call("write a consent")?)
    }

    async fn settle(&self, tenant: &TenantId, row: &OutboxRow) -> Result<(), Unavailable> {
        self.writes.call("settle an outbox row")?;
        self.rows.lock().outbox.remove(&(tenant.clone(), row.key, row.id.clone()));
        Ok(())
    }

    async fn dossier(&self, tenant: &TenantId, subject: &SubjectId) -> Result<Dossier, Unavailable> {
        self.reads.call("read a subject's rows")?;
        let rows = self.rows.lock();
        let theirs = |owner: &TenantId, key: &ConsentKey| owner == tenant && key.subject == *subject;
        let consents = rows.consents.iter().filter(|((owner, key), _)| theirs(owner, key));
        let actions = rows.actions.iter().filter(|((owner, key, _), _)| theirs(owner, key));
        let outbox = rows.outbox.iter().filter(|((owner, key, _), _)| theirs(owner, key));
        Ok(Dossier {
            consents: consents.map(|((_, key), consent)| (*key, consent.clone())).collect(),
            actions: actions.map(|((_, key, _), action)| (*key, action.clone())).collect(),
            outbox: outbox.map(|(_, row)| row.clone()).collect(),
        })
    }

    async fn erase(&self, tenant: &TenantId, subject: &SubjectId) -> Result<usize, Unavailable> {
        self.writes.call("erase a subject's rows")?;
        let mut rows = self.rows.lock();
        let count = |rows: &Rows| rows.consents.len() + rows.actions.len() + rows.outbox.len();
        let before = count(&rows);
        let stays = |owner: &TenantId, key: &ConsentKey| owner != tenant || key.subject != *subject;
        rows.consents.retain(|(owner, key), _| stays(owner, key));
        rows.actions.retain(|(owner, key, _), _| stays(owner, key));
        rows.outbox.retain(|(owner, key, _), _| stays(owner, key));
        Ok(before - count(&rows))
    }

    async fn overdue(&self, before: Timestamp, limit: usize) -> Result<Vec<(TenantId, OutboxRow)>, Unavailable> {
        self.reads.call("find overdue outbox rows")?;
        let rows = self.rows.lock();
        let mut found: Vec<_> = rows
            .outbox
            .iter()
            .filter(|(_, row)| row.at < before)
            .map(|((tenant, ..), row)| (tenant.clone(), row.clone()))
            .collect();
        found.sort_by_key(|(_, row)| row.at);
        found.truncate(limit);
        Ok(found)
    }

    async fn to_remind(&self, now: Timestamp, limit: usize) -> Result<Vec<(TenantId, ConsentKey)>, Unavailable> {
        self.reads.call("find reminders that are due")?;
        let rows = self.rows.lock();
        let mut found: Vec<_> = rows
            .consents
            .iter()
            .filter_map(|((tenant, key), consent)| Some((consent.remind_at?, tenant.clone(), *key)))
            .filter(|(due, ..)| *due <= now)
            .collect();
        found.sort();
        found.truncate(limit);
        Ok(found.into_iter().map(|(_, tenant, key)| (tenant, key)).collect())
    }
}
