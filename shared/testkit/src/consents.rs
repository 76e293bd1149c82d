//! The store of consents, in memory.

use std::collections::BTreeMap;

use acequia_core::consent::{
    Action, ActionId, Change, Consent, ConsentKey, Dossier, OutboxRow, RowKey, Snapshot, SubjectId, Waiting,
};
use acequia_core::id::TenantId;
use acequia_core::port::{CommitError, Consents, Unavailable};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::Faults;
use crate::shared::Shared;

#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) consents: BTreeMap<(TenantId, ConsentKey), Consent>,
    actions: BTreeMap<(TenantId, ConsentKey, ActionId), Action>,
    pub(crate) outbox: BTreeMap<(TenantId, RowKey), Waiting>,
    /// When the reminder of a consent is due, where one is to be given.
    pub(crate) reminders: BTreeMap<(TenantId, ConsentKey), Timestamp>,
    /// What the stream has shown, in order: every row that was ever written to the outbox.
    stream: Vec<(TenantId, OutboxRow)>,
}

/// Consents in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryConsents {
    pub(crate) rows: Shared<Rows>,
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

    /// When the next outbox row is due for the sweep.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.rows.lock().outbox.values().map(|waiting| waiting.due_at).min()
    }

    /// Writes outbox rows without the change that they follow from: no function may do that; a test proves that it
    /// would be found.
    pub fn add_rows(&self, tenant: &TenantId, outbox: &[OutboxRow]) {
        let mut rows = self.rows.lock();
        for row in outbox {
            rows.outbox.insert((tenant.clone(), row.name()), Waiting::new(row.clone()));
            rows.stream.push((tenant.clone(), row.clone()));
        }
    }

    /// When the next reminder is due, of all tenants.
    pub fn next_reminder(&self) -> Option<Timestamp> {
        self.rows.lock().reminders.values().min().copied()
    }

    /// The outbox rows that are not carried out.
    pub fn outbox(&self) -> Vec<OutboxRow> {
        self.rows.lock().outbox.values().map(|waiting| waiting.row.clone()).collect()
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
            // A change writes the whole row, so that what the sweep put off is due as the consent says.
            match change.consent.remind_at {
                Some(at) => rows.reminders.insert(key.clone(), at),
                None => rows.reminders.remove(&key),
            };
            rows.consents.insert(key, stored(&change.consent));
            for action in &change.actions {
                rows.actions.insert((tenant.clone(), change.key, action.id), stored(action));
            }
            for row in &change.outbox {
                rows.outbox.insert((tenant.clone(), row.name()), Waiting::new(stored(row)));
                rows.stream.push((tenant.clone(), stored(row)));
            }
        }
        Ok(self.answers.call("write a consent")?)
    }

    async fn dossier(&self, tenant: &TenantId, subject: &SubjectId) -> Result<Dossier, Unavailable> {
        self.reads.call("read a subject's rows")?;
        let rows = self.rows.lock();
        let theirs = |owner: &TenantId, key: &ConsentKey| owner == tenant && key.subject == *subject;
        let consents = rows.consents.iter().filter(|((owner, key), _)| theirs(owner, key));
        let actions = rows.actions.iter().filter(|((owner, key, _), _)| theirs(owner, key));
        let outbox = rows.outbox.iter().filter(|((owner, row), _)| theirs(owner, &row.consent));
        Ok(Dossier {
            consents: consents.map(|((_, key), consent)| (*key, consent.clone())).collect(),
            actions: actions.map(|((_, key, _), action)| (*key, action.clone())).collect(),
            outbox: outbox.map(|(_, waiting)| waiting.row.clone()).collect(),
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
        rows.outbox.retain(|(owner, row), _| stays(owner, &row.consent));
        rows.reminders.retain(|(owner, key), _| stays(owner, key));
        Ok(before - count(&rows))
    }
}
