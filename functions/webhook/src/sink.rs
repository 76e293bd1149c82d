//! Attempts webhook deliveries, each on its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::config::{SinkKind, Target, WebhookSink as Endpoint};
use acequia_core::egress::Egress;
use acequia_core::id::{self, SinkId, TenantId};
use acequia_core::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::port::{Clock, Disabled, EndpointStore, Secrets};
use acequia_lambda::{Attempted, Batch, Job, Sink, Work, each};
use futures::FutureExt as _;
use reqwest::{Client, Response};

use crate::{classify, egress, request};

/// How many requests are under way at once. They share one connection where the endpoint speaks HTTP/2.
const CONCURRENCY: usize = 16;
/// How much of an answer is read, so that the connection can be used again; what it says counts for nothing.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// What an attempt takes beside the request itself: secrets and signing.
const OVERHEAD: Duration = Duration::from_secs(2);

/// The webhook sink, wired to its ports.
pub struct WebhookSink<E, S> {
    /// What is known of endpoints at run time.
    pub endpoints: E,
    /// The tenants' secrets.
    pub secrets: S,
    /// The HTTP client, from [`egress::client`].
    pub client: Client,
    /// Which endpoints may be called.
    pub egress: Egress,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl<E: EndpointStore, S: Secrets> Sink for WebhookSink<E, S> {
    const KIND: SinkKind = SinkKind::Webhook;

    async fn deliver(&self, batch: Batch<'_>, jobs: &[Job]) -> Vec<Attempted> {
        let tenant = &batch.current.tenant.summary.id;
        let barred = self.barred(tenant, jobs).await;
        let mut work: Vec<Work<'_>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            let attempt = self.attempt(tenant, job, barred.get(&job.sink.id)).boxed();
            work.push((job.sink.id.as_str(), budget(job), attempt));
        }
        let attempts = each(&*self.clock, batch.deadline, CONCURRENCY, work).await;
        self.disable_the_gone(tenant, jobs, &attempts).await;
        attempts
    }
}

fn endpoint(job: &Job) -> Option<&Endpoint> {
    match &job.sink.target {
        Target::Webhook(endpoint) => Some(endpoint),
        Target::Email(_) | Target::Forward(_) => None,
    }
}

fn budget(job: &Job) -> Duration {
    endpoint(job).map_or(Duration::ZERO, |endpoint| endpoint.timeout).saturating_add(OVERHEAD)
}

fn fingerprint(endpoint: &Endpoint) -> String {
    id::digest(endpoint.url.as_str().as_bytes())
}

impl<E: EndpointStore, S: Secrets> WebhookSink<E, S> {
    /// The sinks of these jobs that may not be attempted now, with why. One read per sink and batch.
    async fn barred(&self, tenant: &TenantId, jobs: &[Job]) -> BTreeMap<SinkId, Cause> {
        let mut barred = BTreeMap::new();
        let sinks: BTreeMap<&SinkId, &Job> = jobs.iter().map(|job| (&job.sink.id, job)).collect();
        for (sink, job) in sinks {
            match self.endpoints.disabled(tenant, sink).await {
                Ok(Some(disabled))
                    if endpoint(job).is_some_and(|endpoint| fingerprint(endpoint) == disabled.endpoint) =>
                {
                    barred.insert(sink.clone(), Cause::SinkDisabled(disabled.why));
                }
                // Off is another endpoint than the one that is configured now.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(tenant.id = %tenant, error = ?error, "the state of endpoints cannot be read");
                    barred.insert(sink.clone(), Cause::LedgerDown);
                }
            }
        }
        barred
    }

    async fn attempt(&self, tenant: &TenantId, job: &Job, barred: Option<&Cause>) -> Result<Receipt, Cause> {
        if let Some(cause) = barred {
            return Err(cause.clone());
        }
        let endpoint = endpoint(job).ok_or(Cause::SinkUnknown)?;
        egress::check_literal(self.egress, &endpoint.url)?;
        let headers = request::headers(&self.secrets, tenant, endpoint, &job.delivery, self.clock.now()).await?;
        let response = self
            .client
            .post(endpoint.url.clone())
            .headers(headers)
            .body(job.delivery.envelope.body.clone())
            .timeout(endpoint.timeout)
            .send()
            .await
            .map_err(|error| classify::no_answer(&error, endpoint.timeout))?;
        let verdict = classify::answer(response.status(), response.headers(), self.clock.now());
        drain(response).await;
        verdict
    }

    /// 410 says that the endpoint is gone for good: nothing more is sent to it until somebody resumes it or changes its URL.
    async fn disable_the_gone(&self, tenant: &TenantId, jobs: &[Job], attempts: &[Attempted]) {
        let gone: BTreeMap<&SinkId, &Job> = jobs
            .iter()
            .zip(attempts)
            .filter(|(_, attempted)| matches!(attempted.result, Err(Cause::Status { code: 410, .. })))
            .map(|(job, _)| (&job.sink.id, job))
            .collect();
        for (sink, job) in gone {
            let Some(endpoint) = endpoint(job) else { continue };
            let why = "the endpoint answered 410 Gone".to_owned();
            let disabled = Disabled { endpoint: fingerprint(endpoint), why, since: self.clock.now() };
            match self.endpoints.disable(tenant, sink, disabled).await {
                Ok(()) => {
                    tracing::warn!(tenant.id = %tenant, sink.id = %sink, "the endpoint is gone (410) and now disabled");
                }
                // The next 410 tries again.
                Err(error) => {
                    tracing::error!(tenant.id = %tenant, sink.id = %sink, error = ?error, "a gone endpoint could not be disabled");
                }
            }
        }
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
