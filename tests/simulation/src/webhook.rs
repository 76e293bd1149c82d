//! A webhook sink without HTTP: it serves what the real one serves, and its endpoints go well or not as the world wants.

use std::pin::pin;
use std::time::Duration;

use acequia_core::config::{SinkKind, Target};
use acequia_core::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::port::Clock as _;
use acequia_lambda::{Attempted, Batch, Job, Sink, Work, each};
use futures::FutureExt as _;
use futures::future::{Either, select};

use crate::history::StoryKey;
use crate::peril::Instance;

/// What an attempt takes beside the request, as in the real sink.
const OVERHEAD: Duration = Duration::from_secs(2);

/// The sink.
#[derive(Debug, Clone)]
pub struct SimulatedWebhook(pub Instance);

impl Sink for SimulatedWebhook {
    const KIND: SinkKind = SinkKind::Webhook;

    async fn deliver(&self, batch: Batch<'_>, jobs: &[Job]) -> Vec<Attempted> {
        let clock = self.0.clock();
        let mut work: Vec<Work<'_>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            let Target::Webhook(endpoint) = &job.sink.target else { continue };
            let lane = job.sink.id.as_str();
            work.push((lane, endpoint.timeout.saturating_add(OVERHEAD), self.attempt(job, endpoint.timeout).boxed()));
        }
        each(&*clock, batch.deadline, 16, work).await
    }
}

impl SimulatedWebhook {
    async fn attempt(&self, job: &Job, timeout: Duration) -> Result<Receipt, Cause> {
        let Some((event, key)) = self.recognise(job) else { return Err(Cause::SinkUnknown) };
        if self.0.world.lock().history.kills(event, true) {
            self.0.die(event).await;
        }
        self.0.world.lock().history.attempt(self.0.invocation(), key, true);
        let answer = match select(pin!(self.request(event, key)), self.0.world.clock.sleep(timeout)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), _)) => Err(Cause::Timeout(timeout)),
        };
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
        if answer.as_ref().is_err_and(Cause::spends_attempt) {
            history.fail(who, key);
        } else {
            history.spare(who, key);
        }
        history.note(who, format_args!("webhook {key:?}, attempt {}: {answer:?}", job.attempt));
        answer
    }

    fn recognise(&self, job: &Job) -> Option<(usize, StoryKey)> {
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
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
        let status = |code| Err(Cause::Status { code, retry_after: None });
        let Some(call) = self.0.call("webhook request").await else {
            return Err(Cause::Connection("no connection could be made"));
        };
        {
            let state = &mut *self.0.world.lock();
            let unwell = state.dice.happens(state.weather.unwell);
            if unwell || state.is_out(key) {
                return status(*state.dice.pick(&[500, 503, 503, 429, 404]).unwrap_or(&503));
            }
            state.history.effect(self.0.invocation(), key, event);
        }
        if self.0.end(&call).await {
            Ok(Receipt { id: None, status: Some(200) })
        } else {
            Err(Cause::Connection("the connection broke before an answer came"))
        }
    }
}
