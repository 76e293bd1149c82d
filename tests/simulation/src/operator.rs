//! The rest of the world: producers that send, endpoints that fail and recover, operators that publish.

use std::time::Duration;

use acequia_core::message::Outgoing;
use acequia_core::port::{Clock as _, Queues as _};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::time::after;
use futures::FutureExt as _;
use jiff::Timestamp;

use crate::mutation::Mutation;
use crate::world::World;
use crate::{kafka, redrive};

/// How often the world may change.
pub const UNREST: Duration = Duration::from_secs(15);

/// Something that happens at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A producer sends an event.
    Send(usize),
    /// Perhaps something changes.
    Unrest,
}

/// What happens when, for as long as the chaos lasts: the last first.
pub fn agenda(world: &World, lasts: Duration) -> Vec<(Timestamp, Happening)> {
    let start = world.clock.now();
    let mut agenda = Vec::new();
    for (index, event) in world.lock().history.scenario.events.iter().enumerate() {
        agenda.extend(event.sendings.iter().map(|wait| (after(start, *wait), Happening::Send(index))));
    }
    let mut wait = UNREST;
    while wait < lasts {
        agenda.push((after(start, wait), Happening::Unrest));
        wait = wait.saturating_add(UNREST);
    }
    agenda.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    agenda
}

/// Lets it happen.
pub fn happen(world: &World, what: Happening) {
    match what {
        Happening::Send(event) => send(world, event),
        Happening::Unrest => {
            let (happens, which) = {
                let state = &mut *world.lock();
                (state.dice.happens(state.weather.unrest), state.dice.below(5))
            };
            match which {
                _ if !happens => {}
                0 => publish(world),
                1 => redrive::some(world),
                _ => switch(world),
            }
        }
    }
}

fn deliver(world: &World, queue: &QueueArn, outgoing: Outgoing) {
    // The queues' answers are there at once; nothing is refused, because the world's own calls meet no perils.
    let _ = world.queues.send(queue, &[outgoing]).now_or_never();
}

fn send(world: &World, event: usize) {
    let (queue, outgoing) = {
        let history = &mut world.lock().history;
        history.note(0, format_args!("a producer sends event {event}"));
        history.accepted.entry(event).or_insert_with(|| world.clock.now());
        history.order.accepted(event);
        if history.scenario.partitions > 0 {
            return kafka::append(history, event);
        }
        let Some(plan) = history.event(event) else { return };
        let Some(tenant) = history.scenario.tenants.get(plan.tenant) else { return };
        let apart = world.mutation == Some(Mutation::ForgetGroupAtIntake);
        let deduplication = tenant.ordered.then(|| plan.event.to_string());
        let group = if apart { deduplication.clone() } else { plan.group.clone() };
        (
            tenant.queue(QueueRole::Intake),
            Outgoing { body: plan.body.clone(), group, deduplication, ..Outgoing::default() },
        )
    };
    deliver(world, &queue, outgoing);
}

/// Publishes another version of one tenant's configuration.
fn publish(world: &World) {
    let state = &mut *world.lock();
    let index = state.dice.below(state.history.scenario.tenants.len());
    let Some(tenant) = state.history.scenario.tenants.get_mut(index) else { return };
    let sink = tenant.change(&mut state.dice);
    let (id, document, version) = (tenant.id.clone(), tenant.document(), tenant.versions.len());
    state.history.note(0, format_args!("{id} publishes version {version}: sink {sink} changes"));
    put(world, state, index, &document);
}

fn put(world: &World, state: &mut crate::world::State, index: usize, document: &str) {
    if let Some(published) = state.history.published.get_mut(index) {
        published.push(world.clock.now());
    }
    if let Some(tenant) = state.history.scenario.tenants.get(index) {
        world.tenants.put(&tenant.id, document);
    }
}

/// An endpoint fails from now on, or recovers.
fn switch(world: &World) {
    let state = &mut *world.lock();
    let tenant = state.dice.below(state.history.scenario.tenants.len());
    let sinks = state.history.scenario.tenants.get(tenant).map_or(0, |plan| plan.sinks.len());
    let endpoint = (tenant, state.dice.below(sinks));
    let recovers = state.outages.remove(&endpoint);
    if !recovers {
        state.outages.insert(endpoint);
    }
    state.history.note(0, format_args!("endpoint {endpoint:?} {}", if recovers { "recovers" } else { "fails" }));
}

/// All goes well from now on: the weather is calm, every endpoint works, every sink is on.
pub fn mend(world: &World) {
    let state = &mut *world.lock();
    state.weather = crate::weather::Weather::calm();
    state.outages.clear();
    state.history.note(0, format_args!("all is mended"));
    for index in 0..state.history.scenario.tenants.len() {
        let Some(tenant) = state.history.scenario.tenants.get_mut(index) else { continue };
        tenant.mend();
        let document = tenant.document();
        put(world, state, index, &document);
    }
}
