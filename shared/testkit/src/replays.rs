//! Replays, in memory. They are kept in their stored form (JSON), so that what one loses by being stored is lost here too.

use std::collections::BTreeMap;

use acequia_core::id::{ReplayId, TenantId};
use acequia_core::port::{Begun, Queued, ReplayStore, Unavailable};
use acequia_core::replay::{Replay, State};

use crate::fault::Faults;
use crate::shared::Shared;

#[derive(Debug, Default)]
struct Rows {
    replays: BTreeMap<(TenantId, ReplayId), String>,
    alone: BTreeMap<TenantId, ReplayId>,
    queued: BTreeMap<(TenantId, ReplayId), u64>,
}

impl Rows {
    fn get(&self, tenant: &TenantId, id: &ReplayId) -> Option<Replay> {
        serde_json::from_str(self.replays.get(&(tenant.clone(), id.clone()))?).ok()
    }

    fn put(&mut self, tenant: &TenantId, replay: &Replay) -> bool {
        let there = self.get(tenant, &replay.id).map_or(0, |there| there.revision);
        let follows = there.saturating_add(1) == replay.revision;
        if follows {
            // A struct of texts, numbers and lists always has a JSON form.
            let stored = serde_json::to_string(replay).unwrap_or_default();
            self.replays.insert((tenant.clone(), replay.id.clone()), stored);
        }
        follows
    }
}

/// Replays in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryReplays {
    rows: Shared<Rows>,
    /// Makes writing fail.
    pub writes: Faults,
    /// Makes reading fail.
    pub reads: Faults,
}

impl InMemoryReplays {
    /// No replay.
    pub fn new() -> Self {
        Self::default()
    }
}

impl ReplayStore for InMemoryReplays {
    async fn begin(&self, tenant: &TenantId, replay: &Replay, alone: bool) -> Result<Begun, Unavailable> {
        self.writes.call("begin a replay")?;
        let mut rows = self.rows.lock();
        let other = rows.alone.get(tenant).filter(|other| alone && **other != replay.id).cloned();
        if let Some(other) = other
            && rows.get(tenant, &other).is_some_and(|other| other.state.is_under_way())
        {
            return Ok(Begun::Busy(other));
        }
        if !rows.put(tenant, replay) {
            return Ok(Begun::Changed);
        }
        if alone {
            rows.alone.insert(tenant.clone(), replay.id.clone());
        }
        if replay.state == State::Waiting {
            rows.queued.insert((tenant.clone(), replay.id.clone()), replay.revision);
        }
        Ok(Begun::Yes)
    }

    async fn save(&self, tenant: &TenantId, replay: &Replay) -> Result<bool, Unavailable> {
        self.writes.call("write down how far a replay is")?;
        Ok(self.rows.lock().put(tenant, replay))
    }

    async fn load(&self, tenant: &TenantId, id: &ReplayId) -> Result<Option<Replay>, Unavailable> {
        self.reads.call("read a replay")?;
        Ok(self.rows.lock().get(tenant, id))
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Replay>, Unavailable> {
        self.reads.call("list replays")?;
        let rows = self.rows.lock();
        let ids = rows.replays.keys().filter(|(owner, _)| owner == tenant);
        let mut replays: Vec<Replay> = ids.filter_map(|(_, id)| rows.get(tenant, id)).collect();
        replays.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(replays)
    }

    async fn queued(&self, most: usize) -> Result<Vec<Queued>, Unavailable> {
        self.reads.call("list the replays that wait")?;
        let rows = self.rows.lock();
        let all = rows.queued.iter().take(most);
        let queued = |((tenant, id), revision): (&(TenantId, ReplayId), &u64)| Queued {
            tenant: tenant.clone(),
            id: id.clone(),
            revision: *revision,
        };
        Ok(all.map(queued).collect())
    }

    async fn unqueue(&self, queued: &Queued) -> Result<(), Unavailable> {
        self.writes.call("take a replay out of the list")?;
        let (mut rows, key) = (self.rows.lock(), (queued.tenant.clone(), queued.id.clone()));
        if rows.queued.get(&key) == Some(&queued.revision) {
            rows.queued.remove(&key);
        }
        Ok(())
    }
}
