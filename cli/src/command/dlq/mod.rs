//! `acequia dlq`: what is in the dead-letter queues, moving it back, and deleting it.

mod list;
mod progress;
mod purge;
mod redrive;
mod show;

use acequia_aws::operator::Depth;
use acequia_core::id::TenantId;
use acequia_core::queue::{QueueArn, QueueName};
use acequia_core::redrive::{DeadLetters, Filter, Walked, walk};

use self::progress::Progress;
use crate::args::{DlqCommand, DlqPlace};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::Report;

pub(super) async fn run(context: &Context, command: &DlqCommand) -> Result<Report, Failure> {
    match command {
        DlqCommand::List { tenant, filter, limit } => list::run(context, tenant, filter, *limit).await,
        DlqCommand::Show(show) => show::run(context, show).await,
        DlqCommand::Redrive(redrive) => redrive::run(context, redrive).await,
        DlqCommand::Purge(purge) => purge::run(context, purge).await,
    }
}

/// One dead-letter queue, and how deep it was when the command began.
struct Place {
    name: QueueName,
    queue: QueueArn,
    depth: Depth,
}

impl Place {
    /// All messages, hidden ones too.
    fn total(&self) -> u64 {
        self.depth.visible + self.depth.in_flight + self.depth.delayed
    }

    /// The queue in front of it.
    fn source(&self) -> QueueArn {
        self.queue.beside(&QueueName { dlq: false, ..self.name.clone() })
    }
}

/// The dead-letter queues of a tenant that are asked for, of which there must be one.
async fn places(context: &Context, tenant: &TenantId, wanted: &DlqPlace) -> Result<Vec<Place>, Failure> {
    let mut queues = context.queues_of(tenant).await?;
    queues.retain(|(name, _)| name.dlq && wanted.queue.is_none_or(|role| name.role == role));
    if queues.is_empty() {
        let role = wanted.queue.map(|role| format!(" of {role}")).unwrap_or_default();
        return Err(Failure::NotFound(format!(
            "tenant {tenant} has no dead-letter queue{role}: see acequia status {tenant}"
        )));
    }
    let operator = context.operator();
    let mut places = Vec::with_capacity(queues.len());
    for (name, queue) in queues {
        let depth = operator.depth(&queue).await?;
        places.push(Place { name, queue, depth });
    }
    Ok(places)
}

/// The same, with what lies in queues that look empty: SQS's depths are estimates, in which a letter of the last minute may be missing.
async fn looked_into(operator: &impl DeadLetters, mut places: Vec<Place>) -> Result<Vec<Place>, Failure> {
    let watch = Progress::new(0);
    for place in places.iter_mut().filter(|place| place.total() == 0) {
        let walked = walk(operator, &place.queue, 0, &Filter::default(), &watch, |_, _| true).await?;
        place.depth.visible = walked.seen;
    }
    watch.finish();
    Ok(places)
}

/// The queues that hold something, with how much: `3 of intake, 5 of webhook`.
fn contents(places: &[Place]) -> String {
    let filled = places.iter().filter(|place| place.total() > 0);
    filled.map(|place| format!("{} of {}", place.total(), place.name.role)).collect::<Vec<_>>().join(", ")
}

/// What a dry run counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    taken: u64,
    /// Whether nothing can have been missed.
    exact: bool,
}

/// Counts what a filter takes: each message once, and visible again afterwards.
async fn count(
    operator: &impl DeadLetters,
    places: &[Place],
    filter: &Filter,
    limit: Option<u64>,
) -> Result<Count, Failure> {
    let watch = Progress::new(places.iter().map(Place::total).sum());
    let mut count = Count { taken: 0, exact: true };
    // Those that look empty too: SQS estimates depths, and a letter may have come in the last minute.
    for place in places {
        let walked = walk(operator, &place.queue, place.total(), filter, &watch, |_, _| true).await?;
        count.taken += walked.taken;
        count.exact &= is_exact(place, walked);
        if !walked.shown {
            watch.say("note: some messages could not be made visible again; they come back by themselves");
        }
    }
    watch.finish();
    count.taken = limit.map_or(count.taken, |limit| limit.min(count.taken));
    Ok(count)
}

fn is_exact(place: &Place, walked: Walked) -> bool {
    walked.to_the_end && place.depth.in_flight == 0 && walked.seen >= place.depth.visible
}

/// What is said where there is nothing to do.
const EMPTY: &str = "the dead-letter queues are empty.";

/// What a count that is not exact means.
const INEXACT: &str =
    "\nNot exact: some messages were hidden (by another command, or behind others of their group in a FIFO queue).";

#[cfg(test)]
mod tests {
    use acequia_core::outcome::Reason;
    use acequia_core::port::Queues as _;
    use acequia_core::queue::QueueRole;
    use acequia_testkit::{FixedClock, InMemoryQueues, build};

    use super::*;

    #[tokio::test]
    async fn a_letter_that_the_depth_does_not_show_yet_is_counted() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake).dead_letter();
        let places = vec![Place { queue: build::named_queue(&name), name, depth: Depth::default() }];
        let queues = InMemoryQueues::new(FixedClock::default());
        let before = build::incoming(&places[0].source(), "m-1", "no event");
        let letter =
            acequia_core::delivery::quarantined(&before, Reason::NotJson, "no JSON", 0, build::start()).unwrap();
        assert!(queues.send(&places[0].queue, &[letter]).await.iter().all(Result::is_ok));
        let counted = count(&queues, &places, &Filter::default(), None).await.unwrap();
        assert_eq!(counted, Count { taken: 1, exact: true });
        let places = looked_into(&queues, places).await.unwrap();
        assert_eq!((places[0].total(), contents(&places)), (1, "1 of intake".to_owned()));
    }

    #[test]
    fn a_count_is_exact_where_nothing_was_hidden_and_all_was_seen() {
        let name =
            QueueName { fifo: true, ..QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Out) };
        let place = |visible, in_flight| Place {
            name: name.dead_letter(),
            queue: build::named_queue(&name.dead_letter()),
            depth: Depth { visible, in_flight, delayed: 0 },
        };
        let walked = Walked { seen: 5, taken: 2, to_the_end: true, shown: true };
        assert!(is_exact(&place(5, 0), walked));
        assert!(!is_exact(&place(6, 0), walked) && !is_exact(&place(5, 1), walked));
        assert!(!is_exact(&place(5, 0), Walked { to_the_end: false, ..walked }));
        assert_eq!(place(5, 0).source(), build::named_queue(&name));
        assert_eq!(contents(&[place(5, 1), place(0, 0)]), "6 of out");
    }
}
