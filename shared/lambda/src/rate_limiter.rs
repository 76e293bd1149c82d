//! Keeps rates together with all other instances: gives each delivery a reservation, or makes it wait for one.
//!
//! A reservation is taken in the store before an attempt begins ([`acequia_core::delivery::rate`]); the theoretical
//! arrival time that this instance saw last makes that one call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acequia_core::delivery::rate::{Granted, Limiter, Rate, assign};
use acequia_core::id::TenantId;
use acequia_core::port::{Advance, Clock, RateStore, Unavailable};
use jiff::Timestamp;

/// How often reservations are asked for when others take theirs at the same time.
const TRIES: usize = 12;

/// The most theoretical arrival times that are remembered; one more and all are forgotten.
const MOST: usize = 1000;

/// Who used a shared rate within this time shares it.
const SHARING: Duration = Duration::from_mins(1);
/// How long the number of those is believed. A part saves up for a second at most, so that after this time it has saved
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
    active_tenants: Mutex<HashMap<TenantId, ActiveTenants>>,
}

/// Who shares, as it was counted last.
#[derive(Debug, Clone, Copy)]
struct ActiveTenants {
    at: Timestamp,
    count: u32,
    /// Whether the time before there were more or fewer.
    changed: bool,
}

impl<R: RateStore> RateLimiter<R> {
    /// Rates of sinks alone.
    pub fn new(store: R, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, shared: None, tats: Mutex::default(), active_tenants: Mutex::default() }
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
        let known = self.active_tenants.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied();
        let is_fresh =
            |known: &ActiveTenants| Duration::try_from(now.duration_since(known.at)).is_ok_and(|age| age < FRESH);
        let active_tenants = if let Some(fresh) = known.filter(is_fresh) {
            fresh
        } else {
            let count = self.store.active_tenants(name, tenant, SHARING, now).await?;
            let active_tenants =
                ActiveTenants { at: now, count, changed: known.is_some_and(|known| known.count != count) };
            let mut all = self.active_tenants.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST {
                all.clear();
            }
            all.insert(tenant.clone(), active_tenants);
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
