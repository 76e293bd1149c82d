//! Dead letters: what is in the dead-letter queues, moving it back, and deleting it.
//!
//! A caller finds the [`places`] first, and says what it is about to do from how deep they are. Then it calls one of
//! [`list`], [`show`], [`redrive`] and [`purge`] with them, and with an [`Observer`] that sees how far it is and can
//! end it between two steps.
//!
//! Looking receives messages and shows them again. What could not be shown again, and comes back by itself in a while,
//! a report names by its queue (`hidden_in`).

mod count;
pub mod list;
pub mod purge;
pub mod redrive;
pub mod show;

use acequia_core::delivery::redrive::{Filter, Letter, Received};
use acequia_core::flow::redrive::{Walked, walk};
use acequia_core::id::TenantId;
use acequia_core::port::{StageQueues as _, Unavailable};
use acequia_core::queue::{Depth, QueueArn, QueueName, QueueRole};
use futures::future::{join_all, try_join_all};

pub use acequia_core::flow::redrive::Observer;

use crate::{OperationError, Ports, queues_of};

/// One dead-letter queue, and how deep it was when it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: QueueName,
    /// Its address.
    pub queue: QueueArn,
    /// How many messages it held.
    pub depth: Depth,
}

impl Place {
    /// All messages, hidden ones too.
    pub fn total(&self) -> u64 {
        self.depth.total()
    }

    /// The queue in front of it.
    pub fn source(&self) -> QueueArn {
        self.queue.beside(&QueueName { dlq: false, ..self.name.clone() })
    }
}

/// Why a run through several queues ended before its end.
#[derive(Debug)]
pub struct Broken {
    /// The queue at which it ended.
    pub role: QueueRole,
    /// What did not work.
    pub error: Unavailable,
}

/// The dead-letter queues of a tenant, of which there must be one; only the one behind a queue, where that is named.
///
/// # Errors
/// [`OperationError::NoDeadLetterQueue`] where there is none, and as [`queues_of`].
pub async fn places(
    ports: &impl Ports,
    tenant: &TenantId,
    role: Option<QueueRole>,
) -> Result<Vec<Place>, OperationError> {
    let mut queues = queues_of(ports, tenant).await?;
    queues.retain(|(name, _)| name.dlq && role.is_none_or(|role| name.role == role));
    if queues.is_empty() {
        return Err(OperationError::NoDeadLetterQueue { tenant: tenant.clone(), role });
    }
    let stage_queues = ports.stage_queues();
    let depths = try_join_all(queues.iter().map(|(_, queue)| stage_queues.depth(queue))).await?;
    let place = |((name, queue), depth)| Place { name, queue, depth };
    Ok(queues.into_iter().zip(depths).map(place).collect())
}

/// The same places, with what lies in queues that look empty: SQS's depths are estimates, in which a letter of the last
/// minute may be missing.
///
/// # Errors
/// When messages cannot be received.
pub async fn look_into_empty(
    ports: &impl Ports,
    mut places: Vec<Place>,
    watch: &impl Observer,
) -> Result<Vec<Place>, OperationError> {
    let queues = ports.dead_letters();
    let empty = places.iter_mut().filter(|place| place.total() == 0);
    let looks = empty.map(async |place| {
        let walked = walk(&queues, &place.queue, 0, &Filter::default(), watch, |_, _| true).await?;
        place.depth.visible = walked.seen;
        Ok::<_, Unavailable>(())
    });
    let looked: Result<Vec<()>, _> = join_all(looks).await.into_iter().collect();
    looked?;
    Ok(places)
}

/// What walks through dead-letter queues found.
struct Found<T> {
    letters: Vec<T>,
    hidden_in: Vec<QueueName>,
}

/// Looks into all of the queues at once, also into those that look empty. Of each queue at most so many letters are
/// taken, and of each what `keep` makes of it.
async fn look<'a, T>(
    ports: &impl Ports,
    places: &'a [Place],
    filter: &Filter,
    limit: usize,
    watch: &impl Observer,
    keep: impl Fn(&'a Place, Received, Letter) -> T,
) -> Result<Found<T>, OperationError> {
    let (queues, keep) = (ports.dead_letters(), &keep);
    let walks = places.iter().map(async |place| {
        let mut letters = Vec::new();
        let take = |one: Received, letter: Letter| {
            letters.push(keep(place, one, letter));
            letters.len() < limit
        };
        let walked = walk(&queues, &place.queue, place.total(), filter, watch, take).await?;
        Ok::<_, Unavailable>((place, walked, letters))
    });
    // All of them end, so that none leaves messages hidden.
    let walks: Result<Vec<(&Place, Walked, Vec<T>)>, _> = join_all(walks).await.into_iter().collect();
    let mut found = Found { letters: Vec::new(), hidden_in: Vec::new() };
    for (place, walked, letters) in walks? {
        if !walked.shown {
            found.hidden_in.push(place.name.clone());
        }
        found.letters.extend(letters);
    }
    Ok(found)
}

#[cfg(test)]
pub(crate) mod tests {
    use acequia_core::outcome::Reason;
    use acequia_core::port::Queues as _;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    /// Nobody watches, and nothing is ended.
    pub(crate) struct Unwatched;

    impl Observer for Unwatched {
        fn dealt(&self, _: u64) {}

        fn trouble(&self, _: &str) {}

        fn ends(&self) -> bool {
            false
        }
    }

    /// It is ended before its first step.
    pub(super) struct Ended;

    impl Observer for Ended {
        fn dealt(&self, _: u64) {}

        fn trouble(&self, _: &str) {}

        fn ends(&self) -> bool {
            true
        }
    }

    /// The intake of a tenant with its dead-letter queue, which holds so many letters.
    pub(super) async fn world(letters: usize) -> (World, QueueName) {
        let world = World::default();
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake);
        let queue = world.stage_queues.make(&name);
        let dead = world.stage_queues.make(&name.dead_letter());
        for n in 0..letters {
            let before = build::incoming(&queue, &format!("m-{n}"), build::body(&n.to_string(), "t", "{}"));
            let letter = acequia_core::wire::quarantined(&before, Reason::UnknownTenant, "none", 0, build::start());
            assert!(world.queues.send(&dead, &[letter.unwrap()]).await.iter().all(Result::is_ok));
        }
        (world, name)
    }

    #[tokio::test]
    async fn the_places_are_a_tenants_dead_letter_queues_or_the_one_that_is_named() {
        let (world, name) = world(2).await;
        let tenant = build::tenant_id("acme");
        let found = places(&world, &tenant, None).await.unwrap();
        assert_eq!((found.len(), &found[0].name, found[0].total()), (1, &name.dead_letter(), 2));
        assert_eq!(found[0].source(), build::named_queue(&name));
        assert_eq!(places(&world, &tenant, Some(QueueRole::Intake)).await.unwrap(), found);
        let missing = places(&world, &tenant, Some(QueueRole::Out)).await.unwrap_err();
        assert_eq!(missing.to_string(), "tenant acme has no dead-letter queue of out");
    }

    #[tokio::test]
    async fn a_letter_that_the_depth_does_not_show_yet_is_found_before_anything_is_asked() {
        let (world, _) = world(1).await;
        let mut found = places(&world, &build::tenant_id("acme"), None).await.unwrap();
        found[0].depth = Depth::default();
        let looked = look_into_empty(&world, found, &Unwatched).await.unwrap();
        assert_eq!(looked[0].total(), 1);
        assert_eq!(world.queues.depth(&looked[0].queue).visible, 1, "it can be received again");
    }
}
