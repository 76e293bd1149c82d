//! Attempts e-mail deliveries, each on its own.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::config::{SinkKind, Target, TenantSummary};
use acequia_core::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::port::Clock;
use acequia_lambda::{Attempted, Batch, Job, Sink, Work, each};
use futures::FutureExt as _;

use crate::mailer::{CALL_TIMEOUT, Mailer};
use crate::{classify, request};

/// How many calls to SES are under way at once.
const CONCURRENCY: usize = 10;
/// What an attempt takes beside the call itself: rendering.
const OVERHEAD: Duration = Duration::from_secs(1);

/// The e-mail sink, wired to its ports.
pub struct EmailSink<M> {
    /// SES.
    pub mailer: M,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl<M: Mailer> Sink for EmailSink<M> {
    const KIND: SinkKind = SinkKind::Email;

    async fn deliver(&self, batch: Batch<'_>, jobs: &[Job]) -> Vec<Attempted> {
        let tenant = &batch.current.tenant.summary;
        let mut work: Vec<Work<'_>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            work.push((job.sink.id.as_str(), CALL_TIMEOUT.saturating_add(OVERHEAD), self.attempt(tenant, job).boxed()));
        }
        each(&*self.clock, batch.deadline, CONCURRENCY, work).await
    }
}

impl<M: Mailer> EmailSink<M> {
    async fn attempt(&self, tenant: &TenantSummary, job: &Job) -> Result<Receipt, Cause> {
        let Target::Email(sink) = &job.sink.target else { return Err(Cause::SinkUnknown) };
        let mail = request::mail(tenant, sink, &job.delivery)?;
        classify::answer(self.mailer.send(&mail).await, sink.ambiguous)
    }
}
