//! A row of an audit log as one line: the copy that `CloudWatch` Logs keeps.

use std::time::SystemTime;

use acequia_core::audit::AuditRow;
use acequia_core::id::{Stage, TenantId};
use metrique::writer::{Entry, EntryWriter};

use super::metrics::Count;

/// One row, with whose it is. It is written whatever the log level is.
pub(super) struct AuditLine<'s> {
    pub(super) stage: &'s Stage,
    pub(super) tenant: &'s TenantId,
    pub(super) level: &'s str,
    pub(super) row: &'s AuditRow,
}

impl Entry for AuditLine<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        let AuditRow { at, actor, action, from: _, to, summary, previous, hash } = self.row;
        writer.timestamp(SystemTime::from(*at));
        writer.value("timestamp", &at.to_string());
        writer.value("level", self.level);
        writer.value("stage", self.stage.as_str());
        writer.value("function", "audit");
        writer.value("tenant.id", self.tenant.as_str());
        writer.value("audit", action.as_str());
        writer.value("audit.actor", actor.as_str());
        writer.value("audit.summary", summary.as_str());
        writer.value("audit.version", &to.to_string());
        writer.value("audit.previous", previous.as_str());
        writer.value("audit.hash", hash.as_str());
        writer.value("audit_rows", &Count(1));
        if *hash != self.row.compute_hash() {
            writer.value("audit_rows_bent", &Count(1));
        }
    }
}
