//! The loop of all sinks, over the in-memory ports and a sink that does as it is told.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's own mistake should stop the test where it was made")]

mod world;

use std::time::Duration;

use acequia_core::delivery::ledger::Status;
use acequia_core::message::{Attribute, Incoming};
use acequia_core::outcome::Cause;
use acequia_core::port::Ledger as _;
use acequia_core::time::after;
use acequia_core::wire::{DETAIL, REASON, REDRIVEN};
use acequia_lambda::Deadline;
use acequia_testkit::build;
use acequia_testkit::event::lambda_event;

use world::*;

#[tokio::test]
async fn what_is_delivered_is_acknowledged_and_recorded() {
    let world = world("");
    assert!(world.handle(&[message("m1", "1"), message("m2", "2")]).await.is_empty());
    assert_eq!(world.status("1"), Some(Status::Delivered));
    assert_eq!(world.attempts().len(), 2);
}

#[tokio::test]
async fn a_failure_a_panic_and_a_bad_body_touch_no_neighbour() {
    let world = world("");
    world.order("2", fail_with(503));
    world.order("3", Order::Panic);
    let bad = build::incoming(&queue(), "m4", "not json");
    let failed =
        world.handle(&[message("m1", "1"), message("m2", "2"), message("m3", "3"), bad, message("m5", "5")]).await;
    assert_eq!(failed, ["m2", "m3"]);
    assert_eq!((world.status("1"), world.status("5")), (Some(Status::Delivered), Some(Status::Delivered)));
    assert_eq!(world.dead_letters().len(), 1);
}

#[tokio::test]
async fn a_slow_delivery_is_cut_off_and_its_neighbours_are_acknowledged() {
    let world = world("");
    world.order("1", Order::Hang);
    let messages = [message("m1", "1"), message("m2", "2")];
    // The batch runs up to the delivery that hangs; then its time passes.
    let (failed, ()) = tokio::join!(world.handle(&messages), async { world.clock.advance(BUDGET) });
    assert_eq!(failed, ["m1"]);
    assert_eq!(world.status("2"), Some(Status::Delivered));
}

#[tokio::test]
async fn attempts_are_counted_by_us_until_the_schedule_is_used_up() {
    let world = world("");
    world.order("1", fail_with(500));
    assert_eq!(world.handle(&[message("m1", "1")]).await, ["m1"]);
    world.clock.advance(Duration::from_secs(15));
    // Receives that were not ours to count do not count: this is attempt 2, though SQS has handed it out seven times.
    assert_eq!(world.handle(&[again(message("m1", "1"), 7)]).await, ["m1"]);
    world.clock.advance(Duration::from_secs(30));
    assert!(world.handle(&[again(message("m1", "1"), 8)]).await.is_empty());
    assert_eq!(world.attempts().iter().map(|(_, attempt)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
    let dead = world.dead_letters();
    assert_eq!(dead[0].attributes[REASON].as_text(), Some("attempts-exhausted"));
    assert_eq!(world.status("1"), Some(Status::Quarantined));
}

#[tokio::test]
async fn a_message_that_comes_before_its_time_waits_and_spends_nothing() {
    let world = world("");
    world.order("1", fail_with(500));
    world.handle(&[message("m1", "1")]).await;
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.handle(&[again(message("m1", "1"), 2)]).await, ["m1"]);
    assert_eq!(world.attempts().len(), 1);
}

#[tokio::test]
async fn what_was_redriven_starts_over_with_its_history_kept() {
    let world = world("");
    world.order("1", fail_with(400));
    world.handle(&[message("m1", "1")]).await;
    assert_eq!(world.dead_letters()[0].attributes[REASON].as_text(), Some("http-status"));
    world.obey_no_more();
    assert!(
        world.handle(&[again(message("m1", "1"), 2)]).await.is_empty(),
        "a copy, because its first end was not heard of"
    );
    assert_eq!((world.attempts().len(), world.dead_letters().len()), (1, 2));
    let mut redriven = message("m9", "1");
    redriven.attributes.insert(REDRIVEN.to_owned(), Attribute::text("letter-1"));
    assert!(world.handle(&[redriven]).await.is_empty());
    let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("1", "crm")).unwrap();
    assert_eq!((record.status, record.attempts.len(), record.attempts_used), (Status::Delivered, 2, 1));
}

/// The ledger lets the redriven one alone begin again: a copy beside it must not speak for it.
#[tokio::test]
async fn what_was_redriven_starts_over_also_beside_copies_of_it_in_the_same_batch() {
    let world = world(r#","strict":true"#);
    world.order("1", fail_with(400));
    world.handle(&[message("m1", "1")]).await;
    world.obey_no_more();
    let mut redriven = message("m9", "1");
    redriven.attributes.insert(REDRIVEN.to_owned(), Attribute::text("letter-1"));
    assert!(world.handle(&[message("m2", "1"), redriven, message("m3", "1")]).await.is_empty());
    assert_eq!((world.attempts().len(), world.dead_letters().len()), (2, 1));
    assert_eq!(world.status("1"), Some(Status::Delivered));
}

/// Two letters of one delivery, of which the ledger knows one: in whichever order they come.
#[tokio::test]
async fn of_two_redriven_copies_in_one_batch_the_one_that_is_new_lets_the_delivery_start_over() {
    let redriven = |id: &str, letter: &str| {
        let mut message = message(id, "1");
        message.attributes.insert(REDRIVEN.to_owned(), Attribute::text(letter));
        message
    };
    for marks in [["letter-1", "letter-2"], ["letter-2", "letter-1"]] {
        for strict in ["", r#","strict":true"#] {
            let world = world(strict);
            world.order("1", fail_with(400));
            world.handle(&[message("m1", "1")]).await;
            world.handle(&[redriven("m2", "letter-1")]).await;
            world.obey_no_more();
            assert_eq!((world.attempts().len(), world.dead_letters().len()), (2, 2), "{marks:?} {strict}");
            let [first, second] = marks;
            assert!(world.handle(&[redriven("m3", first), redriven("m4", second)]).await.is_empty());
            assert_eq!((world.attempts().len(), world.dead_letters().len()), (3, 2), "{marks:?} {strict}");
        }
    }
}

#[tokio::test]
async fn the_same_delivery_twice_in_one_batch_is_one_effect_and_shares_its_fate() {
    let world = world("");
    assert!(world.handle(&[message("m1", "1"), message("m2", "1")]).await.is_empty());
    assert_eq!(world.attempts().len(), 1);
    world.order("2", fail_with(503));
    assert_eq!(world.handle(&[message("m3", "2"), message("m4", "2")]).await, ["m3", "m4"]);
    world.order("3", fail_with(400));
    assert!(world.handle(&[message("m5", "3"), message("m6", "3")]).await.is_empty());
    assert_eq!(world.dead_letters().len(), 1, "one copy of the two is enough");
}

#[tokio::test]
async fn with_claims_the_same_key_in_sequence_is_one_effect() {
    let world = world(r#","strict":true"#);
    assert!(world.handle(&[message("m1", "1")]).await.is_empty());
    assert!(world.handle(&[message("m2", "1")]).await.is_empty());
    assert_eq!(world.attempts().len(), 1);
}

#[tokio::test]
async fn with_claims_a_failed_first_attempt_lets_the_next_one_run() {
    let world = world(r#","strict":true"#);
    world.order("1", fail_with(500));
    assert_eq!(world.handle(&[message("m1", "1")]).await, ["m1"]);
    world.obey_no_more();
    world.clock.advance(Duration::from_secs(15));
    assert!(world.handle(&[again(message("m1", "1"), 2)]).await.is_empty());
    assert_eq!(world.attempts(), [("1".to_owned(), 1), ("1".to_owned(), 2)]);
}

#[tokio::test]
async fn a_delivery_in_progress_elsewhere_comes_back_after_the_lease_and_is_never_acknowledged() {
    let world = world(r#","strict":true"#);
    let mut claim = build::claim("1", "crm");
    claim.digest = acequia_core::id::digest(message("m1", "1").body.as_bytes());
    world.ledger.claim(&build::tenant_id("acme"), &[claim]).await;
    assert_eq!(world.handle(&[message("m1", "1")]).await, ["m1"]);
    assert!(world.attempts().is_empty());
    world.clock.advance(Duration::from_secs(61));
    assert!(world.handle(&[again(message("m1", "1"), 2)]).await.is_empty());
    assert_eq!(world.attempts().len(), 1);
}

#[tokio::test]
async fn another_payload_under_the_same_id_is_quarantined() {
    let world = world(r#","strict":true"#);
    world.handle(&[message("m1", "1")]).await;
    let other = build::envelope("acme", "1", "action.signed", r#"{"other":true}"#);
    let other = build::incoming_delivery(&queue(), "m2", "crm", &other);
    assert!(world.handle(&[other.clone(), message("m3", "2")]).await.is_empty());
    assert_eq!(world.dead_letters()[0].attributes[REASON].as_text(), Some("payload-conflict"));
    // The same within one batch: it is asked for once more, and refused as surely.
    assert_eq!(world.handle(&[message("m4", "1"), other.clone()]).await, ["m2"]);
    assert!(world.handle(&[again(other, 2)]).await.is_empty());
    assert_eq!(world.dead_letters().len(), 2);
}

#[tokio::test]
async fn of_two_payloads_under_one_id_in_one_batch_the_second_comes_back_and_the_ledger_says_whose_the_id_is() {
    let world = world(r#","strict":true"#);
    world.order("1", Order::Fail(Cause::Timeout(Duration::from_secs(1))));
    assert_eq!(world.handle(&[message("m1", "1")]).await, ["m1"]);
    world.obey_no_more();
    world.clock.advance(Duration::from_mins(10));
    let other = build::envelope("acme", "1", "action.signed", r#"{"other":true}"#);
    let other = build::incoming_delivery(&queue(), "m2", "crm", &other);
    // The intruder stands first, and the rightful one pays for that with a receive, not with the dead-letter queue.
    let rightful = again(message("m1", "1"), 2);
    assert_eq!(world.handle(&[other, rightful.clone()]).await, ["m1"]);
    assert_eq!(world.dead_letters()[0].attributes[REASON].as_text(), Some("payload-conflict"));
    assert!(world.handle(&[again(rightful, 3)]).await.is_empty());
    assert_eq!(world.attempts(), [("1".to_owned(), 1), ("1".to_owned(), 2)]);
    assert_eq!(world.dead_letters().len(), 1);
}

/// Another event under the id of event 1.
fn rival(id: &str) -> Incoming {
    let other = build::envelope("acme", "1", "action.signed", r#"{"other":true}"#);
    build::incoming_delivery(&queue(), id, "crm", &other)
}

#[tokio::test]
async fn where_nobody_claims_two_contents_of_one_id_are_both_delivered_in_one_batch_and_in_two() {
    let twice = ("1".to_owned(), 1);
    for batches in
        [vec![vec![message("m1", "1"), rival("m2"), rival("m3")]], vec![vec![message("m1", "1")], vec![rival("m2")]]]
    {
        let world = world("");
        for batch in batches {
            assert!(world.handle(&batch).await.is_empty());
        }
        assert_eq!(world.attempts(), [twice.clone(), twice.clone()]);
        assert!(world.dead_letters().is_empty());
        assert_eq!(world.status("1"), Some(Status::Delivered));
    }
}

#[tokio::test]
async fn where_nobody_claims_the_one_record_of_two_contents_tells_of_both() {
    let mut over = rival("m2");
    over.body = over.body.replacen('{', r#"{"expirytime":"2026-01-01T00:00:00Z","#, 1);
    for batch in [[message("m1", "1"), over.clone()], [over, message("m1", "1")]] {
        let world = world("");
        world.order("1", fail_with(503));
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.handle(&batch).await, ["m1"]);
        let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("1", "crm")).unwrap();
        let told: Vec<_> = record.attempts.iter().map(|note| (note.outcome.as_str(), note.content.is_some())).collect();
        assert_eq!((record.status, told), (Status::Retry, vec![("expired", true), ("retry", false)]));
    }
}

#[tokio::test]
async fn where_nobody_claims_what_comes_back_is_delivered_though_another_content_of_its_id_was() {
    let world = world("");
    world.order("1", fail_with(503));
    assert_eq!(world.handle(&[message("m1", "1")]).await, ["m1"]);
    world.obey_no_more();
    assert!(world.handle(&[rival("m2")]).await.is_empty());
    world.clock.advance(Duration::from_secs(15));
    assert!(world.handle(&[again(message("m1", "1"), 2)]).await.is_empty());
    assert_eq!(world.attempts().len(), 3);
    assert!(world.dead_letters().is_empty());
}

#[tokio::test]
async fn where_nobody_claims_two_contents_that_fail_share_the_attempts_of_the_schedule_and_neither_is_tried_for_ever() {
    let world = world("");
    world.order("1", fail_with(500));
    let mut left = vec![message("m1", "1"), rival("m2")];
    for receive_count in 1..10 {
        let batch: Vec<Incoming> = left.iter().map(|one| again(one.clone(), receive_count)).collect();
        let back = world.handle(&batch).await;
        left.retain(|one| back.contains(&one.message_id));
        world.clock.advance(Duration::from_mins(1));
    }
    assert!(left.is_empty());
    assert_eq!((world.attempts().len(), world.dead_letters().len()), (6, 2), "three attempts each");
}

#[tokio::test]
async fn with_the_ledger_down_nothing_that_needs_a_claim_is_attempted_and_no_attempt_is_spent() {
    let world = world(r#","strict":true"#);
    world.ledger.claims.go_down();
    assert_eq!(world.handle(&[message("m1", "1")]).await, ["m1"]);
    world.ledger.claims.mend();
    assert!(world.handle(&[again(message("m1", "1"), 2)]).await.is_empty());
    assert_eq!(world.attempts(), [("1".to_owned(), 1)]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_holds_up_its_own_message_alone() {
    let world = world("");
    world.ledger.reads.fail_entry(0);
    let batch = [again(message("m1", "1"), 2), again(message("m2", "2"), 2)];
    assert_eq!(world.handle(&batch).await, ["m1"]);
    assert_eq!(world.attempts(), [("2".to_owned(), 1)]);
}

#[tokio::test]
async fn with_the_store_of_tenants_down_all_comes_back_and_bad_bodies_are_quarantined_all_the_same() {
    let world = world("");
    world.tenants.reads.go_down();
    let bad = build::incoming(&queue(), "m2", "{");
    assert_eq!(world.handle(&[message("m1", "1"), bad]).await, ["m1"]);
    assert!(world.attempts().is_empty());
    world.tenants.reads.mend();
    assert!(world.handle(&[again(message("m1", "1"), 2)]).await.is_empty());
}

#[tokio::test]
async fn a_delivery_that_could_not_be_recorded_is_acknowledged_all_the_same() {
    let world = world("");
    world.ledger.writes.go_down();
    assert!(world.handle(&[message("m1", "1")]).await.is_empty());
    assert_eq!(world.attempts().len(), 1);
}

#[tokio::test]
async fn with_the_dead_letter_queue_down_a_message_comes_back_instead_of_being_lost() {
    let world = world("");
    world.queues.sends.go_down();
    let bad = build::incoming(&queue(), "m1", "{");
    assert_eq!(world.handle(&[bad]).await, ["m1"]);
}

#[tokio::test]
async fn what_failed_for_good_is_not_attempted_again_while_the_dead_letter_queue_is_down() {
    for extra in ["", r#","strict":true"#] {
        let world = world(extra);
        world.order("1", fail_with(400));
        world.queues.sends.go_down();
        assert_eq!(world.handle(&[message("m1", "1")]).await, ["m1"]);
        world.obey_no_more();
        world.clock.advance(Duration::from_mins(1));
        assert_eq!(world.handle(&[again(message("m1", "1"), 2)]).await, ["m1"]);
        world.queues.sends.mend();
        world.clock.advance(Duration::from_mins(1));
        assert!(world.handle(&[again(message("m1", "1"), 3)]).await.is_empty());
        assert_eq!(world.dead_letters()[0].attributes[REASON].as_text(), Some("http-status"));
        assert_eq!((world.attempts().len(), world.status("1")), (1, Some(Status::Quarantined)));
    }
}

#[tokio::test]
async fn an_unknown_tenant_an_unknown_sink_and_a_disabled_sink_are_quarantined_with_their_reasons() {
    let world = world(r#","enabled":false"#);
    let unknown_sink = build::incoming_delivery(&queue(), "m1", "other", &build::envelope("acme", "1", "t", "{}"));
    assert!(world.handle(&[unknown_sink, message("m2", "2")]).await.is_empty());
    let stranger = build::queue("bona", QUEUE);
    let foreign = build::incoming_delivery(&stranger, "m3", "crm", &build::envelope("bona", "3", "t", "{}"));
    assert!(world.handle(&[foreign]).await.is_empty());
    let reasons: Vec<_> =
        world.dead_letters().iter().map(|m| m.attributes[REASON].as_text().unwrap().to_owned()).collect();
    assert_eq!(reasons, ["unknown-sink", "sink-disabled"]);
    let foreign = world.queues.messages(&build::dead_letter_queue("bona", QUEUE));
    assert_eq!(foreign[0].attributes[REASON].as_text(), Some("unknown-tenant"));
    assert!(world.attempts().is_empty());
}

#[tokio::test]
async fn a_message_that_names_another_tenant_is_quarantined() {
    let world = world("");
    let mut liar = message("m1", "1");
    liar.body = liar.body.replace("\"data\":{}", "\"acequiatenant\":\"bona\"");
    assert!(world.handle(&[liar]).await.is_empty());
    assert_eq!(world.dead_letters()[0].attributes[REASON].as_text(), Some("foreign-tenant"));
    assert!(world.dead_letters()[0].attributes[DETAIL].as_text().unwrap().contains("another tenant"));
}

#[tokio::test]
async fn with_too_little_time_left_nothing_is_begun_and_the_claim_is_given_back() {
    let world = world(r#","strict":true"#);
    let event = serde_json::from_value(lambda_event(&[message("m1", "1")])).unwrap();
    let soon = Deadline::at(after(build::start(), Duration::from_secs(5)));
    let response = world.sink_loop.handle(event, soon).await.unwrap();
    assert_eq!(response.batch_item_failures.len(), 1);
    assert!(world.attempts().is_empty());
    assert!(world.handle(&[again(message("m1", "1"), 2)]).await.is_empty());
    assert_eq!(world.attempts(), [("1".to_owned(), 1)]);
}

#[tokio::test]
async fn a_tenant_that_records_failures_only_pays_no_write_for_what_goes_well() {
    let world = world("");
    world.tenants.put(&build::tenant_id("acme"), document("").replace("\"name\"", "\"record\":\"failures\",\"name\""));
    world.order("2", fail_with(503));
    assert_eq!(world.handle(&[message("m1", "1"), message("m2", "2")]).await, ["m2"]);
    assert_eq!((world.status("1"), world.status("2")), (None, Some(Status::Retry)));
}
