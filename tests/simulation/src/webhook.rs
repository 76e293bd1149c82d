//! A webhook sink without HTTP: it serves what the real one serves, and its endpoints go well or not as the world
//! wants.

use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::outcome::connection::ConnectionFailure;
use acequia_core::tenant::{self, Target};
use acequia_lambda::{Attempted, Batch, Endpoint, Job, Sink, Work, each, within};
use acequia_testkit::InMemorySecrets;
use futures::FutureExt as _;

use crate::history::StoryKey;
use crate::mutation::Mutation;
use crate::peril::Instance;

/// What an attempt takes beside the request, as in the real sink.
const OVERHEAD: Duration = Duration::from_secs(2);

/// The sink of one instance.
pub struct SimulatedWebhook {
    /// Where its calls pass.
    pub instance: Instance,
}

impl Sink for SimulatedWebhook {
    const KIND: SinkKind = SinkKind::Webhook;

    fn endpoint(sink: &tenant::Sink) -> Option<Endpoint<'_>> {
        <webhook::WebhookSink<InMemorySecrets> as Sink>::endpoint(sink)
    }

    async fn deliver(&self, batch: Batch<'_>, jobs: &[Job]) -> Vec<Attempted> {
        let clock = self.instance.clock();
        let mut work: Vec<Work<'_>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            let Target::Webhook(endpoint) = &job.sink.target else { continue };
            let attempt = self.attempt(job, endpoint.timeout).boxed();
            work.push((job.sink.id.as_str(), endpoint.timeout.saturating_add(OVERHEAD), attempt));
        }
        each(&*clock, batch.deadline, 16, work).await
    }
}

impl SimulatedWebhook {
    async fn attempt(&self, job: &Job, timeout: Duration) -> Result<Receipt, Cause> {
        let Some((event, key)) = self.recognise(job) else { return Err(Cause::SinkUnknown) };
        if self.instance.world.lock().history.kills(event, true) {
            self.instance.die(event).await;
        }
        self.instance.world.lock().history.attempt(self.instance.invocation(), key, true);
        let answer = within(&self.instance.world.clock, timeout, self.request(event, key)).await;
        let answer = answer.unwrap_or(Err(Cause::Timeout(timeout)));
        let who = self.instance.invocation();
        let history = &mut self.instance.world.lock().history;
        if answer.as_ref().is_err_and(Cause::spends_attempt) {
            history.fail(who, key);
        } else {
            history.spare(who, key);
        }
        history.note(who, format_args!("webhook {key:?}, attempt {}: {answer:?}", job.attempt));
        answer
    }

    fn recognise(&self, job: &Job) -> Option<(usize, StoryKey)> {
        let who = self.instance.invocation();
        let history = &mut self.instance.world.lock().history;
        let delivery = &job.delivery;
        let tenant = &delivery.envelope.tenant;
        let Target::Webhook(endpoint) = &job.sink.target else { return None };
        if endpoint.url.as_str() != format!("https://{tenant}.example/{}", delivery.sink) {
            history.report(who, format_args!("a request of {tenant} goes to {}", endpoint.url));
        }
        let event = history.event_of(who, tenant, &delivery.envelope.body)?;
        let key = history.delivery(who, &delivery.id, event)?;
        Some((event, key))
    }

    async fn request(&self, event: usize, key: StoryKey) -> Result<Receipt, Cause> {
        if self.instance.world.mutation == Some(Mutation::PanicInSink) {
            assert!(self.instance.world.lock().dice.below(5) > 0, "the webhook sink panics on purpose");
        }
        let status = |code| Err(Cause::Status { code, retry_after: None });
        let Some(call) = self.instance.call("webhook request").await else {
            return Err(Cause::Connection(ConnectionFailure::Refused));
        };
        {
            let state = &mut *self.instance.world.lock();
            let unwell = state.dice.happens(state.weather.unwell);
            if unwell || state.is_out(key) {
                return status(*state.dice.pick(&[500, 503, 404, 429, 422]).unwrap_or(&503));
            }
            state.history.effect(self.instance.invocation(), key, event);
        }
        if self.instance.end(&call).await {
            Ok(Receipt { id: None, status: Some(200) })
        } else {
            Err(Cause::Connection(ConnectionFailure::Reset))
        }
    }
}
