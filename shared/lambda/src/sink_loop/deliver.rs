//! The attempts of a batch, and what is done while they are under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use acequia_core::delivery::ledger::Record;
use acequia_core::id::SinkId;
use acequia_core::outcome::Cause;
use acequia_core::port::{Ledger as _, Ports};

use super::record::delivered_early;
use super::{Item, SinkLoop};
use crate::batch_loop::BatchItem as _;
use crate::breakers::Passes;
use crate::{Attempted, Batch, Course, Job, Sink, Surroundings, Timing, unwind};

impl<P: Ports, S: Sink> SinkLoop<P, S> {
    /// Attempts what is admitted, unless the sink could not get ready.
    pub(super) async fn deliver(
        &self,
        batch: Batch<'_>,
        items: &mut [Item],
        ready: Result<S::Ready, Cause>,
        passes: Option<&Passes>,
    ) {
        let (places, jobs) = jobs(items);
        if jobs.is_empty() {
            return;
        }
        let ready = match ready {
            Ok(ready) => ready,
            Err(panic) => {
                for item in items.iter_mut().filter(|item| item.is_open()) {
                    item.fail(panic.clone());
                }
                return;
            }
        };
        let around =
            Surroundings { clock: &*self.common.clock, chance: &*self.common.chance, deadline: batch.deadline };
        let course = Course::new(around, &batch.queue.name.tenant, &jobs, &self.widths)
            .bounded(bounds::<S>(&jobs))
            .watched(passes);
        let attempts = async {
            let ended = unwind(self.sink.deliver(batch, &ready, &course)).await;
            course.end();
            ended
        };
        let (ended, recorded) = futures::join!(attempts, self.keep_up(batch, (items, &places), &course, passes));
        let untold = ended.err().unwrap_or(Cause::Bug("the sink said nothing of this delivery"));
        for (place, answer) in places.iter().zip(course.into_answers()) {
            #[cfg(feature = "mutation")]
            let answer = answer.map(crate::mutation::without_rest);
            if let Some(item) = items.get_mut(*place) {
                // A sink that tells too little has a bug, and what it left out may or may not have happened.
                item.attempted = Some(answer.unwrap_or_else(|| Attempted::not_begun(untold.clone())));
            }
        }
        for place in recorded {
            if let Some(item) = items.get_mut(place) {
                item.recorded = true;
            }
        }
    }

    /// Records what was delivered while others are under way, so that a death repeats little; and opens circuits at
    /// once. Answers the places of the items that the ledger knows of.
    async fn keep_up(
        &self,
        batch: Batch<'_>,
        (items, places): (&[Item], &[usize]),
        course: &Course<'_>,
        passes: Option<&Passes>,
    ) -> Vec<usize> {
        let mut recorded = Vec::new();
        while let Some(news) = course.news().await {
            if let Some(passes) = passes.filter(|_| news.tripped) {
                self.tell_circuits(batch, passes).await;
            }
            #[cfg(feature = "mutation")]
            let news = if crate::mutation::records_ahead() && !news.made.is_empty() {
                crate::course::News { made: (0..places.len()).collect(), ..news }
            } else {
                news
            };
            recorded.extend(self.record_made(batch, (items, places), course, &news.made).await);
        }
        recorded
    }

    /// Records that these jobs were delivered; answers the places of the items of which that is written. What is not
    /// written is written at the end.
    async fn record_made(
        &self,
        batch: Batch<'_>,
        (items, places): (&[Item], &[usize]),
        course: &Course<'_>,
        made: &[usize],
    ) -> Vec<usize> {
        let timing = Timing { clock: &*self.common.clock, deadline: batch.deadline };
        let recording = batch.current.tenant.record;
        let (mut found, mut records) = (Vec::with_capacity(made.len()), Vec::with_capacity(made.len()));
        for job in made {
            let Some(place) = places.get(*job) else { continue };
            let Some(item) = items.get(*place) else { continue };
            let answer = course.answer(*job);
            #[cfg(feature = "mutation")]
            let answer = crate::mutation::ahead(answer);
            let record = delivered_early(item, answer, recording, timing.clock.now());
            // What another of the batch shares its id with is written at the end, in one piece.
            let is_alone = !items.iter().any(|other| other.rivals && other.delivery_id() == item.delivery_id());
            if let Some(record) = record.filter(|_| is_alone) {
                found.push(*place);
                records.push(Record::Delivery(Box::new(record)));
            }
        }
        if records.is_empty() {
            return found;
        }
        let written = timing.for_effects(self.common.ledger.write(&batch.queue.name.tenant, &records)).await;
        let written = written.unwrap_or_default();
        found.into_iter().zip(written).filter_map(|(place, answer)| answer.is_ok().then_some(place)).collect()
    }
}

/// The jobs of what is admitted, each with the place of its item.
fn jobs(items: &[Item]) -> (Vec<usize>, Vec<Job>) {
    let admitted = items.iter().enumerate().filter_map(|(place, item)| Some((place, item.admitted()?)));
    admitted
        .map(|(place, (delivery, sink, record))| {
            let attempt = record.attempts_used.saturating_add(1);
            (place, Job { delivery: Arc::clone(delivery), sink: Arc::clone(sink), attempt })
        })
        .unzip()
}

/// What tenants allow of their endpoints.
fn bounds<S: Sink>(jobs: &[Job]) -> BTreeMap<&SinkId, usize> {
    let bound = |job: &'_ Job| S::endpoint(&job.sink)?.concurrency;
    jobs.iter().filter_map(|job| Some((&job.sink.id, bound(job)?))).collect()
}
