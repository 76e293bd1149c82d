//! What an acknowledged message must have come to.

use std::time::Duration;

use acequia_core::id::digest;
use acequia_testkit::build;

use crate::history::History;

impl History {
    /// A message that held this event was acknowledged: in a sink's queue, or (without a sink) in the intake queue.
    pub fn acknowledged(&mut self, who: u64, event: usize, sink: Option<&str>) {
        if self.delayed.contains(&(who, event, sink.map(str::to_owned))) {
            return;
        }
        let Some(sink) = sink else { return self.acknowledged_intake(who, event) };
        let Some(key) = self.story_of(event, sink) else { return };
        let plan = self.plan(key);
        let story = plan.as_ref().zip(self.stories.get(&key));
        // What expired is recorded as such, unless that could not be written. Another content of the same id may have
        // settled the delivery since.
        let digest = self.event(event).map(|event| digest(event.body.as_bytes())).unwrap_or_default();
        let noted = self.unsettled.contains(&key)
            || self.expired_unwritten.contains(&(key, digest.clone()))
            || story.is_some_and(|(_, story)| story.expired.contains(&digest));
        if noted && self.is_over(event, Duration::ZERO) {
            return;
        }
        if !story.is_some_and(|(plan, story)| story.is_safe(plan, event)) {
            self.report(
                who,
                format_args!(
                    "a message of event {event} to {sink} {key:?} was acknowledged without effect or dead letter"
                ),
            );
        }
    }

    fn acknowledged_intake(&mut self, who: u64, event: usize) {
        self.routed.insert(event);
        if self.dead.contains_key(&event) || self.versions_of(event).any(|version| self.is_routed_by(event, version)) {
            return;
        }
        self.report(who, format_args!("event {event} was acknowledged without all its deliveries"));
    }

    /// Returns the versions by which an event may have been routed so far: all since it was accepted, and the versions
    /// that an instance could still have in memory then (5 s, and its clock's skew).
    pub fn versions_of(&self, event: usize) -> impl Iterator<Item = usize> {
        let plan = self.event(event);
        let published = plan.and_then(|plan| self.published.get(plan.tenant)).map(Vec::as_slice).unwrap_or_default();
        let accepted = self.accepted.get(&event).copied().unwrap_or_else(build::start);
        let since = accepted.checked_sub(Duration::from_secs(10)).unwrap_or(accepted);
        let first = published.iter().rposition(|at| *at <= since).unwrap_or(0);
        first..published.len()
    }

    fn is_routed_by(&self, event: usize, version: usize) -> bool {
        let Some(plan) = self.event(event) else { return false };
        let tenant = self.scenario.tenants.get(plan.tenant);
        let sinks = tenant.and_then(|tenant| tenant.versions.get(version)).into_iter().flatten();
        sinks.enumerate().filter(|(_, sink)| sink.takes(plan)).all(|(place, _)| {
            self.stories.get(&(plan.identity, place)).is_some_and(|story| story.sent.contains_key(&event))
        })
    }
}
