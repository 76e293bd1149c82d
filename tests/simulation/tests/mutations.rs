//! The simulator finds a protocol that is broken on purpose, each way within two thousand seeds.
#![expect(clippy::print_stdout, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use simulation::sweep::find;
use simulation::{Mutation, Options, run};

/// The mutation is found, by the rule that is there for it.
fn assert_found(mutation: Mutation, words: &[&str]) {
    let options = Options { mutation: Some(mutation), ..Options::default() };
    let found = find(0..2000, |seed| run(seed, options), words);
    let found = found.unwrap_or_else(|| panic!("{mutation:?} was not found within 2,000 seeds"));
    println!("{mutation:?}: seed {}: {}", found.seed, found.violations[0]);
}

#[test]
fn acknowledging_what_is_in_progress_is_found() {
    assert_found(Mutation::AcknowledgeInProgress, &["without effect or dead letter"]);
}

#[test]
fn a_lease_shorter_than_the_run_is_found() {
    // The second attempt is found wherever it shows first: as an effect, as an attempt too many, or in the ledger.
    assert_found(Mutation::ShortLease, &["second", "attempts", "the ledger says", "dead-letter queue"]);
}

#[test]
fn completing_before_the_effect_is_found() {
    // The effect of an event that expires is not missed; then the ledger says what did not happen.
    assert_found(Mutation::CompleteFirst, &["without effect or dead letter", "that is not what happened"]);
}

#[test]
fn performing_a_repeated_delivery_of_a_batch_twice_is_found() {
    assert_found(Mutation::SkipFold, &["second effect"]);
}

#[test]
fn believing_a_dead_letter_queue_that_took_nothing_is_found() {
    assert_found(Mutation::BelieveDeadLetters, &["dead", "LOST"]);
}

#[test]
fn believing_a_table_of_delayed_messages_that_took_nothing_is_found() {
    assert_found(Mutation::BelieveDelays, &["without"]);
}

#[test]
fn retrying_at_once_is_found() {
    assert_found(Mutation::DueAtOnce, &["before its time"]);
}

#[test]
fn a_ledger_that_tenants_share_is_found() {
    assert_found(Mutation::ShareLedger, &["dead-letter queue"]);
}

#[test]
fn sending_while_a_circuit_is_open_is_found() {
    assert_found(Mutation::IgnoreCircuit, &["while the circuit is open"]);
}

#[test]
fn probing_beside_the_one_that_was_elected_is_found() {
    // Where the second one is elected in the row itself, that is seen before its attempt.
    assert_found(Mutation::ElectAll, &["beside the one probe", "probed before its time"]);
}

#[test]
fn sending_to_a_paused_sink_is_found() {
    assert_found(Mutation::IgnorePause, &["the sink is paused or off"]);
}

#[test]
fn a_look_that_makes_a_delivery_due_is_found() {
    assert_found(Mutation::LookExpedites, &["before its time"]);
}

#[test]
fn retrying_without_end_what_nobody_claims_is_found() {
    assert_found(Mutation::ForgetAttempts, &["attempts are spent"]);
}

#[test]
fn dropping_what_expired_without_a_record_is_found() {
    assert_found(Mutation::ForgetExpired, &["without effect or dead letter"]);
}

#[test]
fn taking_places_that_others_have_is_found() {
    assert_found(Mutation::IgnoreRate, &["and the rate is"]);
}

#[test]
fn more_requests_at_once_than_the_tenant_allows_are_found() {
    assert_found(Mutation::SkipBound, &["requests at once, and its concurrency is"]);
}

#[test]
fn taking_what_was_too_late_for_a_batch_as_delivered_is_found() {
    assert_found(Mutation::ForgetRest, &["without effect or dead letter", "the ledger says"]);
}

#[test]
fn recording_what_is_still_under_way_as_delivered_is_found() {
    assert_found(Mutation::RecordAhead, &["without effect or dead letter", "that is not what happened"]);
}
