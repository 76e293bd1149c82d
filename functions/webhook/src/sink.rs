//! Attempts webhook deliveries, each on its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::egress::{Authorities, Egress};
use acequia_core::id::TenantId;
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::port::{Alerts, Clock, EndpointStore, Secrets};
use acequia_lambda::{Attempted, Batch, Job, Sink, Work, each, within};
use futures::FutureExt as _;
use reqwest::{Client, Response};
use tokio::sync::OnceCell;

use crate::breakers::{Breakers, endpoint};
use crate::caller::{Caller, Failed};
use crate::egress::ClientError;
use crate::request::Sender;
use crate::{classify, egress};

/// How many requests are under way at once. They share one connection where the endpoint speaks HTTP/2.
const CONCURRENCY: usize = 16;
/// How much of an answer is read, so that the connection can be used again; what it says counts for nothing.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How long it is read: an endpoint that never ends its answers costs a slot no more than this.
const DRAINING: Duration = Duration::from_millis(250);
/// What an attempt takes beside the request itself: secrets, signing, and reading an answer to its bound.
const OVERHEAD: Duration = Duration::from_secs(2);

/// The least time for the breakers to say what they saw, also where the effects took all of theirs: the ledger needs the rest.
const TELLING: Duration = Duration::from_secs(1);

/// What signs for each sink of a batch, by the sink's id, from the time that its first request needs it.
///
/// A failure is all of the batch's too: were each request to ask a store that is down for itself, the last would wait for all before
/// it, and fail for want of time, which spends an attempt.
type Senders<'a> = BTreeMap<&'a str, OnceCell<Result<Sender, Cause>>>;

/// The webhook sink, wired to its ports.
pub struct WebhookSink<E, S, O> {
    /// Which endpoints are called now.
    pub breakers: Breakers<E, O>,
    /// The tenants' secrets.
    pub secrets: S,
    /// What calls endpoints.
    pub caller: Caller,
    /// Which endpoints may be called.
    pub egress: Egress,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl<E: EndpointStore, S: Secrets, O: Alerts> Sink for WebhookSink<E, S, O> {
    const KIND: SinkKind = SinkKind::Webhook;

    async fn deliver(&self, batch: Batch<'_>, jobs: &[Job]) -> Vec<Attempted> {
        let tenant = &batch.current.tenant.summary.id;
        let mut passes = self.breakers.ask(tenant, jobs).await;
        let mut senders = Senders::new();
        for job in jobs {
            senders.entry(job.sink.id.as_str()).or_default();
        }
        let mut work: Vec<Work<'_>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            let attempt = self.attempt(tenant, job, &senders, passes.bar(&job.sink.id)).boxed();
            work.push((job.sink.id.as_str(), budget(job), attempt));
        }
        let attempts = each(&*self.clock, batch.deadline, CONCURRENCY, work).await;
        // On the heap, because the loop's future holds this one's whole size otherwise. What is cut off, a later batch sees and tells.
        let told = Box::pin(self.breakers.tell(tenant, jobs, &attempts, &passes));
        if within(&*self.clock, batch.deadline.for_effects(&*self.clock).max(TELLING), told).await.is_none() {
            self.breakers.note_unwritten();
        }
        attempts
    }

    fn take_unwritten(&self) -> u64 {
        self.breakers.take_unwritten()
    }

    fn take_circuit_changes(&self) -> u64 {
        self.breakers.take_turns()
    }
}

fn budget(job: &Job) -> Duration {
    endpoint(job).map_or(Duration::ZERO, |endpoint| endpoint.timeout).saturating_add(OVERHEAD)
}

impl<E: EndpointStore, S: Secrets, O: Alerts> WebhookSink<E, S, O> {
    /// The sink with an HTTP client of its own, which calls what `egress` allows and trusts `authorities`.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(
        breakers: Breakers<E, O>,
        secrets: S,
        egress: Egress,
        authorities: Authorities,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        Ok(Self { breakers, secrets, caller: Caller::new(egress, authorities)?, egress, clock })
    }

    async fn attempt(
        &self,
        tenant: &TenantId,
        job: &Job,
        senders: &Senders<'_>,
        barred: Option<Cause>,
    ) -> Result<Receipt, Cause> {
        if let Some(cause) = barred {
            return Err(cause);
        }
        let endpoint = endpoint(job).ok_or(Cause::SinkUnknown)?;
        egress::check_literal(self.egress, &endpoint.url)?;
        let sender = senders.get(job.sink.id.as_str()).ok_or(Cause::SinkUnknown)?;
        let sender = sender.get_or_init(|| Sender::of(&self.secrets, tenant, endpoint)).await;
        let sender = sender.as_ref().map_err(Cause::clone)?;
        let begun = self.clock.now();
        let request = |client: &Client| {
            let now = self.clock.now();
            // Where it is made twice, both together have the time of one.
            let attempts_used = Duration::try_from(now.duration_since(begun)).unwrap_or_default();
            let headers = sender.headers(&job.delivery, now)?;
            let request = client.post(endpoint.url.clone()).headers(headers).body(job.delivery.envelope.body.clone());
            Ok(request.timeout(endpoint.timeout.saturating_sub(attempts_used)))
        };
        let response = self.caller.send(request).await.map_err(|failed| match failed {
            Failed::Unmade(cause) => cause,
            Failed::Unanswered { error, connecting } => classify::no_answer(&error, connecting, endpoint.timeout),
        })?;
        let verdict = classify::answer(response.status(), response.headers(), &endpoint.permanent, self.clock.now());
        // What is decided does not wait for a body that never ends. Its connection is closed then, and the next request makes another.
        within(&*self.clock, DRAINING, drain(response)).await;
        verdict
    }
}

/// Reads the answer to its bound. Whether that works or not changes nothing: the status has said it all.
async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read >= MAX_ANSWER_BYTES {
            return;
        }
    }
}
