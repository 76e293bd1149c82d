//! What is said of an event of which the ledger has nothing: all that may have become of it, with the command that
//! shows each.

use acequia_core::id::{EventId, Stage, TenantId};
use acequia_operations::paused::Paused;

use super::told;
use crate::failure::Failure;

/// What may have become of an event of which nothing is recorded.
pub(super) fn unknown(tenant: &TenantId, event: &EventId, stage: &Stage, paused: &[Paused]) -> Failure {
    let mut text = format!(
        "the ledger has nothing of event {event} of tenant {tenant} in stage {stage}. It may not have been routed yet \
         (acequia status {tenant}), wait for its first attempt: its sink is paused or has a rate (acequia tenant show {tenant}), its \
         endpoint is slow or has a concurrency, or the circuit of its endpoint is open (acequia status {tenant} shows the circuits, and how \
         much waits in the queues and delayed); be quarantined before it could be read (acequia dlq list {tenant} --queue intake; acequia dlq show \
         {tenant} --message MESSAGE shows one that is no readable event), or be older than 30 days. Where the tenant has \
         record = \"failures\", it may also have gone well"
    );
    for one in paused {
        text = format!("{text}. {}", told(one, tenant));
    }
    Failure::NotFound(text)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn of_an_event_that_is_not_recorded_all_that_may_hold_it_is_named_with_the_command_that_shows_it() {
        let failure = unknown(&build::tenant_id("acme"), &build::event_id("1"), &build::stage(), &[]);
        let Failure::NotFound(text) = failure else { panic!("{failure:?}") };
        for part in [
            "paused",
            "a rate",
            "a concurrency",
            "circuit",
            "acequia status acme",
            "acequia tenant show acme",
            "--queue intake",
            "acequia dlq show acme --message",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn a_paused_sink_is_named_there_too() {
        let unseen = [Paused { sink: build::sink_id("late"), delayed: None }];
        let failure = unknown(&build::tenant_id("acme"), &build::event_id("1"), &build::stage(), &unseen).to_string();
        assert!(
            failure.ends_with("late is paused, and its deliveries wait: acequia tenant resume acme late ends that"),
            "{failure}"
        );
    }
}
