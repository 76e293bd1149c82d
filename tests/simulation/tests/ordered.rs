//! Five hundred seeds of ordered tenants hold every rule, each replays exactly, and order that is broken on purpose is found.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use simulation::ordered::run;
use simulation::{Family, Mutation, Options, Report};

const SEEDS: u64 = 500;

fn failures() -> Vec<Report> {
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return;
            }
            let report = Family::Ordered.run(seed, false);
            if !report.violations.is_empty() {
                failed.lock().unwrap().push(report);
            }
        }
    };
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner().unwrap()
}

#[test]
fn five_hundred_seeds_keep_the_order_of_each_group_and_lose_nothing() {
    let failed = failures();
    if let Some(first) = failed.iter().min_by_key(|report| report.seed) {
        let replayed = Family::Ordered.run(first.seed, true);
        panic!(
            "{} seeds failed; the first is {}: {:?}\n{}\ncargo run -p simulation --bin simulate -- --family ordered --seed {} --trace",
            failed.len(),
            first.seed,
            first.violations,
            replayed.trace.join("\n"),
            first.seed
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    for seed in 0..10 {
        let (one, two) = (Family::Ordered.run(seed, true), Family::Ordered.run(seed, false));
        assert_eq!((one.hash, one.effects), (two.hash, two.effects), "seed {seed}");
        assert!(!one.trace.is_empty() && two.trace.is_empty());
    }
    assert_ne!(Family::Ordered.run(1, false).hash, Family::Ordered.run(2, false).hash);
}

/// The mutation is found, by the rule that is there for it. A seed may break another rule before.
fn assert_found(mutation: Mutation, words: &[&str]) {
    let options = Options { mutation: Some(mutation), ..Options::default() };
    let by_its_rule = |report: &Report| {
        report.violations.first().is_some_and(|first| words.iter().any(|words| first.contains(words)))
    };
    let found = (0..SEEDS).map(|seed| run(seed, options)).find(by_its_rule);
    let found = found.unwrap_or_else(|| panic!("{mutation:?} was not found within 2,000 seeds"));
    println!("{mutation:?}: seed {}: {}", found.seed, found.violations[0]);
}

#[test]
fn going_on_in_a_group_that_stopped_is_found() {
    assert_found(Mutation::SkipStop, &["OUT OF ORDER"]);
}

#[test]
fn a_router_that_forgets_the_group_is_found() {
    assert_found(Mutation::ForgetGroup, &["OUT OF ORDER"]);
}

#[test]
fn an_intake_that_keeps_no_groups_is_found() {
    assert_found(Mutation::ForgetGroupAtIntake, &["OUT OF ORDER"]);
}

#[test]
fn believing_a_dead_letter_queue_that_took_nothing_is_found() {
    assert_found(Mutation::BelieveDeadLetters, &["without", "LOST", "does not lie in the dead-letter queue"]);
}
