//! Keeps rates together with all other instances: gives each delivery a reservation, or makes it wait for one.
//!
//! A reservation is taken in the store before an attempt begins ([`acequia_core::delivery::rate`]); the theoretical
//! arrival time that this instance saw last makes that one call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acequia_core::delivery::rate::{Granted, Limiter, Rate, assign};
use acequia_core::delivery::share::Bucket;
use acequia_core::id::TenantId;
use acequia_core::port::{Advance, Clock, RateStore, Unavailable};
use jiff::Timestamp;

/// How often reservations are asked for when others take theirs at the same time.
const TRIES: usize = 12;

/// The most theoretical arrival times that are remembered; one more and all are forgotten.
const MOST: usize = 1000;

/// How long the number of those who share a rate is believed. A part saves up for a second at most, so that after this time it has saved
/// up by itself.
const FRESH: Duration = Duration::from_secs(10);

/// A rate that all tenants share.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedRate {
    /// What it is of, such as `mail`.
    pub name: &'static str,
    /// The whole of it.
    pub rate: Rate,
}

/// The rates of one function instance.
pub struct RateLimiter<R> {
    store: R,
    clock: Arc<dyn Clock>,
    shared: Option<SharedRate>,
    tats: Mutex<HashMap<(TenantId, String), i64>>,
    sharing: Mutex<Sharing>,
}

/// What this instance knows of those who share the shared rate.
#[derive(Default)]
struct Sharing {
    /// How many share it, and when that was counted: one number for all tenants.
    counted: Option<(Timestamp, u32)>,
    /// The bucket that each tenant joined last.
    joined: HashMap<TenantId, Bucket>,
    /// What each tenant goes by.
    seen: HashMap<TenantId, ActiveTenants>,
}

/// How many share, as one tenant knows it.
#[derive(Debug, Clone, Copy)]
struct ActiveTenants {
    at: Timestamp,
    count: u32,
    /// Whether the time before there were more or fewer.
    changed: bool,
}

impl Sharing {
    fn remember(&mut self, tenant: &TenantId, bucket: Bucket, active_tenants: ActiveTenants) {
        if self.seen.len() >= MOST {
            self.seen.clear();
            self.joined.clear();
        }
        self.counted = Some((active_tenants.at, active_tenants.count));
        self.joined.insert(tenant.clone(), bucket);
        self.seen.insert(tenant.clone(), active_tenants);
    }
}

impl<R: RateStore> RateLimiter<R> {
    /// Rates of sinks alone.
    pub fn new(store: R, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, shared: None, tats: Mutex::default(), sharing: Mutex::default() }
    }

    /// The same, with a rate that all tenants share.
    #[must_use]
    pub fn sharing(self, shared: Option<SharedRate>) -> Self {
        Self { shared, ..self }
    }

    /// The limiter of the tenant's share of the shared rate; `None` where nothing is shared.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn share(&self, tenant: &TenantId) -> Result<Option<Limiter>, Unavailable> {
        let Some(SharedRate { name, rate }) = &self.shared else { return Ok(None) };
        let now = self.clock.now();
        let is_fresh = |at: Timestamp| Duration::try_from(now.duration_since(at)).is_ok_and(|age| age < FRESH);
        let known = self.known().seen.get(tenant).copied();
        let active_tenants = if let Some(fresh) = known.filter(|known| is_fresh(known.at)) {
            fresh
        } else {
            let bucket = Bucket::at(now);
            let is_in = self.known().joined.get(tenant) == Some(&bucket);
            let is_new = !is_in && self.store.join(name, tenant, bucket).await?;
            let counted = self.known().counted.filter(|(at, _)| !is_new && is_fresh(*at));
            let (at, count) = match counted {
                Some(counted) => counted,
                None => (now, self.store.sharers(name, bucket).await?.max(1)),
            };
            let active_tenants = ActiveTenants { at, count, changed: known.is_some_and(|known| known.count != count) };
            self.known().remember(tenant, bucket, active_tenants);
            active_tenants
        };
        let limiter = Limiter::shared(name, rate.shared_by(active_tenants.count));
        // The limiter of the new part has saved up while the old one was in use: who comes and goes would give burst
        // after burst.
        Ok(Some(if active_tenants.changed { limiter.without_burst() } else { limiter }))
    }

    /// Takes reservations for `wanted` starts in a limiter of the tenant's.
    ///
    /// # Errors
    /// When the store does not answer, or others are always faster.
    pub(crate) async fn take(
        &self,
        tenant: &TenantId,
        limiter: &Limiter,
        wanted: usize,
    ) -> Result<Granted, Unavailable> {
        let key = (tenant.clone(), limiter.name.clone());
        let mut known = self.tats.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        for _ in 0..TRIES {
            let found = assign(known, limiter.rate, wanted, self.clock.now());
            let Some(next) = found.tat else { return Ok(found) };
            match self.store.advance(tenant, &limiter.name, known, next).await? {
                Advance::Moved => {
                    self.remember(key, Some(next));
                    return Ok(found);
                }
                Advance::Stands(stands) => {
                    known = stands;
                    self.remember(key.clone(), stands);
                }
            }
        }
        Err(Unavailable::new("take reservations of a rate", "others take theirs all the time"))
    }

    fn known(&self) -> MutexGuard<'_, Sharing> {
        self.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, key: (TenantId, String), tat: Option<i64>) {
        let mut tats = self.tats.lock().unwrap_or_else(PoisonError::into_inner);
        if tats.len() >= MOST {
            tats.clear();
        }
        match tat {
            Some(tat) => tats.insert(key, tat),
            None => tats.remove(&key),
        };
    }
}
