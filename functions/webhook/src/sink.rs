//! Attempts webhook deliveries, each on its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::egress::{Authorities, Egress};
use acequia_core::id::SinkId;
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Clock, Secrets};
use acequia_core::tenant::{self, Target};
use acequia_egress::{self as egress, ClientError};
use acequia_lambda::{Batch, Course, Endpoint, Job, Sink, Work, each, within};
use futures::FutureExt as _;
use reqwest::{Client, Response};

use crate::caller::{Caller, Failed};
use crate::classify;
use crate::request::Sender;

/// How much of an answer is read, so that the connection can be used again; what it says counts for nothing.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How long it is read: an endpoint that never ends its answers costs a slot no more than this.
const DRAINING: Duration = Duration::from_millis(250);
/// What an attempt takes beside the request itself: signing, and reading an answer to its bound.
const OVERHEAD: Duration = Duration::from_secs(2);
/// What reading the secrets of a batch may take.
const LOOK_UP: Duration = Duration::from_secs(2);

/// What signs for each sink of a batch, or why nothing does.
///
/// A failure is all of the batch's too: were each request to ask a store that is down for itself, the last would wait
/// for all before it, and fail for want of time, which spends an attempt.
type Senders = BTreeMap<SinkId, Result<Sender, Cause>>;

/// The webhook sink, wired to its ports.
pub struct WebhookSink<S> {
    /// The tenants' secrets.
    pub secrets: S,
    /// What calls endpoints.
    pub caller: Caller,
    /// Which endpoints may be called.
    pub egress: Egress,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl<S: Secrets> Sink for WebhookSink<S> {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = Senders;

    fn endpoint(sink: &tenant::Sink) -> Option<Endpoint<'_>> {
        let webhook = webhook(sink)?;
        let (address, breaker) = (webhook.url.as_str(), webhook.breaker.as_ref());
        Some(Endpoint { address, breaker, concurrency: webhook.concurrency })
    }

    async fn prepare(&self, batch: Batch<'_>, sinks: &[Arc<tenant::Sink>]) -> Senders {
        let tenant = &batch.current.tenant.summary.id;
        let read = sinks.iter().filter_map(|sink| Some((sink, webhook(sink)?))).map(|(sink, endpoint)| async move {
            let sender = within(&*self.clock, LOOK_UP, Box::pin(Sender::of(&self.secrets, tenant, endpoint))).await;
            (sink.id.clone(), sender.unwrap_or(Err(Cause::StoreDown(Store::Secrets))))
        });
        futures::future::join_all(read).await.into_iter().collect()
    }

    async fn shadow(&self, _: Batch<'_>, senders: &Senders, job: &Job) -> Result<String, Cause> {
        let endpoint = webhook(&job.sink).ok_or(Cause::SinkUnknown)?;
        egress::check_literal(self.egress, &endpoint.url)?;
        let sender = senders.get(&job.sink.id).ok_or(Cause::SinkUnknown)?.as_ref().map_err(Cause::clone)?;
        let headers = sender.headers(&job.delivery, self.clock.now())?;
        // Of the address no more than its host: there may be a secret behind it.
        let (host, bytes) = (endpoint.url.host_str().unwrap_or_default(), job.delivery.envelope.body.len());
        Ok(format!("{bytes} bytes with {} headers to {host}", headers.len()))
    }

    async fn deliver(&self, _: Batch<'_>, senders: &Senders, course: &Course<'_>) {
        let work = course.jobs().iter().map(|job| -> Work<'_> { (budget(job), self.attempt(job, senders).boxed()) });
        each(course, work.collect()).await;
    }
}

/// The settings of a webhook; `None` for a sink of another kind.
fn webhook(sink: &tenant::Sink) -> Option<&tenant::WebhookSink> {
    match &sink.target {
        Target::Webhook(webhook) => Some(webhook),
        _ => None,
    }
}

fn budget(job: &Job) -> Duration {
    webhook(&job.sink).map_or(Duration::ZERO, |endpoint| endpoint.timeout).saturating_add(OVERHEAD)
}

impl<S: Secrets> WebhookSink<S> {
    /// The sink with an HTTP client of its own, which calls what `egress` allows and trusts `authorities`.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(
        secrets: S,
        egress: Egress,
        authorities: Authorities,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        Ok(Self { secrets, caller: Caller::new(egress, authorities, Arc::clone(&clock))?, egress, clock })
    }

    async fn attempt(&self, job: &Job, senders: &Senders) -> Result<Receipt, Cause> {
        let endpoint = webhook(&job.sink).ok_or(Cause::SinkUnknown)?;
        egress::check_literal(self.egress, &endpoint.url)?;
        let sender = senders.get(&job.sink.id).ok_or(Cause::SinkUnknown)?.as_ref().map_err(Cause::clone)?;
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
        // What is decided does not wait for a body that never ends. Its connection is closed then, and the next request
        // makes another.
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
