//! API keys, verified over the tenant's ring, which is remembered for a short time.
//!
//! A ring holds all keys of a tenant, so a key that is not in it needs no read of its own: an unknown id has the ring
//! read again where it is older than two seconds, so that a key works as soon as it is made, and that is all that a
//! flood of wrong keys can cause.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acequia_core::access::{ApiKey, KeyId, KeyRing, Principal, Refused};
use acequia_core::id::{Stage, TenantId};
use acequia_core::port::ApiKeys;
use jiff::Timestamp;

/// How old a ring may be.
const FRESH: Duration = Duration::from_secs(30);
/// How old it may be while the store does not answer: a revoked key stops within a minute all the same.
const STALE: Duration = Duration::from_secs(55);
/// How old it must be to be read again for an id that it does not have.
const AGAIN: Duration = Duration::from_secs(2);
/// The most tenants whose rings are remembered, and the most keys in all of them (some megabytes); more, and the memory
/// starts over.
const MOST_RINGS: usize = 1000;
const MOST_KEYS: usize = 5000;
/// The most keys of which it is remembered when their use was noted.
const MOST_NOTED: usize = 10_000;
/// The hour of a use is what is noted of it.
const HOUR: i64 = 3600;

struct Entry {
    read_at: Timestamp,
    ring: Arc<KeyRing>,
}

/// Verifies API keys.
pub(crate) struct KeyVerifier<K> {
    stage: Stage,
    store: K,
    rings: Mutex<BTreeMap<TenantId, Entry>>,
    /// The hour in which each key was last noted to be used.
    noted: Mutex<BTreeMap<(TenantId, KeyId), Timestamp>>,
}

impl<K: ApiKeys> KeyVerifier<K> {
    pub(crate) fn new(stage: Stage, store: K) -> Self {
        Self { stage, store, rings: Mutex::default(), noted: Mutex::default() }
    }

    pub(crate) async fn verify(
        &self,
        text: &str,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Arc<Principal>, Refused> {
        let key = ApiKey::parse(text)?;
        if key.stage != self.stage {
            return Err(Refused::OtherStage);
        }
        if key.tenant != *tenant {
            return Err(Refused::OtherTenant);
        }
        let ring = self.ring(tenant, &key.id, now).await?;
        let principal = ring.find(&key.id).ok_or(Refused::KeyUnknown)?.judge(&key, now)?;
        self.note_use(tenant, &key.id, now).await;
        Ok(Arc::new(principal))
    }

    async fn ring(&self, tenant: &TenantId, id: &KeyId, now: Timestamp) -> Result<Arc<KeyRing>, Refused> {
        let known = self.lookup(tenant, now);
        if let Some((age, ring)) = &known
            && *age < if ring.find(id).is_some() { FRESH } else { AGAIN }
        {
            return Ok(Arc::clone(ring));
        }
        match self.store.keys(tenant).await {
            Ok(ring) => {
                let ring = Arc::new(ring);
                let mut rings = lock(&self.rings);
                rings.remove(tenant);
                let keys = rings.values().map(|entry| entry.ring.keys.len()).sum::<usize>();
                if rings.len() >= MOST_RINGS || keys.saturating_add(ring.keys.len()) > MOST_KEYS {
                    rings.clear();
                }
                rings.insert(tenant.clone(), Entry { read_at: now, ring: Arc::clone(&ring) });
                Ok(ring)
            }
            Err(error) => {
                tracing::warn!(tenant.id = %tenant, error = ?error, "the store of API keys does not answer");
                let usable = known.filter(|(age, ring)| *age < STALE && ring.find(id).is_some());
                usable.map(|(_, ring)| ring).ok_or(Refused::KeysUnavailable)
            }
        }
    }

    /// The ring that is remembered, with its age.
    fn lookup(&self, tenant: &TenantId, now: Timestamp) -> Option<(Duration, Arc<KeyRing>)> {
        let rings = lock(&self.rings);
        let entry = rings.get(tenant)?;
        // Where the clock was set back it counts as too old.
        let age = Duration::try_from(now.duration_since(entry.read_at)).unwrap_or(STALE);
        Some((age, Arc::clone(&entry.ring)))
    }

    /// Notes the hour, at most once an hour for each key. That it cannot be noted refuses no request.
    async fn note_use(&self, tenant: &TenantId, id: &KeyId, now: Timestamp) {
        let second = now.as_second();
        let Ok(hour) = Timestamp::from_second(second - second.rem_euclid(HOUR)) else { return };
        {
            let mut noted = lock(&self.noted);
            let key = (tenant.clone(), id.clone());
            if noted.get(&key).is_some_and(|last| *last >= hour) {
                return;
            }
            if noted.len() >= MOST_NOTED {
                noted.retain(|_, last| *last >= hour);
            }
            if noted.len() >= MOST_NOTED {
                noted.clear();
            }
            noted.insert(key, hour);
        }
        if let Err(error) = self.store.used(tenant, id, hour).await {
            tracing::warn!(tenant.id = %tenant, key.id = %id, error = ?error, "the use of an API key is not noted");
        }
    }
}

/// What a thread that panicked left is whole: each change is one call.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
