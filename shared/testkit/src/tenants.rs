//! The store of tenants and of their API keys, in memory.

use std::collections::BTreeMap;

use acequia_core::access::{KeyId, KeyRing};
use acequia_core::audit::{AuditNote, AuditRow};
use acequia_core::id::TenantId;
use acequia_core::port::{
    ApiKeys, AutoRedriven, Change, KeyError, PublishError, StoredTenant, TenantStore, Unavailable, auto_redrive_of,
};
use jiff::Timestamp;

use crate::fault::Faults;
use crate::shared::Shared;

#[derive(Debug, Default)]
struct History {
    /// Version n stands at index n - 1.
    documents: Vec<String>,
    audit: Vec<AuditRow>,
    keys: KeyRing,
    last_uses: BTreeMap<KeyId, Timestamp>,
}

impl History {
    fn current(&self) -> u64 {
        self.documents.len() as u64
    }

    fn version(&self, version: u64) -> Option<StoredTenant> {
        let index = usize::try_from(version.checked_sub(1)?).ok()?;
        self.documents.get(index).map(|document| StoredTenant { version, document: document.clone() })
    }
}

/// Tenants' configurations in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryTenants {
    rows: Shared<BTreeMap<TenantId, History>>,
    /// Makes every reading fail.
    pub reads: Faults,
    /// Makes publishing fail.
    pub writes: Faults,
    /// Makes reading API keys fail.
    pub key_reads: Faults,
    /// Makes noting the use of API keys fail.
    pub key_uses: Faults,
}

impl InMemoryTenants {
    /// No tenants.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a version of a tenant's configuration, whatever is current, and makes it current.
    ///
    /// `document` is JSON, and is stored as it is, valid or not.
    #[must_use]
    pub fn with(self, tenant: &TenantId, document: impl Into<String>) -> Self {
        self.put(tenant, document);
        self
    }

    /// As [`InMemoryTenants::with`], while the store is in use.
    pub fn put(&self, tenant: &TenantId, document: impl Into<String>) {
        self.rows.lock().entry(tenant.clone()).or_default().documents.push(document.into());
    }
}

impl TenantStore for InMemoryTenants {
    async fn current_version(&self, tenant: &TenantId) -> Result<Option<u64>, Unavailable> {
        self.reads.call("read which version is the tenant's current one")?;
        Ok(self.rows.lock().get(tenant).map(History::current).filter(|version| *version > 0))
    }

    async fn current(&self, tenant: &TenantId) -> Result<Option<StoredTenant>, Unavailable> {
        self.reads.call("read the tenant's configuration")?;
        let rows = self.rows.lock();
        let Some(history) = rows.get(tenant) else { return Ok(None) };
        Ok(history.version(history.current()))
    }

    async fn version(&self, tenant: &TenantId, version: u64) -> Result<Option<StoredTenant>, Unavailable> {
        self.reads.call("read a version of the tenant's configuration")?;
        Ok(self.rows.lock().get(tenant).and_then(|history| history.version(version)))
    }

    async fn publish(&self, tenant: &TenantId, change: Change) -> Result<u64, PublishError> {
        self.writes.call("publish the tenant's configuration")?;
        let mut rows = self.rows.lock();
        let history = rows.entry(tenant.clone()).or_default();
        let current = history.current();
        if current != change.expected {
            return Err(PublishError::Conflict { current, expected: change.expected });
        }
        let previous = history.audit.last().map(|row| row.hash.clone()).unwrap_or_default();
        history.audit.push(AuditRow::of(&change.note(), current, &previous));
        history.documents.push(change.document);
        Ok(history.current())
    }

    async fn note(&self, tenant: &TenantId, note: &AuditNote) -> Result<(), Unavailable> {
        self.writes.call("write into the tenant's audit log")?;
        let mut rows = self.rows.lock();
        let history = rows.entry(tenant.clone()).or_default();
        let previous = history.audit.last().map(|row| row.hash.clone()).unwrap_or_default();
        history.audit.push(AuditRow::of(note, history.current(), &previous));
        Ok(())
    }

    async fn audit(&self, tenant: &TenantId) -> Result<Vec<AuditRow>, Unavailable> {
        self.reads.call("read the tenant's audit log")?;
        Ok(self.rows.lock().get(tenant).map(|history| history.audit.clone()).unwrap_or_default())
    }

    async fn audit_head(&self, tenant: &TenantId) -> Result<Option<String>, Unavailable> {
        self.reads.call("read the tenant's audit log")?;
        Ok(self.rows.lock().get(tenant).and_then(|history| Some(history.audit.last()?.hash.clone())))
    }

    async fn list(&self) -> Result<Vec<(TenantId, u64)>, Unavailable> {
        self.reads.call("list tenants")?;
        let rows = self.rows.lock();
        Ok(rows.iter().filter(|(_, h)| h.current() > 0).map(|(tenant, h)| (tenant.clone(), h.current())).collect())
    }

    async fn auto_redriven(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<AutoRedriven>, Unavailable> {
        self.reads.call("list the tenants that want automatic redrive")?;
        let rows = self.rows.lock();
        let wanted = |(tenant, history): (&TenantId, &History)| {
            let settings = auto_redrive_of(history.documents.last()?)?;
            Some(AutoRedriven { tenant: tenant.clone(), settings })
        };
        let behind = |row: &AutoRedriven| after.is_none_or(|after| row.tenant > *after);
        Ok(rows.iter().filter_map(wanted).filter(behind).take(limit).collect())
    }
}

impl ApiKeys for InMemoryTenants {
    async fn keys(&self, tenant: &TenantId) -> Result<KeyRing, Unavailable> {
        self.key_reads.call("read the tenant's API keys")?;
        Ok(self.rows.lock().get(tenant).map(|history| history.keys.clone()).unwrap_or_default())
    }

    async fn change(&self, tenant: &TenantId, ring: &KeyRing, note: &AuditNote) -> Result<(), KeyError> {
        self.writes.call("change the tenant's API keys")?;
        let mut rows = self.rows.lock();
        let history = rows.get_mut(tenant).filter(|history| history.current() > 0).ok_or(KeyError::NoConfiguration)?;
        if history.keys.revision.checked_add(1) != Some(ring.revision) {
            return Err(KeyError::Conflict);
        }
        let previous = history.audit.last().map(|row| row.hash.clone()).unwrap_or_default();
        history.audit.push(AuditRow::of(note, history.current(), &previous));
        history.keys = ring.clone();
        Ok(())
    }

    async fn used(&self, tenant: &TenantId, key: &KeyId, hour: Timestamp) -> Result<(), Unavailable> {
        self.key_uses.call("note the use of an API key")?;
        let mut rows = self.rows.lock();
        let last = rows.entry(tenant.clone()).or_default().last_uses.entry(key.clone()).or_insert(hour);
        *last = hour.max(*last);
        Ok(())
    }

    async fn last_uses(&self, tenant: &TenantId) -> Result<BTreeMap<KeyId, Timestamp>, Unavailable> {
        self.key_reads.call("read when API keys were used")?;
        Ok(self.rows.lock().get(tenant).map(|history| history.last_uses.clone()).unwrap_or_default())
    }
}
