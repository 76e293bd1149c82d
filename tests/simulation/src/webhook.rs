//! A webhook sink without HTTP: it serves what the real one serves, and its endpoints go well or not as the world wants.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::outcome::connection::ConnectionFailure;
use acequia_core::tenant::Target;
use acequia_lambda::{Attempted, Batch, Job, Sink, Work, each, within};
use acequia_testkit::SeededChance;
use futures::FutureExt as _;
use webhook::breakers::Breakers;

use crate::history::StoryKey;
use crate::mutation::Mutation;
use crate::peril::Instance;
use crate::port::Perilous;

/// What an attempt takes beside the request, as in the real sink.
const OVERHEAD: Duration = Duration::from_secs(2);

/// The sink, with the real breakers.
pub struct SimulatedWebhook {
    instance: Instance,
    breakers: Breakers<Perilous, Perilous>,
}

impl Sink for SimulatedWebhook {
    const KIND: SinkKind = SinkKind::Webhook;

    async fn deliver(&self, batch: Batch<'_>, jobs: &[Job]) -> Vec<Attempted> {
        let clock = self.instance.clock();
        let tenant = &batch.current.tenant.summary.id;
        let mut passes = self.breakers.ask(tenant, jobs).await;
        let mut work: Vec<Work<'_>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            let Target::Webhook(endpoint) = &job.sink.target else { continue };
            let (lane, bar) = (job.sink.id.as_str(), passes.bar(&job.sink.id));
            let attempt = self.attempt(job, bar, endpoint.timeout).boxed();
            work.push((lane, endpoint.timeout.saturating_add(OVERHEAD), attempt));
        }
        let attempts = each(&*clock, batch.deadline, 16, work).await;
        self.breakers.tell(tenant, jobs, &attempts, &passes).await;
        attempts
    }
}

impl SimulatedWebhook {
    /// The sink of one instance.
    pub fn new(instance: &Instance, seed: u64) -> Self {
        let (ports, chance) = (|| Perilous(instance.clone()), Arc::new(SeededChance::new(seed)));
        Self { instance: instance.clone(), breakers: Breakers::new(ports(), ports(), instance.clock(), chance) }
    }

    async fn attempt(&self, job: &Job, bar: Option<Cause>, timeout: Duration) -> Result<Receipt, Cause> {
        if let Some(cause) = bar {
            return Err(cause);
        }
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
