//! The tenants' current configurations, read from their store at most every few seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::egress::Egress;
use acequia_core::id::TenantId;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Clock, TenantStore, Unavailable};
use acequia_core::tenant::{RawTenant, Tenant};
use jiff::Timestamp;

/// How old a configuration may be: a change takes effect within this time everywhere.
const FRESH: Duration = Duration::from_secs(5);

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
        let now = self.clock.now();
        let known = self.lookup(tenant);
        if let Some((read_at, current)) = &known
            && Duration::try_from(now.duration_since(*read_at)).is_ok_and(|age| age < FRESH)
        {
            return Ok(Arc::clone(current));
        }
        let down = |error: Unavailable| {
            tracing::warn!(tenant.id = %tenant, error = ?error, "the store of tenants does not answer");
            Cause::StoreDown(Store::Tenants)
        };
        // A document may have a hundred kilobytes, and hardly ever changes: what is looked at every few seconds is
        // which one is current.
        let version = self.store.current_version(tenant).await.map_err(down)?.ok_or(Cause::TenantUnknown)?;
        let current = match known {
            Some((_, current)) if current.version == version => current,
            _ => {
                let stored = self.store.version(tenant, version).await.map_err(down)?;
                let Some(stored) = stored else {
                    tracing::error!(tenant.id = %tenant, version, "the version that is current is not in the store of tenants");
                    return Err(Cause::StoreDown(Store::Tenants));
                };
                // Whether an endpoint may be called is decided where it is called; here the document only has to be
                // readable.
                let tenant = RawTenant::from_json(&stored.document)
                    .and_then(|raw| Tenant::validate(&raw, Egress::Local))
                    .map_err(|issues| Cause::ConfigurationInvalid(issues.to_string()))?;
                Arc::new(CurrentTenant { version: stored.version, tenant })
            }
        };
        self.remember(tenant, Entry { read_at: now, current: Arc::clone(&current) });
        Ok(current)
    }

    fn lookup(&self, tenant: &TenantId) -> Option<(Timestamp, Arc<CurrentTenant>)> {
        let entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        entries.get(tenant).map(|entry| (entry.read_at, Arc::clone(&entry.current)))
    }

    fn remember(&self, tenant: &TenantId, entry: Entry) {
        let mut entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(tenant.clone(), entry);
    }
}
