//! Counting what a run would take, without taking it.

use acequia_core::delivery::redrive::Filter;
use acequia_core::flow::redrive::{Observer, Walked, walk};
use acequia_core::port::Unavailable;
use acequia_core::queue::QueueName;
use futures::future::join_all;

use super::Place;
use crate::{OperationError, Ports};

/// What a run would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    /// How many messages, of those that can be seen.
    pub(super) taken: u64,
    /// Whether nothing can have been missed.
    pub(super) exact: bool,
    /// How many there are in all, as far as is known.
    pub(super) total: u64,
    /// The queues of which some messages could not be shown again.
    pub(super) hidden_in: Vec<QueueName>,
}

/// Counts what a filter takes: each message once, and visible again afterwards.
pub(super) async fn count_taken(
    ports: &impl Ports,
    places: &[Place],
    filter: &Filter,
    limit: Option<u64>,
    watch: &impl Observer,
) -> Result<Count, OperationError> {
    let queues = ports.dead_letters();
    let walks = places.iter().map(|place| walk(&queues, &place.queue, place.total(), filter, watch, |_, _| true));
    let walks: Result<Vec<Walked>, Unavailable> = join_all(walks).await.into_iter().collect();
    let total = places.iter().map(Place::total).sum();
    let mut count = Count { taken: 0, exact: true, total, hidden_in: Vec::new() };
    for (place, walked) in places.iter().zip(walks?) {
        count.taken += walked.taken;
        count.exact &= is_exact(place, walked);
        if !walked.shown {
            count.hidden_in.push(place.name.clone());
        }
    }
    if watch.ends() {
        return Err(OperationError::Ended);
    }
    count.taken = limit.map_or(count.taken, |limit| limit.min(count.taken));
    count.total = count.total.max(count.taken);
    Ok(count)
}

fn is_exact(place: &Place, walked: Walked) -> bool {
    walked.to_the_end && place.depth.in_flight == 0 && walked.seen >= place.depth.visible
}

#[cfg(test)]
mod tests {
    use acequia_core::queue::{Depth, QueueRole};
    use acequia_testkit::build;

    use super::super::places;
    use super::super::tests::{Ended, Unwatched, world};
    use super::*;

    #[tokio::test]
    async fn a_letter_that_the_depth_does_not_show_yet_is_counted() {
        let (world, _) = world(1).await;
        let mut found = places(&world, &build::tenant_id("acme"), None).await.unwrap();
        found[0].depth = Depth::default();
        let counted = count_taken(&world, &found, &Filter::default(), None, &Unwatched).await.unwrap();
        assert_eq!(counted, Count { taken: 1, exact: true, total: 1, hidden_in: Vec::new() });
    }

    #[tokio::test]
    async fn what_is_meant_is_counted_up_to_the_limit_and_an_end_in_between_counts_nothing() {
        let (world, _) = world(3).await;
        let found = places(&world, &build::tenant_id("acme"), None).await.unwrap();
        let one = Filter { event: Some(build::event_id("1")), ..Filter::default() };
        for (filter, limit, taken) in [(Filter::default(), None, 3), (Filter::default(), Some(2), 2), (one, None, 1)] {
            let counted = count_taken(&world, &found, &filter, limit, &Unwatched).await.unwrap();
            assert_eq!((counted.taken, counted.total), (taken, 3));
        }
        let ended = count_taken(&world, &found, &Filter::default(), None, &Ended).await.unwrap_err();
        assert!(matches!(ended, OperationError::Ended), "{ended:?}");
    }

    #[test]
    fn a_count_is_exact_where_nothing_was_hidden_and_all_was_seen() {
        let name =
            QueueName { fifo: true, ..QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Out) };
        let place = |visible, in_flight| Place {
            name: name.dead_letter(),
            queue: build::named_queue(&name.dead_letter()),
            depth: Depth { visible, in_flight, not_yet_visible: 0 },
        };
        let walked = Walked { seen: 5, taken: 2, to_the_end: true, shown: true };
        assert!(is_exact(&place(5, 0), walked));
        assert!(!is_exact(&place(6, 0), walked) && !is_exact(&place(5, 1), walked));
        assert!(!is_exact(&place(5, 0), Walked { to_the_end: false, ..walked }));
        assert_eq!(place(5, 0).source(), build::named_queue(&name));
    }
}
