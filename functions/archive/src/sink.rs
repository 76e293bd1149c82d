//! Keeps the deliveries of a batch, an object for those that go together.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Archive, Clock};
use acequia_core::tenant;
use acequia_lambda::{Attempted, Batch, Course, Sink, within};

use crate::request::Group;
use crate::{classify, request};

/// What one object may take: the call's own attempts and time-outs end before.
const BUDGET: Duration = Duration::from_secs(16);

/// The sink, wired to its ports.
pub struct ArchiveSink<A> {
    /// The archive.
    pub archive: A,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl<A: Archive> Sink for ArchiveSink<A> {
    const KIND: SinkKind = SinkKind::Archive;
    /// Nothing.
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<tenant::Sink>]) {}

    async fn deliver(&self, batch: Batch<'_>, (): &(), course: &Course<'_>) {
        // One after the other: a batch has one object, or two where an hour ends in it.
        for group in request::groups(&batch.current.tenant.summary.id, course.jobs()) {
            self.keep(batch, &group, course).await;
        }
    }
}

impl<A: Archive> ArchiveSink<A> {
    /// Keeps an object, where there is time for it, and tells what came of each delivery in it.
    async fn keep(&self, batch: Batch<'_>, group: &Group<'_>, course: &Course<'_>) {
        let tell = |attempted: &Attempted| {
            for (place, _) in &group.members {
                course.tell(*place, attempted.clone());
            }
        };
        if batch.deadline.for_effects(&*self.clock) < BUDGET {
            return tell(&Attempted::not_begun(Cause::NoTime));
        }
        let content = match request::content(group, batch.current.version) {
            Ok(content) => content,
            Err(cause) => return tell(&Attempted::not_begun(cause)),
        };
        let begun = self.clock.now();
        let kept = within(&*self.clock, BUDGET, Box::pin(self.archive.keep(&group.key, content))).await;
        let ended = self.clock.now();
        let duration = Duration::try_from(ended.duration_since(begun)).unwrap_or_default();
        let result = kept.map_or(Err(Cause::StoreDown(Store::Archive)), |kept| classify::answer(&group.key, kept));
        tell(&Attempted { result, duration, ended_at: Some(ended), stages: None });
    }
}
