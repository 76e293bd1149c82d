//! The rules of order: of each group and sink, what was accepted first is attempted first and arrives first, except
//! what was quarantined.

use std::collections::{BTreeMap, BTreeSet};

use acequia_core::id::DeliveryId;
use acequia_core::message::Attribute;
use acequia_core::queue::QueueRole;

use crate::history::{History, StoryKey};
use crate::world::World;

/// What was seen of it.
#[derive(Debug, Default)]
pub struct Order {
    /// The events in the order in which the intakes took them for the first time.
    accepted: Vec<usize>,
    /// The deliveries that were attempted.
    attempted: BTreeSet<StoryKey>,
}

impl Order {
    /// An intake took an event.
    pub fn accepted(&mut self, event: usize) {
        if !self.accepted.contains(&event) {
            self.accepted.push(event);
        }
    }

    /// The events of the same group that were accepted after this one.
    fn behind<'h>(&'h self, history: &'h History, event: usize) -> impl Iterator<Item = usize> + 'h {
        let of = |index: usize| history.event(index).map(|event| (event.tenant, event.group.as_ref()));
        let later = self.accepted.iter().copied().skip_while(move |earlier| *earlier != event).skip(1);
        later.filter(move |later| of(*later) == of(event))
    }
}

/// Whether an event (for this sink) has been quarantined: then nothing waits for it, and it comes when an operator
/// redrives it.
fn was_quarantined(history: &History, event: usize, key: StoryKey) -> bool {
    history.dead.contains_key(&event) || history.stories.get(&key).is_some_and(|story| !story.dead.is_empty())
}

/// A delivery is attempted: one that has not arrived yet must not have been overtaken, by an arrival or a mere attempt.
///
/// The rule looks at the event that comes too late and not at the event that comes too early: a message that is
/// quarantined in a batch reaches the dead-letter queue after the messages behind it were attempted.
///
/// # Errors
/// Names the event that overtook it.
pub fn attempt(history: &mut History, key: StoryKey) -> Result<(), String> {
    let is_ordered = |tenant: usize| history.scenario.tenants.get(tenant).is_some_and(|tenant| tenant.ordered);
    // The identity of an event is its place, in this family.
    let Some(event) = history.event(key.0).filter(|event| is_ordered(event.tenant)).map(|event| event.identity) else {
        return Ok(());
    };
    let arrived = history.stories.get(&key).is_some_and(|story| !story.effects.is_empty());
    let overtaken =
        history.order.behind(history, event).find(|later| history.order.attempted.contains(&(*later, key.1)));
    let held = match overtaken {
        Some(later) if !arrived && !was_quarantined(history, event, key) => {
            Err(format!("it is attempted after event {later}, which was accepted behind it in its group: OUT OF ORDER"))
        }
        _ => Ok(()),
    };
    history.order.attempted.insert(key);
    held
}

/// The targets hold the first of each event in the order of its group.
pub fn check(world: &World) {
    let tenants = world.lock().history.scenario.tenants.clone();
    for (index, tenant) in tenants.iter().enumerate().filter(|(_, tenant)| tenant.ordered) {
        let mut first: BTreeMap<StoryKey, usize> = BTreeMap::new();
        let history = &mut world.lock().history;
        for (place, message) in world.queues.messages(&tenant.queue(QueueRole::Out)).iter().enumerate() {
            let id = message.attributes.get("acequia-delivery-id").and_then(Attribute::as_text);
            let id = id.and_then(|id| serde_json::from_value::<DeliveryId>(id.into()).ok());
            let Some(event) = history.event_of(0, &tenant.id, &message.body) else { continue };
            if let Some(key) = id.and_then(|id| history.delivery(0, &id, event)) {
                first.entry(key).or_insert(place);
            }
        }
        let mut broken = Vec::new();
        for (key, place) in &first {
            if history.event(key.0).is_none_or(|event| event.tenant != index) || was_quarantined(history, key.0, *key) {
                continue;
            }
            let before = |later: &usize| first.get(&(*later, key.1)).is_some_and(|other| other < place);
            if let Some(later) = history.order.behind(history, key.0).find(before) {
                broken.push((*key, later));
            }
        }
        for (key, later) in broken {
            history.report(
                0,
                format_args!("{key:?} arrived after event {later}, which was accepted behind it: OUT OF ORDER"),
            );
        }
    }
}
