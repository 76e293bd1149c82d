//! The end of a walk through a dead-letter queue: when the invocation's time is.

use std::time::Duration;

use acequia_core::flow::redrive::Observer;
use acequia_core::id::TenantId;
use acequia_core::port::Clock;
use acequia_lambda::Deadline;

/// Ends a run while so much of the invocation is left.
pub(crate) struct Until<'a> {
    pub(crate) deadline: Deadline,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) spare: Duration,
    pub(crate) tenant: &'a TenantId,
}

impl Observer for Until<'_> {
    fn dealt(&self, _: u64) {}

    fn trouble(&self, text: &str) {
        tracing::warn!(tenant.id = %self.tenant, error = text, "a dead letter is not dealt with in full");
    }

    fn ends(&self) -> bool {
        self.deadline.for_effects(self.clock) < self.spare
    }
}
