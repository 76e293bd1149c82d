//! Keeps rates together with all other instances: gives each delivery a place, or makes it wait for one.
//!
//! A place is taken in the store before an attempt begins ([`acequia_core::rate`]); the mark that this instance saw last makes that one call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acequia_core::id::TenantId;
use acequia_core::port::{Advance, Clock, RateStore, Unavailable};
use acequia_core::rate::{Line, Places, Rate, places};
use jiff::Timestamp;

/// How often places are asked for when others take theirs at the same time.
const TRIES: usize = 12;

/// The most marks that are remembered; one more and all are forgotten.
const MOST: usize = 1000;

/// Who used a shared rate within this time shares it.
const SHARING: Duration = Duration::from_mins(1);
/// How long the number of those is believed. A part saves up for a second at most, so that after this time it has saved up by itself.
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
pub struct Pace<R> {
    store: R,
    clock: Arc<dyn Clock>,
    shared: Option<SharedRate>,
    marks: Mutex<HashMap<(TenantId, String), i64>>,
    sharers: Mutex<HashMap<TenantId, Sharers>>,
}

/// Who shares, as it was counted last.
#[derive(Debug, Clone, Copy)]
struct Sharers {
    at: Timestamp,
    count: u32,
    /// Whether the time before there were more or fewer.
    changed: bool,
}

impl<R: RateStore> Pace<R> {
    /// Rates of sinks alone.
    pub fn new(store: R, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, shared: None, marks: Mutex::default(), sharers: Mutex::default() }
    }

    /// The same, with a rate that all tenants share.
    #[must_use]
    pub fn sharing(self, shared: Option<SharedRate>) -> Self {
        Self { shared, ..self }
    }

    /// The line of the tenant's part of the shared rate; `None` where nothing is shared.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn part(&self, tenant: &TenantId) -> Result<Option<Line>, Unavailable> {
        let Some(SharedRate { name, rate }) = &self.shared else { return Ok(None) };
        let now = self.clock.now();
        let known = self.sharers.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied();
        let is_fresh = |known: &Sharers| Duration::try_from(now.duration_since(known.at)).is_ok_and(|age| age < FRESH);
        let sharers = if let Some(fresh) = known.filter(is_fresh) {
            fresh
        } else {
            let count = self.store.sharers(name, tenant, SHARING, now).await?;
            let sharers = Sharers { at: now, count, changed: known.is_some_and(|known| known.count != count) };
            let mut all = self.sharers.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST {
                all.clear();
            }
            all.insert(tenant.clone(), sharers);
            sharers
        };
        let line = Line::shared(name, rate.shared_by(sharers.count));
        // The line of the new part has saved up while the old one was in use: who comes and goes would give burst after burst.
        Ok(Some(if sharers.changed { line.without_burst() } else { line }))
    }

    /// Takes places for `wanted` starts in a line of the tenant's.
    ///
    /// # Errors
    /// When the store does not answer, or others are always faster.
    pub(crate) async fn take(&self, tenant: &TenantId, line: &Line, wanted: usize) -> Result<Places, Unavailable> {
        let key = (tenant.clone(), line.name.clone());
        let mut known = self.marks.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        for _ in 0..TRIES {
            let found = places(known, line.rate, wanted, self.clock.now());
            let Some(next) = found.mark else { return Ok(found) };
            match self.store.advance(tenant, &line.name, known, next).await? {
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
        Err(Unavailable::new("take places of a rate", "others take theirs all the time"))
    }

    fn remember(&self, key: (TenantId, String), mark: Option<i64>) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= MOST {
            marks.clear();
        }
        match mark {
            Some(mark) => marks.insert(key, mark),
            None => marks.remove(&key),
        };
    }
}
