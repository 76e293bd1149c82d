//! `acequia dlq`: what is in the dead-letter queues, moving it back, and deleting it.

mod list;
mod progress;
mod purge;
mod redrive;
mod show;

use acequia_core::delivery::redrive::Filter;
use acequia_core::id::TenantId;
use acequia_core::queue::QueueName;
use acequia_operations::OperationError;
use acequia_operations::dead_letters::{Broken, Place, look_into_empty};

pub(super) use self::progress::Progress;
use crate::args::DlqCommand;
use crate::context::Context;
use crate::failure::{Failure, describe};
use crate::output::{Report, count, note};

pub(super) async fn run(context: &Context, command: &DlqCommand) -> Result<Report, Failure> {
    match command {
        DlqCommand::List { tenant, filter, limit } => list::run(context, tenant, filter, *limit).await,
        DlqCommand::Show(show) => show::run(context, show).await,
        DlqCommand::Redrive(redrive) => redrive::run(context, redrive).await,
        DlqCommand::Purge(purge) => purge::run(context, purge).await,
    }
}

/// Says that a look takes a while, where it does.
fn announce(places: &[Place]) {
    let total: u64 = places.iter().map(Place::total).sum();
    if total > SOME {
        let queues = count(places.len(), "dead-letter queue", "dead-letter queues");
        note(&format!("looking at about {total} messages in {queues}"));
    }
}

/// Says where a look left messages hidden.
fn tell_hidden(hidden_in: &[QueueName]) {
    for name in hidden_in {
        note(&format!("note: looking hides messages; some of {name} can be received again only in a while"));
    }
}

/// Says where a run ended that a service did not answer.
fn tell_broken(broken: Option<&Broken>, watch: &Progress) {
    if let Some(Broken { role, error }) = broken {
        watch.say(&format!("{role}: {}", describe(error)));
    }
}

/// The same places, with what lies in queues that look empty.
async fn looked_into(context: &Context, places: Vec<Place>) -> Result<Vec<Place>, Failure> {
    let watch = Progress::new(0);
    let looked = look_into_empty(context, places, &watch).await;
    unless_stopped(&watch, looked)
}

/// The answer of what only looked, unless a signal ended it.
pub(super) fn unless_stopped<T>(watch: &Progress, answer: Result<T, OperationError>) -> Result<T, Failure> {
    watch.finish();
    match (watch.stopped(), answer) {
        (Some(exit), Ok(_) | Err(OperationError::Ended)) => {
            let so_far = format!("it looked at {}, and changed nothing", count(watch.so_far(), "message", "messages"));
            Err(Failure::Stopped { exit, so_far })
        }
        (_, answer) => Ok(answer?),
    }
}

/// The queues that hold something, with how much: `3 of intake, 5 of webhook`.
fn contents(places: &[Place]) -> String {
    let filled = places.iter().filter(|place| place.total() > 0);
    filled.map(|place| format!("{} of {}", place.total(), place.name.role)).collect::<Vec<_>>().join(", ")
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
    use acequia_core::queue::{Depth, QueueRole};
    use acequia_testkit::build;

    use super::*;

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
}
