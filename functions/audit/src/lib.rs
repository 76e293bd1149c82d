//! The audit function: copies each row of the tenants' audit logs out of the tenants table, to its own log group, and to
//! a bucket where the installation names one.
//!
//! It is invoked by the table's stream. A row that cannot be copied holds up those behind it, as the stream is in order;
//! it comes again until the bucket takes it, for a day. A row that was copied before is copied again to no effect.

mod event;

pub mod config;

use std::sync::Arc;

use acequia_core::audit::AuditRow;
use acequia_core::id::{Stage, TenantId};
use acequia_core::port::{AuditCopies, Clock, Unavailable};
use acequia_lambda::{Deadline, Telemetry, within};
use serde_json::{Value as Json, json};

use event::Batch;

/// The audit function, wired to its ports.
pub struct Audit<C> {
    /// The bucket that keeps copies, where there is one.
    pub copies: Option<C>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The stage it belongs to.
    pub stage: Stage,
    /// Where the copies go that are lines.
    pub telemetry: Telemetry,
}

/// Why a row was not copied.
#[derive(Debug, thiserror::Error)]
enum NotCopied {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error("there was no time left")]
    NoTime,
}

impl<C: AuditCopies> Audit<C> {
    /// Copies the rows of a batch of the stream, in their order; answers from which one on they are to come again.
    ///
    /// # Errors
    /// When the event is no batch of a stream.
    pub async fn serve(&self, event: Json, deadline: Deadline) -> Result<Json, serde_json::Error> {
        let batch: Batch = serde_json::from_value(event)?;
        for record in batch.records {
            let (tenant, row) = match record.row() {
                Ok(row) => row,
                Err(error) => {
                    // It would never be read: its place is told, and those behind it go on.
                    tracing::error!(audit = "row-unreadable", record = record.number(), error = %error,
                        "a row of an audit log cannot be read; acequia audit TENANT says where the log breaks");
                    continue;
                }
            };
            if let Err(error) = self.keep(&tenant, &row, deadline).await {
                tracing::error!(tenant.id = %tenant, error = ?error,
                    "a row of the audit log could not be copied into the bucket; it comes again");
                return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": record.number() }] }));
            }
            // Behind the bucket, so that a row that comes again is told once as a rule.
            self.telemetry.write_audit(&self.stage, &tenant, &row);
        }
        Ok(json!({ "batchItemFailures": [] }))
    }

    async fn keep(&self, tenant: &TenantId, row: &AuditRow, deadline: Deadline) -> Result<(), NotCopied> {
        let Some(copies) = &self.copies else { return Ok(()) };
        let time = deadline.for_effects(&*self.clock);
        within(&*self.clock, time, copies.keep(tenant, row)).await.ok_or(NotCopied::NoTime)??;
        Ok(())
    }
}
