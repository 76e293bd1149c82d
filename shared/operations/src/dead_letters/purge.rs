//! Deleting dead letters for good.

use acequia_core::delivery::redrive::Filter;
use acequia_core::flow::redrive::{Observer, purge};
use acequia_core::queue::QueueName;
use serde::Serialize;

use super::count::count_taken;
use super::{Broken, Place};
use crate::{OperationError, Ports};

/// What a purge came to, in messages.
#[derive(Debug, Default, Serialize)]
pub struct Purge {
    /// Deleted.
    pub purged: u64,
    /// Not deleted, and still there.
    pub failed: u64,
    /// Left in the dead-letter queues, as far as is known.
    pub remaining: u64,
    /// Whether it ended before its end.
    pub stopped: bool,
    /// Why it did, where a service did not answer.
    #[serde(skip)]
    pub broken: Option<Broken>,
}

/// What a purge would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PurgePreview {
    /// None: nothing was done.
    pub purged: u64,
    /// None.
    pub failed: u64,
    /// What is in the dead-letter queues.
    pub remaining: u64,
    /// What would be deleted.
    pub would_purge: u64,
    /// Whether that can have missed nothing.
    pub exact: bool,
    /// The queues of which some messages could not be shown again.
    #[serde(skip)]
    pub hidden_in: Vec<QueueName>,
}

impl Purge {
    /// Whether all that was asked for is done.
    pub fn is_done(&self) -> bool {
        self.failed == 0 && !self.stopped
    }
}

/// Counts what would be deleted, and deletes nothing.
///
/// # Errors
/// [`OperationError::Ended`] where the observer ended it, or when messages cannot be received.
pub async fn preview(
    ports: &impl Ports,
    places: &[Place],
    filter: &Filter,
    limit: Option<u64>,
    watch: &impl Observer,
) -> Result<PurgePreview, OperationError> {
    let count = count_taken(ports, places, filter, limit, watch).await?;
    let (would_purge, remaining) = (count.taken, count.total);
    Ok(PurgePreview { purged: 0, failed: 0, remaining, would_purge, exact: count.exact, hidden_in: count.hidden_in })
}

/// Deletes what the filter takes, at most `limit`, queue by queue.
///
/// # Errors
/// When a service does not answer before anything was deleted; afterwards that is told in the report.
pub async fn run(
    ports: &impl Ports,
    places: &[Place],
    filter: &Filter,
    mut limit: Option<u64>,
    watch: &impl Observer,
) -> Result<Purge, OperationError> {
    let queues = ports.dead_letters();
    let mut sums = Purge { remaining: places.iter().map(Place::total).sum(), ..Purge::default() };
    for place in places.iter().filter(|place| place.total() > 0) {
        let purged = purge(&queues, &place.queue, place.total(), filter, limit, watch).await;
        limit = limit.map(|limit| limit.saturating_sub(purged.purged));
        sums.purged += purged.purged;
        sums.failed += purged.failed;
        sums.remaining = sums.remaining.saturating_sub(purged.purged);
        if let Some(error) = purged.broken {
            if sums.purged == 0 {
                return Err(error.into());
            }
            (sums.stopped, sums.broken) = (true, Some(Broken { role: place.name.role, error }));
            break;
        }
    }
    sums.stopped |= watch.ends();
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::super::places;
    use super::super::tests::{Ended, Unwatched, world};
    use super::*;

    #[tokio::test]
    async fn what_the_filter_takes_is_deleted_and_the_report_counts_it() {
        let (world, _) = world(3).await;
        let found = places(&world, &build::tenant_id("acme"), None).await.unwrap();
        let all = Filter::default();
        let preview = preview(&world, &found, &all, None, &Unwatched).await.unwrap();
        let wanted = serde_json::json!({"purged": 0, "failed": 0, "remaining": 3, "would_purge": 3, "exact": true});
        assert_eq!(serde_json::to_value(preview).unwrap(), wanted);
        let one = Filter { event: Some(build::event_id("1")), ..Filter::default() };
        let sums = run(&world, &found, &one, None, &Unwatched).await.unwrap();
        assert!(sums.is_done());
        let wanted = serde_json::json!({"purged": 1, "failed": 0, "remaining": 2, "stopped": false});
        assert_eq!(serde_json::to_value(sums).unwrap(), wanted);
        let sums = run(&world, &found, &all, Some(1), &Unwatched).await.unwrap();
        assert_eq!((sums.purged, world.queues.depth(&found[0].queue).visible), (1, 1));
    }

    #[tokio::test]
    async fn a_purge_that_is_ended_or_whose_messages_stay_is_not_done() {
        let (world, _) = world(2).await;
        let found = places(&world, &build::tenant_id("acme"), None).await.unwrap();
        let ended = run(&world, &found, &Filter::default(), None, &Ended).await.unwrap();
        assert_eq!((ended.purged, ended.stopped, ended.is_done()), (0, true, false));
        world.queues.deletes.go_down();
        let failed = run(&world, &found, &Filter::default(), None, &Unwatched).await.unwrap();
        assert_eq!((failed.failed, failed.remaining, failed.is_done()), (2, 2, false));
    }
}
