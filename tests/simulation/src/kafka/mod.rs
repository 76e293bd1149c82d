//! Kafka in the simulator, a family of runs of its own: the way of an event to its sinks as in the first family, and in
//! some runs as in that of order; but producers send to topics, and the real bridge takes the records into the intakes.
//!
//! [`mapping`] plays Lambda's event source mapping; [`function`] is the bridge over the perilous ports. All rules of the
//! other families hold, and these besides:
//!
//! - an offset is passed only when SQS has its record, as event or as dead letter;
//! - whatever a record is, the records behind it come to their intake, so that every topic is read to its end.
//!
//! Records are read again where a call fails, dies, or takes too long, where the mapping loses what it noted, and where
//! partitions go to another reader while a call is under way: so duplicates come, and only the rules of at least once
//! are asked of them.

pub mod function;
pub mod mapping;

use crate::dice::Dice;
use crate::history::History;
use crate::ordered;
use crate::run::{self, Options, Report};
use crate::scenario::Scenario;
use crate::weather::Weather;

/// Keeps the dice of this family apart from the other ones'.
const FAMILY: u64 = 0x0f1f_0001_0000_0000;
/// The most partitions of a topic.
const PARTITIONS: usize = 4;

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Report {
    let mut dice = Dice::new(seed ^ FAMILY);
    let weather = Weather::of(&mut dice);
    let partitions = 1 + dice.below(PARTITIONS);
    let ordered = dice.happens(0.4);
    let mut scenario = if ordered { ordered::scenario(&mut dice) } else { Scenario::of(&mut dice) };
    if ordered {
        // SQS knows a record by its place, so what a producer sends twice is two messages of one group.
        scenario.events.iter_mut().for_each(|event| event.sendings.truncate(1));
    }
    run::play(seed, dice, weather, Scenario { partitions, ..scenario }, options)
}

/// The topic that feeds a tenant.
pub fn topic(tenant: &str) -> String {
    format!("{tenant}.events")
}

/// A producer sends an event to its tenant's topic: records of one key to one partition.
pub fn append(history: &mut History, event: usize) {
    let Some(plan) = history.event(event) else { return };
    let by = plan.group.as_ref().map_or(event, |group| group.bytes().map(usize::from).sum());
    let place = (plan.tenant, by % history.scenario.partitions.max(1));
    let log = history.topics.entry(place).or_default();
    log.push(event);
    let offset = log.len() - 1;
    history.note(0, format_args!("a producer sends event {event} to partition {place:?}, offset {offset}"));
}
