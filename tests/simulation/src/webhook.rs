//! A webhook sink without HTTP: it serves what the real one serves, and its endpoints go well or not as the world
//! wants.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::outcome::connection::ConnectionFailure;
use acequia_core::port::Clock as _;
use acequia_core::tenant::{self, Target};
use acequia_lambda::{Batch, Course, Endpoint, Job, Sink, Work, each, within};
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
    /// How many requests are under way, by sink.
    pub under_way: UnderWay,
}

/// How many requests of an instance are under way, by sink.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<BTreeMap<Whose, usize>>>);

/// A sink of a tenant.
type Whose = (TenantId, SinkId);

impl UnderWay {
    /// One more, until what is answered is dropped; and how many those are.
    fn enter(&self, whose: Whose) -> (usize, Entered) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(whose.clone()).or_default();
        *count += 1;
        (*count, Entered(self.clone(), whose))
    }
}

/// A request that is under way.
struct Entered(UnderWay, Whose);

impl Drop for Entered {
    fn drop(&mut self) {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.1) {
            *count -= 1;
        }
    }
}

impl Sink for SimulatedWebhook {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    fn endpoint(sink: &tenant::Sink) -> Option<Endpoint<'_>> {
        <webhook::WebhookSink<InMemorySecrets> as Sink>::endpoint(sink)
    }

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<tenant::Sink>]) {}

    async fn deliver(&self, _: Batch<'_>, (): &(), course: &Course<'_>) {
        let mut work: Vec<Work<'_>> = Vec::with_capacity(course.jobs().len());
        for job in course.jobs() {
            let Target::Webhook(endpoint) = &job.sink.target else { continue };
            let attempt = self.attempt(job, endpoint.timeout).boxed();
            work.push((endpoint.timeout.saturating_add(OVERHEAD), attempt));
        }
        each(course, work).await;
    }
}

impl SimulatedWebhook {
    async fn attempt(&self, job: &Job, timeout: Duration) -> Result<Receipt, Cause> {
        let Some((event, key)) = self.recognise(job) else { return Err(Cause::SinkUnknown) };
        if self.instance.world.lock().history.kills(event, true) {
            self.instance.die(event).await;
        }
        let (count, _entered) = self.under_way.enter((job.delivery.envelope.tenant.clone(), job.sink.id.clone()));
        let narrow = self.narrow(job);
        {
            let history = &mut self.instance.world.lock().history;
            history.attempt(self.instance.invocation(), key, true);
            if let Some((most, _)) = narrow.filter(|(most, _)| count > *most) {
                history.report(
                    self.instance.invocation(),
                    format_args!("{} has {count} requests at once, and its concurrency is {most}", job.sink.id),
                );
            }
        }
        if let Some((_, takes)) = narrow {
            self.instance.world.clock.sleep(takes).await;
        }
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

    fn narrow(&self, job: &Job) -> Option<(usize, Duration)> {
        let tenant = &job.delivery.envelope.tenant;
        let tenants = &self.instance.world.lock().history.scenario.tenants;
        tenants.iter().find(|plan| plan.id == *tenant)?.narrow(&job.sink.id)
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
