//! The tenants' current configurations, read from their store at most every few seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::event::EnvelopeError;
use acequia_core::event::envelope::Envelope;
use acequia_core::event::schema::Violation;
use acequia_core::id::TenantId;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Clock, TenantStore, Unavailable};
use acequia_core::tenant::{RawTenant, Tenant};
use jiff::Timestamp;

/// How old a configuration may be: a change takes effect within this time everywhere.
const FRESH: Duration = Duration::from_secs(5);
/// From which age on it is looked up again beside the work, so that the batches of a busy tenant wait for none.
const AGING: Duration = Duration::from_secs(4);

/// The most tenants that are kept in memory; one more and the cache starts over.
const MOST: usize = 1000;

/// A configuration with its version.
#[derive(Debug)]
pub struct CurrentTenant {
    /// The version.
    pub version: u64,
    /// The configuration.
    pub tenant: Tenant,
}

impl CurrentTenant {
    /// Whether its intake takes an event ([`Tenant::admits`]), by this version.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn admits(&self, envelope: &Envelope, irregularity: Option<EnvelopeError>) -> Result<Option<Violation>, Cause> {
        self.tenant.admits(envelope, irregularity, Some(self.version))
    }
}

struct Entry {
    read_at: Timestamp,
    current: Arc<CurrentTenant>,
}

/// A [`TenantStore`] behind a short memory.
pub struct CachedTenants<S> {
    store: S,
    clock: Arc<dyn Clock>,
    entries: Mutex<BTreeMap<TenantId, Entry>>,
}

impl<S: TenantStore> CachedTenants<S> {
    /// A memory of `store`.
    pub fn new(store: S, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, entries: Mutex::default() }
    }

    /// The tenant's current configuration.
    ///
    /// A version that is in memory already is neither read nor validated again: versions never change.
    ///
    /// # Errors
    /// [`Cause::StoreDown`], [`Cause::TenantUnknown`] or [`Cause::ConfigurationInvalid`].
    pub async fn current(&self, tenant: &TenantId) -> Result<Arc<CurrentTenant>, Cause> {
        match self.lookup(tenant) {
            Some((age, current)) if age < FRESH => Ok(current),
            known => self.read(tenant, known.map(|(_, current)| current)).await,
        }
    }

    /// Looks up again what will soon be too old. What goes wrong here, the next batch meets.
    pub async fn renew(&self, tenant: &TenantId) {
        if let Some((age, current)) = self.lookup(tenant).filter(|(age, _)| *age >= AGING) {
            tracing::debug!(tenant.id = %tenant, age = ?age, "the configuration is looked up again beside the work");
            // The error is logged where it is made.
            drop(self.read(tenant, Some(current)).await);
        }
    }

    async fn read(&self, tenant: &TenantId, known: Option<Arc<CurrentTenant>>) -> Result<Arc<CurrentTenant>, Cause> {
        let now = self.clock.now();
        let down = |error: Unavailable| {
            tracing::warn!(tenant.id = %tenant, error = ?error, "the store of tenants does not answer");
            Cause::StoreDown(Store::Tenants)
        };
        // A document may have a hundred kilobytes, and hardly ever changes: what is looked at every few seconds is
        // which one is current.
        let known = match known {
            Some(known) => {
                let version = self.store.current_version(tenant).await.map_err(down)?.ok_or(Cause::TenantUnknown)?;
                Some(known).filter(|known| known.version == version)
            }
            None => None,
        };
        let current = if let Some(known) = known {
            known
        } else {
            let stored = self.store.current(tenant).await.map_err(down)?.ok_or(Cause::TenantUnknown)?;
            let tenant = RawTenant::from_json(&stored.document)
                .and_then(|raw| Tenant::of_stored(&raw))
                .map_err(|issues| Cause::ConfigurationInvalid(issues.to_string()))?;
            Arc::new(CurrentTenant { version: stored.version, tenant })
        };
        self.remember(tenant, Entry { read_at: now, current: Arc::clone(&current) });
        Ok(current)
    }

    /// What is in memory, with its age.
    fn lookup(&self, tenant: &TenantId) -> Option<(Duration, Arc<CurrentTenant>)> {
        let now = self.clock.now();
        let entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let entry = entries.get(tenant)?;
        // Where the clock was set back it counts as too old.
        let age = Duration::try_from(now.duration_since(entry.read_at)).unwrap_or(FRESH);
        Some((age, Arc::clone(&entry.current)))
    }

    fn remember(&self, tenant: &TenantId, entry: Entry) {
        let mut entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(tenant.clone(), entry);
    }
}
