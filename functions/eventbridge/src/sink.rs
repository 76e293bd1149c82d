//! Attempts deliveries to event buses, batched by the bus that they go to.
//!
//! A bus is filled only where the tenant's stack allows it, which is looked up once for a batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::id::TenantId;
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Clock, GrantStore};
use acequia_core::tenant::grant::Grants;
use acequia_core::tenant::{self, BusArn};
use acequia_lambda::{Attempted, Batch, Course, Job, Sink, within};
use futures::StreamExt as _;

use crate::bus::{Buses, Entry};
use crate::{classify, request};

/// What one call may take: the SDK's own attempts and time-outs end before.
const BUDGET: Duration = Duration::from_secs(15);
/// What the look-up of the grants may take.
const LOOK_UP: Duration = Duration::from_secs(2);
/// How many calls are under way at once.
const CALLS: usize = 10;

/// The sink, wired to its ports.
pub struct EventbridgeSink<B, G> {
    /// `EventBridge`.
    pub buses: B,
    /// What tenants' stacks allow: which buses each may fill.
    pub grants: G,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// One call: a bus, and entries with the places of their jobs.
type Call<'a> = (&'a BusArn, Vec<(usize, Entry<'a>)>);

impl<B: Buses, G: GrantStore> Sink for EventbridgeSink<B, G> {
    const KIND: SinkKind = SinkKind::Eventbridge;
    /// What the tenant's stack allows; nothing where it cannot be read.
    type Ready = Option<Grants>;

    async fn prepare(&self, batch: Batch<'_>, _: &[Arc<tenant::Sink>]) -> Option<Grants> {
        self.grants_of(&batch.current.tenant.summary.id).await
    }

    async fn shadow(&self, batch: Batch<'_>, grants: &Option<Grants>, job: &Job) -> Result<String, Cause> {
        let (bus, entry) = prepare(batch, job, grants.as_ref())?;
        Ok(format!("{} bytes of detail to {bus}", entry.detail.len()))
    }

    async fn deliver(&self, batch: Batch<'_>, grants: &Option<Grants>, course: &Course<'_>) {
        let mut by_bus: BTreeMap<&BusArn, Vec<(usize, Entry<'_>)>> = BTreeMap::new();
        for (place, job) in course.jobs().iter().enumerate() {
            match prepare(batch, job, grants.as_ref()) {
                Ok((bus, entry)) => by_bus.entry(bus).or_default().push((place, entry)),
                Err(cause) => course.tell(place, Attempted::not_begun(cause)),
            }
        }
        let calls: Vec<Call<'_>> = by_bus
            .into_iter()
            .flat_map(|(bus, entries)| request::calls(entries).into_iter().map(move |call| (bus, call)))
            .collect();
        let made: Vec<_> = calls.into_iter().map(|call| self.call(batch, call, course)).collect();
        futures::stream::iter(made).buffer_unordered(CALLS).collect::<()>().await;
    }
}

/// The bus and the entry of a job, where the tenant may fill that bus.
fn prepare<'a>(batch: Batch<'_>, job: &'a Job, grants: Option<&Grants>) -> Result<(&'a BusArn, Entry<'a>), Cause> {
    let bus = request::bus(job).ok_or(Cause::SinkUnknown)?;
    if !bus.shares_partition(&batch.queue.arn) {
        let refused = "the bus is in another partition of AWS, where this installation's credentials count for nothing";
        return Err(Cause::Rejected(refused.to_owned()));
    }
    grants.ok_or(Cause::StoreDown(Store::Secrets))?.check_target(bus)?;
    Ok((bus, request::entry(&job.delivery)?))
}

impl<B: Buses, G: GrantStore> EventbridgeSink<B, G> {
    /// Makes a call, where there is time for it, and tells what came of each entry.
    async fn call(&self, batch: Batch<'_>, (bus, entries): Call<'_>, course: &Course<'_>) {
        let (places, entries): (Vec<usize>, Vec<Entry<'_>>) = entries.into_iter().unzip();
        if batch.deadline.for_effects(&*self.clock) < BUDGET {
            for place in places {
                course.tell(place, Attempted::not_begun(Cause::NoTime));
            }
            return;
        }
        let begun = self.clock.now();
        let mut answers = self.buses.put(bus, &entries).await.into_iter();
        let ended = self.clock.now();
        let duration = Duration::try_from(ended.duration_since(begun)).unwrap_or_default();
        for place in places {
            let unanswered = || Err(Cause::Throttled("EventBridge said nothing of this entry".to_owned()));
            let result = answers.next().map_or_else(unanswered, classify::answer);
            course.tell(place, Attempted { result, duration, ended_at: Some(ended), stages: None });
        }
    }

    /// What the tenant's stack allows; `None` where it cannot be read in time.
    async fn grants_of(&self, tenant: &TenantId) -> Option<Grants> {
        let error = match within(&*self.clock, LOOK_UP, Box::pin(self.grants.grants(tenant))).await {
            Some(Ok(grants)) => return Some(grants),
            Some(Err(error)) => Some(error),
            None => None,
        };
        tracing::warn!(tenant.id = %tenant, error = ?error, "what the tenant's stack allows cannot be read: deliveries to event buses wait");
        None
    }
}
