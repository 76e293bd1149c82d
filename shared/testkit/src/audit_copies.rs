//! Copies of audit rows, in memory.

use acequia_core::audit::AuditRow;
use acequia_core::id::TenantId;
use acequia_core::port::{AuditCopies, Unavailable};

use crate::fault::Faults;
use crate::shared::Shared;

/// Copies in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryAuditCopies {
    rows: Shared<Vec<(TenantId, AuditRow)>>,
    /// Makes keeping fail.
    pub writes: Faults,
}

impl InMemoryAuditCopies {
    /// No copies.
    pub fn new() -> Self {
        Self::default()
    }

    /// The copies, in the order in which they came.
    pub fn rows(&self) -> Vec<(TenantId, AuditRow)> {
        self.rows.lock().clone()
    }
}

impl AuditCopies for InMemoryAuditCopies {
    async fn keep(&self, tenant: &TenantId, row: &AuditRow) -> Result<bool, Unavailable> {
        self.writes.call("keep a copy of an audit row")?;
        let mut rows = self.rows.lock();
        let is_new = !rows.iter().any(|(of, kept)| of == tenant && kept.hash == row.hash);
        if is_new {
            rows.push((tenant.clone(), row.clone()));
        }
        Ok(is_new)
    }
}
