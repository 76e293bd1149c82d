//! Moving dead letters back to the queues they came from, without what quarantining added to them.
//!
//! How a run that is killed neither loses nor doubles a message is in [`acequia_core::delivery::redrive`].

use acequia_core::delivery::redrive::Filter;
use acequia_core::flow::redrive::{Observer, Redriven, Way, redrive};
use acequia_core::id::TenantId;
use acequia_core::queue::QueueName;
use serde::Serialize;

pub use acequia_core::flow::redrive::Order;

use super::count::count_taken;
use super::{Broken, Place};
use crate::{OperationError, Ports};

/// What a redrive came to, in messages.
#[derive(Debug, Default, Serialize)]
pub struct Redrive {
    /// Sent by this run, and deleted.
    pub moved: u64,
    /// Not sent, and left where they are.
    pub failed: u64,
    /// Left in the dead-letter queues, as far as is known.
    pub remaining: u64,
    /// Sent by a run before this one, and only deleted.
    pub finished: u64,
    /// Left where they are, because a run that was stopped may have sent them.
    pub unsure: u64,
    /// Whether it ended before its end.
    pub stopped: bool,
    /// Why it did, where a service did not answer.
    #[serde(skip)]
    pub broken: Option<Broken>,
}

/// What a redrive would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedrivePreview {
    /// None: nothing was done.
    pub moved: u64,
    /// None.
    pub failed: u64,
    /// What is in the dead-letter queues.
    pub remaining: u64,
    /// What would be moved.
    pub would_move: u64,
    /// Whether that can have missed nothing.
    pub exact: bool,
    /// The queues of which some messages could not be shown again.
    #[serde(skip)]
    pub hidden_in: Vec<QueueName>,
}

/// Counts what would be moved, and moves nothing.
///
/// # Errors
/// [`OperationError::Ended`] where the observer ended it, or when messages cannot be received.
pub async fn preview(
    ports: &impl Ports,
    places: &[Place],
    filter: &Filter,
    limit: Option<u64>,
    watch: &impl Observer,
) -> Result<RedrivePreview, OperationError> {
    let count = count_taken(ports, places, filter, limit, watch).await?;
    let (would_move, remaining) = (count.taken, count.total);
    Ok(RedrivePreview { moved: 0, failed: 0, remaining, would_move, exact: count.exact, hidden_in: count.hidden_in })
}

/// Moves messages back, queue by queue. Stopped on the way, it can be run again.
///
/// # Errors
/// When a service does not answer before anything was moved; afterwards that is told in the report.
pub async fn run(
    ports: &impl Ports,
    tenant: &TenantId,
    places: &[Place],
    mut order: Order,
    watch: &impl Observer,
) -> Result<Redrive, OperationError> {
    let (queues, journal, ledger, clock) = (ports.dead_letters(), ports.journal(), ports.ledger(), ports.clock());
    let mut sums = Redrive { remaining: places.iter().map(Place::total).sum(), ..Redrive::default() };
    for place in places.iter().filter(|place| place.total() > 0) {
        let way = Way {
            tenant: tenant.clone(),
            dead_letters: place.queue.clone(),
            source: place.source(),
            depth: place.total(),
        };
        let redriven = redrive((&queues, &journal, &ledger, &clock), &way, &order, watch).await;
        order.limit = order.limit.map(|limit| limit.saturating_sub(redriven.moved));
        sums.add(&redriven);
        if let Some(error) = redriven.broken {
            if sums.moved + sums.finished == 0 {
                return Err(error.into());
            }
            (sums.stopped, sums.broken) = (true, Some(Broken { role: place.name.role, error }));
            break;
        }
    }
    sums.stopped |= watch.ends();
    Ok(sums)
}

impl Redrive {
    /// Whether all that was asked for is done.
    pub fn is_done(&self) -> bool {
        self.failed == 0 && self.unsure == 0 && !self.stopped
    }

    fn add(&mut self, run: &Redriven) {
        self.moved += run.moved;
        self.failed += run.failed;
        self.finished += run.finished;
        self.unsure += run.unsure;
        self.remaining = self.remaining.saturating_sub(run.moved + run.finished);
    }
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::super::places;
    use super::super::tests::{Ended, Unwatched, world};
    use super::*;

    fn order(limit: Option<u64>) -> Order {
        Order { limit, run: "run-1".to_owned(), ..Order::default() }
    }

    #[tokio::test]
    async fn messages_are_moved_back_up_to_the_limit_and_the_report_counts_them() {
        let (world, name) = world(3).await;
        let tenant = build::tenant_id("acme");
        let found = places(&world, &tenant, None).await.unwrap();
        let preview = preview(&world, &found, &Filter::default(), Some(2), &Unwatched).await.unwrap();
        assert_eq!(
            serde_json::to_value(preview).unwrap(),
            serde_json::json!({"moved": 0, "failed": 0, "remaining": 3, "would_move": 2, "exact": true})
        );
        let sums = run(&world, &tenant, &found, order(Some(2)), &Unwatched).await.unwrap();
        assert!(sums.is_done());
        assert_eq!(
            serde_json::to_value(sums).unwrap(),
            serde_json::json!({"moved": 2, "failed": 0, "remaining": 1, "finished": 0, "unsure": 0, "stopped": false})
        );
        assert_eq!(world.queues.depth(&build::named_queue(&name)).visible, 2);
        assert_eq!(world.queues.depth(&found[0].queue).visible, 1);
    }

    #[tokio::test]
    async fn a_run_that_is_ended_or_whose_messages_could_not_be_sent_is_not_done() {
        let (world, _) = world(2).await;
        let tenant = build::tenant_id("acme");
        let found = places(&world, &tenant, None).await.unwrap();
        let ended = run(&world, &tenant, &found, order(None), &Ended).await.unwrap();
        assert_eq!((ended.moved, ended.remaining, ended.stopped, ended.is_done()), (0, 2, true, false));
        world.queues.sends.go_down();
        let failed = run(&world, &tenant, &found, order(None), &Unwatched).await.unwrap();
        assert_eq!((failed.failed, failed.is_done()), (2, false));
        for part in [Redrive { unsure: 1, ..Redrive::default() }, Redrive { stopped: true, ..Redrive::default() }] {
            assert!(!part.is_done(), "{part:?}");
        }
    }

    #[tokio::test]
    async fn a_store_that_is_down_before_anything_is_moved_is_an_error_or_leaves_all_where_it_is() {
        let (world, name) = world(2).await;
        let tenant = build::tenant_id("acme");
        let found = places(&world, &tenant, None).await.unwrap();
        world.journal.begins.go_down();
        let answer = run(&world, &tenant, &found, order(None), &Unwatched).await;
        assert!(answer.map_or(true, |sums| !sums.is_done() && sums.moved == 0));
        assert_eq!(world.queues.depth(&build::named_queue(&name)).visible, 0);
        assert_eq!(world.queues.messages(&found[0].queue).len(), 2);
    }
}
