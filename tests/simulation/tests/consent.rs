//! Two thousand seeds of consent hold every rule, each replays exactly, and consent that is broken on purpose is found.
#![expect(clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "a test fails by panicking")]

use simulation::Family;
use simulation::consent::{Mutation, Options, run};
use simulation::sweep::{find, hold};

const SEEDS: u64 = 2000;

#[test]
fn two_thousand_seeds_lose_no_change_and_nothing_passes_without_consent() {
    hold(Family::Consent, 0..SEEDS).unwrap_or_else(|broken| panic!("{broken}"));
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

/// The mutation is found, by the rule that is there for it.
fn assert_found(mutation: Mutation, words: &[&str]) {
    let options = Options { mutation: Some(mutation), ..Options::default() };
    let found = find(0..SEEDS, |seed| run(seed, options), words);
    let found = found.unwrap_or_else(|| panic!("{mutation:?} was not found within {SEEDS} seeds"));
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

#[test]
fn publishing_again_what_is_done_because_a_neighbour_failed_is_found() {
    assert_found(Mutation::RepeatNeighbours, &["is published again"]);
}
