//! The operator who redrives: the real run of `acequia dlq redrive` over the simulated queues, which dies now and then.

use std::time::Duration;

use acequia_core::flow::redrive::{Observer, Order, Way, redrive};
use acequia_core::id::TenantId;
use acequia_core::message::{Attribute, Outgoing};
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::wire::SINK;
use acequia_testkit::{IMMORTAL, Mortal, build};
use futures::FutureExt as _;

use crate::function::ROLES;
use crate::world::World;

/// For how long a run that died leaves letters hidden, and more.
pub const HIDDEN: Duration = Duration::from_mins(5);

/// A process that dies does so after at most this many steps.
const MOST_STEPS: usize = 60;

/// An observer that ignores what it sees.
struct Nobody;

impl Observer for Nobody {
    fn dealt(&self, _: u64) {}
    fn trouble(&self, _: &str) {}
    fn ends(&self) -> bool {
        false
    }
}

/// Has an operator redrive some of the dead letters of every queue, and perhaps letters of which it is unknown whether
/// they were sent.
pub fn some(world: &World) {
    each(world, |state, depth| {
        let dies = state.dice.happens(state.weather.crash_after);
        let steps = if dies { state.dice.below(MOST_STEPS) } else { usize::MAX };
        let limit = Some(state.dice.below(depth + 1) as u64);
        (u32::try_from(steps).unwrap_or(IMMORTAL), Order { limit, resend_unsure: true, ..Order::default() })
    });
}

/// An operator redrives all dead letters.
pub fn all(world: &World) {
    each(world, |_, _| (IMMORTAL, Order { resend_unsure: true, ..Order::default() }));
}

/// Has an operator redrive all dead letters of these queues. That a letter goes back is not observed here.
pub fn each_of(world: &World, tenants: &[TenantId], roles: &[QueueRole]) {
    for (tenant, role) in tenants.iter().flat_map(|tenant| roles.iter().map(move |role| (tenant, *role))) {
        let order = Order { run: run_id(world), resend_unsure: true, ..Order::default() };
        let (source, dead) = (build::queue(tenant.as_str(), role), build::dead_letter_queue(tenant.as_str(), role));
        run(world, tenant, (source, dead), IMMORTAL, &order);
    }
}

fn each(world: &World, order: impl Fn(&mut crate::world::State, usize) -> (u32, Order)) {
    let tenants = world.lock().history.scenario.tenants.clone();
    for tenant in tenants {
        for role in ROLES {
            let dead = tenant.dead_letter_queue(role);
            let depth = world.queues.messages(&dead).len();
            if depth == 0 {
                continue;
            }
            let (steps, order) = order(&mut world.lock(), depth);
            run(world, &tenant.id, (tenant.queue(role), dead), steps, &Order { run: run_id(world), ..order });
        }
    }
}

/// A text that no other run has.
fn run_id(world: &World) -> String {
    format!("run-{}", world.lock().dice.below(usize::MAX))
}

fn run(world: &World, tenant: &TenantId, (source, dead_letters): (QueueArn, QueueArn), steps: u32, order: &Order) {
    let depth = world.queues.messages(&dead_letters).len() as u64;
    let way = Way { tenant: tenant.clone(), dead_letters, source, depth };
    let process =
        Mortal::new(&world.queues, &world.journal, steps).observed(|outgoing| see(world, &way.source, outgoing));
    let ports = (&process, &process, &world.ledger, &world.clock);
    // Nothing of it takes time, so that it ends at once, or never: then it died.
    let ended = redrive(ports, &way, order, &Nobody).now_or_never();
    let what = if ended.is_some() { "redrives" } else { "dies while it redrives" };
    world.lock().history.note(0, format_args!("an operator {what} to {}", way.source.name()));
}

/// Sees a dead letter that went back.
fn see(world: &World, source: &QueueArn, outgoing: &Outgoing) {
    let history = &mut world.lock().history;
    let Some(event) = history.scenario.events.iter().position(|event| event.body == outgoing.body) else { return };
    let sink = outgoing.attributes.get(SINK).and_then(Attribute::as_text);
    history.note(0, format_args!("event {event} goes back to {}", source.name()));
    if let Some(key) = sink.and_then(|sink| history.story_of(event, sink)) {
        history.stories.entry(key).or_default().redriven_at = Some(world.clock.now());
    }
}
