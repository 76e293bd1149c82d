//! The demo's events: made from a seed, so that every run sends the same.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

const KINDS: [(&str, u32); 5] = [
    ("action.signed", 60),
    ("action.donated", 15),
    ("action.shared", 5),
    ("supporter.updated", 15),
    // No sink of any tenant takes it.
    ("page.viewed", 5),
];
const COUNTRIES: [&str; 6] = ["FR", "DE", "ES", "IT", "PL", "SE"];
const NAMES: [&str; 8] = ["Ada", "Bruno", "Chiara", "Dora", "Emil", "Fatou", "Goran", "Hanna"];
const CAMPAIGNS: [&str; 3] = ["Save the river", "Trains at night", "Swifts in town"];

/// One event in a hundred is sent a second time, and one line in two hundred is no event.
const REPEATED: f64 = 0.01;
const MALFORMED: f64 = 0.005;
/// The line that is no event in every batch; the lines before it are events.
const MALFORMED_AT: usize = 7;
/// An event is repeated when so many others have come after it. A copy that meets the first one under way waits for its
/// lease, which is correct and takes a minute: too long to watch.
const SETTLED: usize = 90;

/// What the demo must know of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type.
    pub(crate) kind: &'static str,
    /// The supporter's country.
    pub(crate) country: &'static str,
}

/// The lines to send to one tenant in one phase.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// One line each.
    pub(super) lines: Vec<String>,
    /// The different events among them.
    pub(super) events: Vec<Event>,
    /// How many lines repeat an event.
    pub(super) repeated: u64,
    /// How many lines are no event.
    pub(super) malformed: u64,
    /// How many lines the HTTP API refused, where they went there.
    pub(super) refused: u64,
}

/// The name of one event that [`make`] makes for each tenant in the phase `broken`.
pub(super) fn one_of(tenant: &str) -> String {
    format!("/demo/{tenant}|broken-1")
}

/// Makes `count` lines for a tenant; `phase` goes into the ids. The first lines have one of each kind of exception.
pub(super) fn make(tenant: &str, phase: &str, count: usize) -> Batch {
    let seed =
        tenant.bytes().chain(phase.bytes()).fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut chance = StdRng::seed_from_u64(seed);
    let mut batch = Batch::default();
    for number in 0..count {
        if number == MALFORMED_AT || (number > MALFORMED_AT && chance.random_bool(MALFORMED)) {
            // JSON, but of a version that does not exist.
            let id = format!("{phase}-{number}");
            batch
                .lines
                .push(json!({"specversion": "0.3", "id": id, "source": "/demo", "type": "action.signed"}).to_string());
            batch.malformed += 1;
        } else if number + 1 == count || (number > SETTLED && chance.random_bool(REPEATED)) {
            let again = chance.random_range(0..=number.saturating_sub(SETTLED).min(MALFORMED_AT - 1));
            batch.lines.push(batch.lines.get(again).cloned().unwrap_or_default());
            batch.repeated += 1;
        } else {
            let (line, event) = one(&mut chance, tenant, phase, number);
            batch.lines.push(line);
            batch.events.push(event);
        }
    }
    batch
}

fn one(chance: &mut StdRng, tenant: &str, phase: &str, number: usize) -> (String, Event) {
    let kind = KINDS.choose_weighted(chance, |(_, weight)| *weight).map_or("action.signed", |(kind, _)| kind);
    let mut pick = |from: &[&'static str]| from.choose(chance).copied().unwrap_or_default();
    let event = Event { kind, country: pick(&COUNTRIES) };
    let line = json!({
        "specversion": "1.0",
        "id": format!("{phase}-{number}"),
        "source": format!("/demo/{tenant}"),
        "type": event.kind,
        "time": "2026-05-01T12:00:00Z",
        "data": {
            "first_name": pick(&NAMES),
            "email": format!("supporter-{phase}-{number}@example.org"),
            "country": event.country,
            "campaign": pick(&CAMPAIGNS),
        },
    });
    (line.to_string(), event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_tenant_and_phase_give_the_same_lines() {
        assert_eq!(make("acme", "a", 50).lines, make("acme", "a", 50).lines);
        assert_ne!(make("acme", "a", 50).lines, make("bona", "a", 50).lines);
    }

    #[test]
    fn every_line_is_counted_and_even_a_short_batch_has_each_exception() {
        let batch = make("acme", "a", 20);
        assert_eq!(batch.lines.len() as u64, batch.events.len() as u64 + batch.repeated + batch.malformed);
        assert!(batch.repeated > 0 && batch.malformed > 0);
    }
}
