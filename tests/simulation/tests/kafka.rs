//! A thousand seeds of tenants that are fed from topics hold every rule, each replays exactly, and records that are lost
//! on purpose are found.
#![expect(clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "a test fails by panicking")]

use simulation::kafka::run;
use simulation::sweep::{find, hold};
use simulation::{Family, Mutation, Options};

const SEEDS: u64 = 1000;

#[test]
fn a_thousand_seeds_lose_no_record_keep_order_and_read_every_topic_to_its_end() {
    hold(Family::Kafka, 0..SEEDS).unwrap_or_else(|broken| panic!("{broken}"));
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    for seed in 0..10 {
        let (one, two) = (Family::Kafka.run(seed, true), Family::Kafka.run(seed, false));
        assert_eq!((one.hash, one.effects), (two.hash, two.effects), "seed {seed}");
        assert!(!one.trace.is_empty() && two.trace.is_empty());
    }
    assert_ne!(Family::Kafka.run(1, false).hash, Family::Kafka.run(2, false).hash);
}

/// The runs see what they are there for: calls that die, records that are read again, dead letters, and both kinds of
/// intakes.
#[test]
fn calls_die_partitions_fail_and_go_to_other_readers_in_some_of_the_first_seeds() {
    let traces: Vec<String> = (0..100).map(|seed| Family::Kafka.run(seed, true).trace.join("\n")).collect();
    let told = [
        "begins on the topic",
        "go to other readers",
        "is not noted",
        "a call of the mapping CRASHES",
        "a call of the mapping TIMES OUT",
        "to acequia_test_acme_intake-dlq",
        "to acequia_test_aspen_intake.fifo",
    ];
    for words in told {
        assert!(traces.iter().any(|trace| trace.contains(words)), "no trace says {words:?}");
    }
}

/// The mutation is found, by the rule that is there for it.
fn assert_found(mutation: Mutation, words: &[&str]) {
    let options = Options { mutation: Some(mutation), ..Options::default() };
    let found = find(0..SEEDS, |seed| run(seed, options), words);
    let found = found.unwrap_or_else(|| panic!("{mutation:?} was not found within {SEEDS} seeds"));
    println!("{mutation:?}: seed {}: {}", found.seed, found.violations[0]);
}

#[test]
fn believing_an_intake_that_took_nothing_is_found() {
    assert_found(Mutation::BelieveIntake, &["SQS has NOTHING of it"]);
}

#[test]
fn passing_records_that_failed_is_found() {
    assert_found(Mutation::PassFailed, &["SQS has NOTHING of it"]);
}

#[test]
fn believing_a_dead_letter_queue_that_took_nothing_is_found() {
    assert_found(Mutation::BelieveDeadLetters, &["SQS has NOTHING of it"]);
}

#[test]
fn an_intake_that_forgets_groups_is_found() {
    assert_found(Mutation::ForgetGroup, &["OUT OF ORDER"]);
}
