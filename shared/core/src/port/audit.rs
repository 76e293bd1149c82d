//! Copies of audit logs.

use std::future::Future;

use super::Unavailable;
use crate::audit::AuditRow;
use crate::id::TenantId;

/// Where copies of audit rows are kept, beyond the reach of who may change the log ([`crate::audit`]).
pub trait AuditCopies: Send + Sync {
    /// Keeps a row. False where its copy is there already, and stays.
    fn keep(&self, tenant: &TenantId, row: &AuditRow) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}
