//! What must hold when all is over: every accepted event is accounted for, and the ledger says what happened.

use std::time::Duration;

use acequia_core::delivery::ledger::{Record, Status};
use acequia_core::delivery::route::Routed;
use acequia_core::id::{EventId, SinkId};
use acequia_core::kind::SinkKind;
use acequia_core::queue::{QueueArn, QueueRole};

use crate::history::{History, StoryKey};
use crate::mutation::Mutation;
use crate::ordered::order;
use crate::scenario::{EventPlan, Flaw};
use crate::story::Effect;
use crate::world::World;

/// FIFO queues know duplicates for five minutes.
const DEDUPLICATION: Duration = Duration::from_mins(5);

/// Checks it all.
pub fn check(world: &World) {
    let events = world.lock().history.scenario.events.len();
    for event in 0..events {
        check_event(world, event);
    }
    if world.mutation != Some(Mutation::ShareLedger) {
        check_ledger(world);
    }
    check_twice(&mut world.lock().history);
    order::check(world);
}

/// Whether a dead-letter queue holds this event (of this sink).
///
/// SQS itself must have moved none there in the end: then all was calm, and each has its reason.
fn lies_dead(world: &World, queue: &QueueArn, body: &str, sink: Option<&str>) -> bool {
    world.queues.messages(queue).iter().any(|message| {
        let of = message.attributes.get(acequia_core::wire::SINK).and_then(|attribute| attribute.as_text());
        let has_reason = message.attributes.contains_key(acequia_core::wire::REASON);
        message.body == body && of == sink && has_reason
    })
}

/// Whether the ledger need not say where an event was routed, by the stories of its deliveries: they carry it, and it is
/// recorded with the first of them that comes to something, if that can be written.
fn may_be_untold(history: &History, of_event: impl Iterator<Item = StoryKey>) -> bool {
    let keys: Vec<StoryKey> = of_event.collect();
    let unwritten = keys.iter().any(|key| history.unsettled.contains(key) || history.unrecorded.contains(&key.0));
    let stories: Vec<_> = keys.iter().filter_map(|key| history.stories.get(key)).collect();
    unwritten || (!stories.is_empty() && stories.iter().all(|story| story.effects.is_empty()))
}

/// Whether a row of the ledger says where this event was routed.
fn tells_route(row: &Record, event: &EventId) -> bool {
    match row {
        Record::Route(route) => route.event == *event,
        Record::Delivery(delivery) => {
            delivery.event == *event && delivery.route.as_deref().and_then(Routed::read).is_some()
        }
    }
}

/// Whether a row of the ledger says that this event expired before this sink had it.
fn is_expired(row: &Record, event: &EventPlan, digest: &str, sink: &SinkId) -> bool {
    matches!(row, Record::Delivery(record) if record.event == event.event && record.sink == *sink
        && record.status == Status::Expired && record.digest == digest)
}

fn check_event(world: &World, index: usize) {
    let Some((event, tenant)) = ({
        let history = &world.lock().history;
        history
            .event(index)
            .cloned()
            .zip(history.event(index).and_then(|e| history.scenario.tenants.get(e.tenant)).cloned())
    }) else {
        return;
    };
    let lies_dead = |role, sink: Option<&str>| lies_dead(world, &tenant.dead_letter_queue(role), &event.body, sink);
    if matches!(event.flaw, Flaw::NotJson | Flaw::Foreign) {
        if !lies_dead(QueueRole::Intake, None) {
            world
                .lock()
                .history
                .report(0, format_args!("event {index} is none, and does not lie in the dead-letter queue"));
        }
        return;
    }
    // No invocation sent it on, where a sink took it.
    if event.flaw == Flaw::KillsRouter && lies_dead(QueueRole::Intake, None) {
        return;
    }
    let rows = world.ledger.records(&tenant.id);
    let recorded = rows.iter().any(|row| tells_route(row, &event.event));
    let digest = acequia_core::id::digest(event.body.as_bytes());
    let expired = |sink: &SinkId| rows.iter().any(|row| is_expired(row, &event, &digest, sink));
    let state = &mut *world.lock();
    let history = &mut state.history;
    if !history.routed.contains(&index) {
        history.report(0, format_args!("event {index} was accepted and never routed"));
    }
    if !recorded
        && !may_be_untold(history, (0..tenant.sinks.len()).map(|place| (event.identity, place)))
        && world.mutation != Some(Mutation::ShareLedger)
    {
        history.report(
            0,
            format_args!("where event {index} was routed is recorded nowhere, and nothing stood in the way"),
        );
    }
    // Whether no other event has its identity.
    let alone = history.scenario.events.iter().filter(|other| other.identity == event.identity).count() == 1;
    for (place, sink) in tenant.sinks.iter().enumerate() {
        let key: StoryKey = (event.identity, place);
        let Some(story) = history.stories.get(&key) else { continue };
        let done = |effect: &Effect| effect.event == index || (sink.goes_by_id() && !alone);
        if !story.sent.contains_key(&index) || story.effects.iter().any(done) {
            continue;
        }
        // A delivery that expired need not have had its effect any more, and its record says so, unless the record
        // could not be written. Where deliveries are not claimed, the record of another content of the same id may
        // stand in its place by now.
        let unwritten = || history.expired_unwritten.contains(&(key, digest.clone()));
        let replaced = !alone && (story.expired.contains(&digest) || unwritten());
        if event.expires_at.is_some() && (expired(&sink.id) || replaced || history.unsettled.contains(&key)) {
            continue;
        }
        // A mail whose process died of a neighbour may have been sent, and its tenant wants a person to look at such
        // mails.
        let deadly = |other: &EventPlan| other.tenant == event.tenant && other.flaw == Flaw::KillsSinks;
        // Where deliveries are claimed, one content of an id may be refused for another.
        let hopeless = (!alone && sink.claims)
            || (sink.quarantines_ambiguous && history.scenario.events.iter().any(deadly))
            || matches!(event.flaw, Flaw::KillsSinks | Flaw::Refused)
            || (sink.kind == SinkKind::Email && event.flaw == Flaw::NoAddress);
        let dead = lies_dead(QueueRole::Sink(sink.kind), Some(sink.id.as_str()));
        if !(hopeless && dead) {
            let where_ = if dead { "still lies in the dead-letter queue" } else { "is LOST" };
            history.report(0, format_args!("event {index} to {} {key:?} had no effect and {where_}", sink.id));
        }
    }
}

/// The rows of the ledger say what happened.
fn check_ledger(world: &World) {
    let tenants: Vec<_> = world.lock().history.scenario.tenants.iter().map(|tenant| tenant.id.clone()).collect();
    for tenant in tenants {
        for row in world.ledger.records(&tenant) {
            let Record::Delivery(record) = row else { continue };
            let history = &mut world.lock().history;
            let key = history.story_of_key(&tenant, &record.key());
            let Some((key, story)) = key.and_then(|key| Some((key, history.stories.get(&key)?))) else {
                history.report(0, format_args!("the ledger of {tenant} has a row of a delivery that nobody sent"));
                continue;
            };
            let (claims, by_id) = history.plan(key).map_or((false, false), |plan| (plan.claims, plan.goes_by_id()));
            let effect = story.effects.iter().any(|effect| {
                by_id
                    || history
                        .event(effect.event)
                        .is_some_and(|event| acequia_core::id::digest(event.body.as_bytes()) == record.digest)
            });
            let holds = match record.status {
                Status::Delivered => effect,
                Status::Quarantined => !story.dead.is_empty(),
                // No sink of a scenario is in shadow mode.
                Status::Shadowed => false,
                // A claim may stay behind where its last record was lost. Nothing waits any more.
                Status::Claimed => claims,
                // The same happens to a delivery that was not claimed because its sink was switched off.
                Status::Retry => !claims || history.unsettled.contains(&key),
                Status::Expired => history
                    .scenario
                    .events
                    .iter()
                    .enumerate()
                    .any(|(index, event)| event.identity == key.0 && history.is_over(index, Duration::ZERO)),
            };
            let settled = story.effects.iter().any(|effect| effect.settled == Some(Status::Delivered));
            let forgotten = claims && settled && record.status != Status::Delivered;
            if !holds || forgotten {
                let status = record.status;
                history.report(0, format_args!("the ledger says {status:?} of {key:?}, and that is not what happened"));
            }
        }
    }
}

/// A FIFO queue got a delivery at most once in five minutes.
fn check_twice(history: &mut History) {
    let mut broken = Vec::new();
    for (key, story) in &history.stories {
        if !history.plan(*key).is_some_and(|plan| plan.fifo) {
            continue;
        }
        for (one, two) in story.effects.iter().zip(story.effects.iter().skip(1)) {
            if Duration::try_from(two.at.duration_since(one.at)).is_ok_and(|apart| apart < DEDUPLICATION) {
                broken.push(*key);
            }
        }
    }
    for key in broken {
        history.report(0, format_args!("{key:?} came twice to a FIFO queue within five minutes"));
    }
}
