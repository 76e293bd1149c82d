//! Two thousand seeds of consent hold every rule, each replays exactly, and consent that is broken on purpose is found.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use simulation::consent::{Mutation, Options, run};
use simulation::{Family, Report};

const SEEDS: u64 = 2000;

fn failures() -> Vec<Report> {
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return;
            }
            let report = Family::Consent.run(seed, false);
            if !report.violations.is_empty() {
                failed.lock().unwrap().push(report);
            }
        }
    };
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner().unwrap()
}

#[test]
fn two_thousand_seeds_lose_no_change_and_nothing_passes_without_consent() {
    let failed = failures();
    if let Some(first) = failed.iter().min_by_key(|report| report.seed) {
        let replayed = Family::Consent.run(first.seed, true);
        panic!(
            "{} seeds failed; the first is {}: {:?}\n{}\ncargo run -p simulation --bin simulate -- --family consent --seed {} --trace",
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
    for seed in 0..20 {
        let (one, two) = (Family::Consent.run(seed, true), Family::Consent.run(seed, false));
        assert_eq!((one.hash, one.effects), (two.hash, two.effects), "seed {seed}");
        assert!(!one.trace.is_empty() && two.trace.is_empty());
    }
    assert_ne!(Family::Consent.run(1, false).hash, Family::Consent.run(2, false).hash);
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
fn writing_what_follows_after_the_change_is_found() {
    assert_found(Mutation::SplitCommit, &["LOST"]);
}

#[test]
fn deleting_a_row_before_it_is_carried_out_is_found() {
    assert_found(Mutation::SettleFirst, &["LOST"]);
}

#[test]
fn a_sweep_that_never_runs_is_found() {
    assert_found(Mutation::NeverSweep, &["never carried out"]);
}

#[test]
fn a_look_at_a_link_that_acts_is_found() {
    assert_found(Mutation::ActOnLook, &["a look at a link"]);
}

#[test]
fn writing_over_what_somebody_else_wrote_is_found() {
    assert_found(Mutation::IgnoreVersion, &["goes from", "rests"]);
}

#[test]
fn asking_who_has_answered_is_found() {
    assert_found(Mutation::AskTheAnswered, &["asks who has answered"]);
}

#[test]
fn writing_to_a_suppressed_address_is_found() {
    assert_found(Mutation::IgnoreSuppression, &["an address that is suppressed"]);
}
