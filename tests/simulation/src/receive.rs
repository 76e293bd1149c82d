//! How SQS hands out a batch: of a standard queue in any order and now and then twice, of a FIFO queue group by group.

use std::collections::BTreeSet;
use std::time::Duration;

use acequia_core::message::{Attribute, Incoming};
use acequia_core::queue::{QueueArn, QueueName};
use acequia_core::wire::SINK;

use crate::history::Content;
use crate::port::see_moved;
use crate::world::World;

/// A received message stays hidden six times as long as an invocation may take: as in the templates.
const VISIBILITY: Duration = Duration::from_mins(6);

/// Receives a batch: so many messages as chance wants, in the order that it wants, none twice.
pub fn receive(world: &World, queue: &QueueArn) -> Vec<Incoming> {
    if queue.is_fifo() {
        return receive_in_order(world, queue);
    }
    let mut visible = world.queues.visible(queue);
    if visible.is_empty() {
        return Vec::new();
    }
    visible.sort();
    visible.dedup();
    let most = {
        let dice = &mut world.lock().dice;
        1 + if dice.happens(0.1) { dice.below(25) } else { dice.below(10) }
    };
    let mut received = Vec::new();
    while received.len() < most {
        let Some(id) = world.lock().dice.draw(&mut visible) else { break };
        match world.queues.receive_one(queue, &id, VISIBILITY) {
            Some(message) => received.push(message),
            None => see_moved_one(world, queue, &id),
        }
    }
    see_received(world, &received);
    for message in &received {
        perhaps_duplicate(world, queue, message);
    }
    received
}

/// Receives a batch of a FIFO queue: of each group so many as follow each other. SQS hands out none of them twice by
/// itself.
fn receive_in_order(world: &World, queue: &QueueArn) -> Vec<Incoming> {
    let visible = world.queues.visible(queue);
    if visible.is_empty() {
        return Vec::new();
    }
    let most = 1 + world.lock().dice.below(10);
    let received = world.queues.receive(queue, most, VISIBILITY);
    let left: BTreeSet<String> = world.queues.messages(queue).into_iter().map(|message| message.message_id).collect();
    for id in visible.iter().filter(|id| !left.contains(*id)) {
        see_moved_one(world, queue, id);
    }
    see_received(world, &received);
    received
}

fn see_received(world: &World, received: &[Incoming]) {
    for message in received {
        let history = &mut world.lock().history;
        if let Some((event, sink)) = content(history, message) {
            history.received(event, sink.as_deref(), &message.message_id);
        }
    }
}

fn perhaps_duplicate(world: &World, queue: &QueueArn, message: &Incoming) {
    let wait = {
        let state = &mut *world.lock();
        if !state.dice.happens(state.weather.duplicated) {
            return;
        }
        let wait = state.dice.between(Duration::ZERO, Duration::from_secs(90));
        state
            .history
            .note(0, format_args!("SQS will hand out {} again in {} ms", message.message_id, wait.as_millis()));
        if let Some((event, Some(sink))) = content(&mut state.history, message)
            && let Some(key) = state.history.story_of(event, &sink)
        {
            state.history.stories.entry(key).or_default().duplicated = true;
        }
        wait
    };
    world.queues.duplicate(queue, &message.message_id, wait);
}

fn see_moved_one(world: &World, queue: &QueueArn, id: &str) {
    let Ok(name) = queue.name().parse::<QueueName>() else { return };
    let dead = world.queues.messages(&queue.beside(&name.dead_letter()));
    if let Some(message) = dead.iter().find(|message| message.message_id == id) {
        let history = &mut world.lock().history;
        history.note(0, format_args!("SQS moves {id} of {name} to its dead-letter queue"));
        see_moved(history, &name, message);
    }
}

/// An invocation is done with a message.
pub fn acknowledge(history: &mut crate::history::History, who: u64, message: &Incoming) {
    if let Some((event, sink)) = content(history, message) {
        history.note(who, format_args!("acknowledges event {event} {sink:?}"));
        history.acknowledged(who, event, sink.as_deref());
    }
}

/// What a message holds: its event, and in a sink's queue the sink.
pub fn content(history: &mut crate::history::History, message: &Incoming) -> Option<Content> {
    let name: QueueName = message.queue.name().parse().ok()?;
    let event = history.event_of(0, &name.tenant, &message.body)?;
    let sink = message.attributes.get(SINK).and_then(Attribute::as_text).map(str::to_owned);
    Some((event, sink))
}
