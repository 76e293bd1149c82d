//! `acequia dlq`: what is in the dead-letter queues, moving it back, and deleting it.

mod list;
mod progress;
mod purge;
mod redrive;
mod show;

use acequia_core::delivery::redrive::{Filter, Letter, Received};
use acequia_core::flow::redrive::{Walked, walk};
use acequia_core::id::TenantId;
use acequia_core::port::{DeadLetters, StageQueues as _, Unavailable};
use acequia_core::queue::{Depth, QueueArn, QueueName};
use futures::future::{join_all, try_join_all};

use self::progress::Progress;
use crate::args::{DlqCommand, DlqPlace};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Report, count, note};

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
        self.depth.total()
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
    let depths = try_join_all(queues.iter().map(|(_, queue)| operator.depth(queue))).await?;
    let place = |((name, queue), depth)| Place { name, queue, depth };
    Ok(queues.into_iter().zip(depths).map(place).collect())
}

/// What a walk through one dead-letter queue found.
struct Found<'a, T> {
    place: &'a Place,
    walked: Walked,
    letters: Vec<T>,
}

/// Looks into all of the queues at once, also into those that look empty: SQS's depths are estimates, in which a letter of the last minute
/// may be missing. Of each queue at most so many letters are taken, and of each what `keep` makes of it.
async fn look<'a, T>(
    operator: &impl DeadLetters,
    places: &'a [Place],
    filter: &Filter,
    limit: usize,
    watch: &Progress,
    keep: impl Fn(&'a Place, Received, Letter) -> T,
) -> Result<Vec<Found<'a, T>>, Failure> {
    let keep = &keep;
    let total: u64 = places.iter().map(Place::total).sum();
    if total > SOME {
        let queues = count(places.len(), "dead-letter queue", "dead-letter queues");
        note(&format!("looking at about {total} messages in {queues}"));
    }
    let walks = places.iter().map(async |place| {
        let mut letters = Vec::new();
        let take = |one: Received, letter: Letter| {
            letters.push(keep(place, one, letter));
            letters.len() < limit
        };
        let walked = walk(operator, &place.queue, place.total(), filter, watch, take).await?;
        Ok::<_, Unavailable>(Found { place, walked, letters })
    });
    // All of them end, so that none leaves messages hidden.
    let found = join_all(walks).await.into_iter().collect::<Result<Vec<_>, _>>();
    watch.finish();
    let found = found?;
    for hidden in found.iter().filter(|found| !found.walked.shown) {
        note(&format!(
            "note: looking hides messages; some of {} can be received again only in a while",
            hidden.place.name
        ));
    }
    Ok(found)
}

/// The same places, with what lies in queues that look empty.
async fn looked_into(operator: &impl DeadLetters, mut places: Vec<Place>) -> Result<Vec<Place>, Failure> {
    let watch = Progress::new(0);
    let empty = places.iter_mut().filter(|place| place.total() == 0);
    let looks = empty.map(async |place| {
        let walked = walk(operator, &place.queue, 0, &Filter::default(), &watch, |_, _| true).await?;
        place.depth.visible = walked.seen;
        Ok::<_, Unavailable>(())
    });
    let looked: Result<Vec<()>, _> = join_all(looks).await.into_iter().collect();
    looked?;
    unless_stopped(&watch)?;
    Ok(places)
}

/// Ends a command that only looked so far.
fn unless_stopped(watch: &Progress) -> Result<(), Failure> {
    let so_far = || format!("it looked at {}, and changed nothing", count(watch.so_far(), "message", "messages"));
    watch.stopped().map_or(Ok(()), |exit| Err(Failure::Stopped { exit, so_far: so_far() }))
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
async fn count_taken(
    operator: &impl DeadLetters,
    places: &[Place],
    filter: &Filter,
    limit: Option<u64>,
) -> Result<Count, Failure> {
    let watch = Progress::new(places.iter().map(Place::total).sum());
    let mut count = Count { taken: 0, exact: true };
    let walks = places.iter().map(|place| walk(operator, &place.queue, place.total(), filter, &watch, |_, _| true));
    let walks: Result<Vec<Walked>, Unavailable> = join_all(walks).await.into_iter().collect();
    watch.finish();
    for (place, walked) in places.iter().zip(walks?) {
        count.taken += walked.taken;
        count.exact &= is_exact(place, walked);
        if !walked.shown {
            note("note: some messages could not be made visible again; they come back by themselves");
        }
    }
    unless_stopped(&watch)?;
    count.taken = limit.map_or(count.taken, |limit| limit.min(count.taken));
    Ok(count)
}

fn is_exact(place: &Place, walked: Walked) -> bool {
    walked.to_the_end && place.depth.in_flight == 0 && walked.seen >= place.depth.visible
}

/// What is said where there is nothing to do.
fn nothing(tenant: &TenantId, filter: &Filter, places: &[Place]) -> String {
    let hidden: u64 = places.iter().map(|place| place.depth.in_flight).sum();
    let mut text = if filter.takes_all() {
        format!("{tenant} has no dead letters")
    } else {
        format!("{tenant} has no dead letters that the filter takes")
    };
    if hidden > 0 {
        text = format!(
            "{text} that can be seen: {} hidden for the moment, since somebody looks at them or moves them",
            count(hidden, "is", "are")
        );
    }
    text + "."
}

/// What a filter asks for, in words; empty where it takes everything.
fn in_words(filter: &Filter) -> String {
    let Filter { sink, reason, types, since, until, event, letters } = filter;
    let parts = [
        sink.as_ref().map(|sink| format!("to {sink}")),
        reason.as_ref().map(|reason| format!("with the reason {reason}")),
        types.as_ref().map(|rule| format!("of type {rule}")),
        event.as_ref().map(|event| format!("of event {event}")),
        letters.as_ref().map(|ids| format!("with the {}", count(ids.len(), "id given", "ids given"))),
        since.map(|since| format!("from {since} on")),
        until.map(|until| format!("before {until}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Which messages a question is about: `those to crm, out of 3 of intake, 5 of webhook`.
fn meant(filter: &Filter, places: &[Place]) -> String {
    let all = contents(places);
    if filter.takes_all() { all } else { format!("those {}, out of {all}", in_words(filter)) }
}

/// So many messages take a while to look at.
const SOME: u64 = 100;

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
        let letter = acequia_core::wire::quarantined(&before, Reason::NotJson, "no JSON", 0, build::start()).unwrap();
        assert!(queues.send(&places[0].queue, &[letter]).await.iter().all(Result::is_ok));
        let counted = count_taken(&queues, &places, &Filter::default(), None).await.unwrap();
        assert_eq!(counted, Count { taken: 1, exact: true });
        let places = looked_into(&queues, places).await.unwrap();
        assert_eq!((places[0].total(), contents(&places)), (1, "1 of intake".to_owned()));
    }

    #[test]
    fn a_question_says_which_messages_are_meant_with_the_times_as_they_were_understood() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake).dead_letter();
        let depth = Depth { visible: 3, in_flight: 1, not_yet_visible: 0 };
        let places = [Place { queue: build::named_queue(&name), name, depth }];
        let filter = Filter {
            sink: Some(build::sink_id("crm")),
            since: Some(build::start()),
            letters: Some(["m-1".to_owned()].into()),
            ..Filter::default()
        };
        let asked = meant(&filter, &places);
        assert_eq!(asked, "those to crm, with the 1 id given, from 2026-01-01T00:00:00Z on, out of 4 of intake");
        assert_eq!(meant(&Filter::default(), &places), "4 of intake");
        let tenant = build::tenant_id("acme");
        assert_eq!(nothing(&tenant, &Filter::default(), &[]), "acme has no dead letters.");
        let text = nothing(&tenant, &filter, &places);
        assert!(
            text.starts_with("acme has no dead letters that the filter takes that can be seen: 1 is hidden"),
            "{text}"
        );
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
        assert_eq!(contents(&[place(5, 1), place(0, 0)]), "6 of out");
    }
}
