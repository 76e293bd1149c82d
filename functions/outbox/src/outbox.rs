//! One invocation: of the stream, or of the schedule.
//!
//! The stream is always answered with success. What cannot be carried out stays in the table, and is the sweep's:
//! Lambda hands out everything behind a record that failed again, and that is other tenants' too. So it comes again
//! only where the invocation itself died.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::consent::{OutboxRow, RowKey, Waiting};
use acequia_core::id::{Stage, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Agenda, Clock, Consents, Ledger, Queues, Secrets, TenantStore, Unavailable};
use acequia_lambda::{CachedTenants, Deadline, Telemetry, unwind, within};
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::event::Batch;
use crate::sweep::Swept;

/// How many rows are carried out at once.
pub(crate) const AT_ONCE: usize = 8;
/// The most time that one row may take: one tenant's slow row must not use up the other tenants' time.
const FOR_A_ROW: Duration = Duration::from_secs(10);

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
    #[error(
        "{0} outbox rows cannot be carried out; the log says of each why, and they are tried again, less and less often"
    )]
    Stuck(usize),
    /// The sweep could not begin.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What became of a batch of the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Relayed {
    /// Rows that are carried out now.
    pub published: usize,
    /// Rows that were gone, or are the sweep's already.
    pub passed_over: usize,
    /// Rows that are left to the sweep.
    pub left: usize,
}

/// Why a row was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// A store of ours does not answer: it may be over in a minute.
    Ours,
    /// Something of its own, or of its tenant's.
    Own,
    /// It took too long.
    Slow,
}

impl<T: TenantStore, L: Ledger, Q: Queues, C: Consents + Agenda, S: Secrets> Outbox<T, L, Q, C, S> {
    /// Does what an invocation asks for, and answers it.
    ///
    /// # Errors
    /// When the event is neither the stream's nor the schedule's, or a sweep could not begin, or left rows that it
    /// should have carried out.
    pub async fn serve(&self, event: Json, deadline: Deadline) -> Result<Json, ServeError> {
        let batch: Batch = serde_json::from_value(event)?;
        if self.handle(batch, deadline).await.is_some() {
            return Ok(json!({ "batchItemFailures": [] }));
        }
        let swept: Swept = self.sweep(deadline).await?;
        if swept.failed > 0 {
            // An invocation that fails is what the alarm of the function watches.
            return Err(ServeError::Stuck(swept.failed));
        }
        Ok(serde_json::to_value(swept)?)
    }

    /// Carries out the rows of a batch of the stream that are still there; `None` where it is none, and the schedule
    /// wants a sweep.
    pub async fn handle(&self, batch: Batch, deadline: Deadline) -> Option<Relayed> {
        let mut rows = batch.rows()?;
        let mut known = BTreeSet::new();
        rows.retain(|row| known.insert(row.clone()));
        let mut relayed = Relayed::default();
        if rows.is_empty() {
            return Some(relayed);
        }
        // A record may be handed out again, and what it asked for is done: then its row is gone.
        let standing = self.look_up(&rows).await;
        let work: Vec<_> = rows
            .iter()
            .zip(standing)
            .map(|((tenant, _), standing)| async move {
                match standing {
                    Ok(Some(waiting)) if waiting.tries == 0 => {
                        Some(self.has_time(deadline) && self.carry_out(tenant, &waiting.row, deadline).await.is_ok())
                    }
                    // It is done, or the sweep has taken it up.
                    Ok(_) => None,
                    Err(_) => Some(false),
                }
            })
            .collect();
        let done: Vec<Option<bool>> = futures::stream::iter(work).buffered(AT_ONCE).collect().await;
        for done in done {
            match done {
                Some(true) => relayed.published += 1,
                Some(false) => relayed.left += 1,
                None => relayed.passed_over += 1,
            }
        }
        Some(relayed)
    }

    /// Whether there is time for one more row.
    pub(crate) fn has_time(&self, deadline: Deadline) -> bool {
        deadline.for_effects(&*self.clock) >= FOR_A_ROW
    }

    /// Carries out one row and deletes it.
    ///
    /// # Errors
    /// Where it must come again.
    pub(crate) async fn carry_out(
        &self,
        tenant: &TenantId,
        row: &OutboxRow,
        deadline: Deadline,
    ) -> Result<(), Obstacle> {
        let time = FOR_A_ROW.min(deadline.for_effects(&*self.clock));
        let done = within(&*self.clock, time, Box::pin(self.publish_and_settle(tenant, row))).await;
        done.unwrap_or_else(|| {
            tracing::warn!(tenant.id = %tenant, outbox.row = row.id, "an outbox row took too long, and comes again");
            Err(Obstacle::Slow)
        })
    }

    async fn publish_and_settle(&self, tenant: &TenantId, row: &OutboxRow) -> Result<(), Obstacle> {
        // A row holds foreign bytes: a panic over them must not cost the neighbours anything.
        let published = unwind(self.publish(tenant, row)).await.and_then(|published| published);
        if let Err(cause) = published {
            let cause: Cause = cause;
            tracing::warn!(tenant.id = %tenant, outbox.row = row.id, error = %cause, "an outbox row comes again");
            let store = cause.stalled_by(None);
            self.stalled(Some(tenant), store);
            // A configuration that this version cannot read is the tenant's own, and stays so for longer.
            let is_ours = store.is_some() && !matches!(cause, Cause::ConfigurationInvalid(_));
            return Err(if is_ours { Obstacle::Ours } else { Obstacle::Own });
        }
        if let Err(error) = self.consents.settle(tenant, row).await {
            // Everything that it asks for is in the queues. It is carried out once more, with the same ids.
            tracing::warn!(tenant.id = %tenant, outbox.row = row.id, error = ?error, "an outbox row could not be deleted");
            self.stalled(Some(tenant), Some(Store::Consents));
            return Err(Obstacle::Ours);
        }
        Ok(())
    }

    /// Reads rows as they stand; what cannot be read is told.
    pub(crate) async fn look_up(&self, rows: &[(TenantId, RowKey)]) -> Vec<Result<Option<Waiting>, Unavailable>> {
        let found = self.consents.waiting(rows).await;
        for ((tenant, name), error) in
            rows.iter().zip(&found).filter_map(|(row, found)| Some((row, found.as_ref().err()?)))
        {
            tracing::warn!(tenant.id = %tenant, outbox.row = name.id, error = ?error, "an outbox row could not be read");
            self.stalled(Some(tenant), Some(Store::Consents));
        }
        found
    }

    /// Tells what of ours held a row or a reminder up.
    pub(crate) fn stalled(&self, tenant: Option<&TenantId>, store: Option<Store>) {
        self.telemetry.write_stall(&self.stage, ("outbox", tenant), &*self.clock, store);
    }
}
