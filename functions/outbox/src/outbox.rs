//! One invocation: of the stream, or of the schedule.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::consent::{Answer, Consents, Desk, OutboxRow};
use acequia_core::id::{Stage, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::port::{Clock, Ledger, Queues, Secrets, TenantStore, Unavailable};
use acequia_core::stall::Store;
use acequia_lambda::{CachedTenants, Telemetry, unwind};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value as Json;

use crate::event::{Batch, Failures};

/// How many rows are carried out at once.
const AT_ONCE: usize = 8;
/// How old a row is that the sweep takes for given up: the stream is seconds behind as a rule.
const OVERDUE: Duration = Duration::from_mins(2);
/// The most rows, and the most reminders, of one sweep.
const SWEPT: usize = 500;

/// The outbox, wired to its ports.
pub struct Outbox<T, L, Q, C, S> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<T>,
    /// The memory of deliveries.
    pub ledger: L,
    /// SQS.
    pub queues: Q,
    /// The memory of consents.
    pub consents: C,
    /// The tenants' secrets: the keys of links.
    pub secrets: S,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The stage whose queues are filled.
    pub stage: Stage,
    /// What the ARNs of queues begin with, up to the name.
    pub queue_arns: String,
    /// Where the confirm function answers.
    pub link_base: String,
    /// Where it tells what of ours holds it up.
    pub telemetry: Telemetry,
}

/// Why an invocation failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The event is not one that we know.
    #[error("the event is neither a batch of a stream nor a schedule's")]
    Event(#[from] serde_json::Error),
    /// A sweep found rows that cannot be carried out. It did everything else.
    #[error("{0} outbox rows cannot be carried out; the log says of each why, and they are tried again")]
    Stuck(usize),
    /// The sweep could not begin.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Rows that the stream had given up on, and that are carried out now.
    pub published: usize,
    /// Rows that still could not be carried out.
    pub failed: usize,
    /// Reminders that were sent.
    pub reminded: usize,
}

impl<T: TenantStore, L: Ledger, Q: Queues, C: Consents, S: Secrets> Outbox<T, L, Q, C, S> {
    /// Does what an invocation asks for, and answers it.
    ///
    /// # Errors
    /// When the event is neither the stream's nor the schedule's, or a sweep could not begin.
    pub async fn serve(&self, event: Json) -> Result<Json, ServeError> {
        let batch: Batch = serde_json::from_value(event)?;
        if let Some(failures) = self.handle(batch).await {
            return Ok(serde_json::to_value(failures)?);
        }
        let swept = self.sweep().await?;
        if swept.failed > 0 {
            // An invocation that fails is what the alarm of the function watches.
            return Err(ServeError::Stuck(swept.failed));
        }
        Ok(serde_json::to_value(swept)?)
    }

    /// Carries out the rows of a batch of the stream; `None` where it is none, and the schedule wants a sweep.
    pub async fn handle(&self, batch: Batch) -> Option<Failures> {
        let rows = batch.rows()?;
        let work: Vec<_> = rows
            .into_iter()
            .map(|streamed| async move {
                let done = self.carry_out(&streamed.tenant, &streamed.row).await;
                (!done).then_some(streamed.sequence)
            })
            .collect();
        let failed: Vec<_> = futures::stream::iter(work).buffered(AT_ONCE).collect().await;
        Some(Failures::of(failed.into_iter().flatten().collect()))
    }

    /// Takes up what the stream gave up on, and sends the reminders that are due.
    ///
    /// # Errors
    /// When the store does not answer; the next sweep does it then.
    pub async fn sweep(&self) -> Result<Swept, Unavailable> {
        let mut swept = Swept::default();
        let now = self.clock.now();
        let before = now.checked_sub(SignedDuration::try_from(OVERDUE).unwrap_or_default()).unwrap_or(now);
        let down = |_: &Unavailable| self.stalled(None, Some(Store::Consents));
        let overdue = self.consents.overdue(before, SWEPT).await.inspect_err(down)?;
        let work: Vec<_> = overdue.iter().map(|(tenant, row)| self.carry_out(tenant, row)).collect();
        let done: Vec<bool> = futures::stream::iter(work).buffered(AT_ONCE).collect().await;
        swept.published = done.iter().filter(|done| **done).count();
        swept.failed = done.len() - swept.published;
        for (tenant, key) in self.consents.to_remind(now, SWEPT).await.inspect_err(down)? {
            swept.reminded += usize::from(self.remind(&tenant, key, now).await);
        }
        Ok(swept)
    }

    async fn remind(&self, tenant: &TenantId, key: acequia_core::consent::ConsentKey, now: Timestamp) -> bool {
        let current = match self.tenants.current(tenant).await {
            Ok(current) => current,
            Err(cause) => {
                tracing::warn!(tenant.id = %tenant, error = %cause, "a reminder waits for the tenant's configuration");
                self.stalled(Some(tenant), cause.stalled_by(None));
                return false;
            }
        };
        let Some(settings) = &current.tenant.consent else { return false };
        let desk = Desk { consents: &self.consents, tenant, settings, config_version: current.version, now };
        match desk.remind(key).await {
            Ok(answer) => answer == Some(Answer::Done),
            Err(error) => {
                tracing::warn!(tenant.id = %tenant, error = ?error, "a reminder could not be decided");
                self.stalled(Some(tenant), error.stalled_by());
                false
            }
        }
    }

    /// Carries out one row and deletes it; false where it must come again.
    async fn carry_out(&self, tenant: &TenantId, row: &OutboxRow) -> bool {
        // A row holds foreign bytes: a panic over them must not cost the neighbours anything.
        let published = unwind(self.publish(tenant, row)).await.and_then(|published| published);
        if let Err(cause) = published {
            let cause: Cause = cause;
            tracing::warn!(tenant.id = %tenant, outbox.row = row.id, error = %cause, "an outbox row comes again");
            self.stalled(Some(tenant), cause.stalled_by(None));
            return false;
        }
        if let Err(error) = self.consents.settle(tenant, row).await {
            // Everything that it asks for is in the queues. It is carried out once more, with the same ids.
            tracing::warn!(tenant.id = %tenant, outbox.row = row.id, error = ?error, "an outbox row could not be deleted");
            self.stalled(Some(tenant), Some(Store::Consents));
            return false;
        }
        true
    }

    /// Tells what of ours held a row or a reminder up.
    pub(crate) fn stalled(&self, tenant: Option<&TenantId>, store: Option<Store>) {
        self.telemetry.write_stall(&self.stage, ("outbox", tenant), &*self.clock, store);
    }
}
