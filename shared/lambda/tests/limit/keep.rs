//! One rate: who may start now, who waits for a place, and who holds deliveries back.

use std::time::Duration;

use acequia_core::delivery::ledger::Status;
use acequia_core::delivery::rate::Rate;
use acequia_core::message::Incoming;
use acequia_core::port::Clock as _;
use acequia_core::time::after;
use acequia_lambda::SharedRate;
use acequia_testkit::build;

use crate::world::{document, handle, messages, world};

#[tokio::test]
async fn two_instances_together_keep_the_rate_and_the_excess_comes_back_in_its_turn() {
    let world = world(r#","rate":"10/s""#);
    let (one, two) = (world.instance(None), world.instance(None));
    assert_eq!(handle(&one, &world.clock, &messages("acme", 0, 10, 1)).await, 0);
    assert_eq!(handle(&two, &world.clock, &messages("acme", 10, 10, 1)).await, 10, "the other took the burst");
    assert_eq!(world.starts(), 10);
    let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("19", "crm")).unwrap();
    assert_eq!((record.attempts_used, record.status), (0, Status::Retry), "no attempt was spent");
    assert_eq!(record.reservation.unwrap().at.duration_since(world.clock.now()).as_secs(), 1);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(handle(&one, &world.clock, &messages("acme", 10, 10, 2)).await, 0, "each has its place now");
    assert_eq!(world.starts(), 20);
}

#[tokio::test]
async fn a_backlog_is_delivered_at_the_rate_and_each_waits_once() {
    let world = world(r#","rate":"10/s","burst":1"#);
    let instance = world.instance(None);
    assert_eq!(handle(&instance, &world.clock, &messages("acme", 0, 100, 1)).await, 99);
    for _ in 0..100 {
        world.clock.advance(Duration::from_millis(100));
        let due: Vec<Incoming> = messages("acme", 0, 100, 2)
            .into_iter()
            .filter(|message| {
                let id = message.message_id.trim_start_matches("m-");
                let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key(id, "crm")).unwrap();
                record.status == Status::Retry && record.due_at.unwrap() <= world.clock.now()
            })
            .collect();
        if !due.is_empty() {
            assert_eq!(handle(&instance, &world.clock, &due).await, 0, "nobody waits twice");
        }
    }
    let starts = world.times(|_| true);
    assert_eq!(starts.len(), 100);
    for start in &starts {
        // A message is hidden for whole seconds, so that the starts of a second may fall together.
        let within = starts.iter().filter(|at| **at >= *start && **at < after(*start, Duration::from_secs(4))).count();
        assert!(within <= 50, "{within} starts in four seconds");
    }
}

#[tokio::test]
async fn a_new_rate_holds_from_the_next_configuration_on_and_loses_nobody() {
    let world = world(r#","rate":"1/s","burst":1"#);
    let instance = world.instance(None);
    assert_eq!(handle(&instance, &world.clock, &messages("acme", 0, 5, 1)).await, 4);
    world.tenants.put(&build::tenant_id("acme"), document("acme", r#","rate":"100/s""#));
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(handle(&instance, &world.clock, &messages("acme", 0, 5, 2)).await, 0);
    assert_eq!(handle(&instance, &world.clock, &messages("acme", 10, 90, 1)).await, 0);
    assert_eq!(world.starts(), 95);
}

#[tokio::test]
async fn without_a_rate_no_call_is_made() {
    let world = world("");
    handle(&world.instance(None), &world.clock, &messages("acme", 0, 100, 1)).await;
    assert_eq!((world.starts(), world.rates.faults.calls()), (100, 0));
}

#[tokio::test]
async fn with_the_store_of_rates_down_nothing_starts_and_all_comes_back() {
    let world = world(r#","rate":"10/s""#);
    world.rates.faults.go_down();
    let instance = world.instance(None);
    assert_eq!(handle(&instance, &world.clock, &messages("acme", 0, 5, 1)).await, 5);
    assert_eq!(world.starts(), 0);
    world.rates.faults.mend();
    assert_eq!(handle(&instance, &world.clock, &messages("acme", 0, 5, 2)).await, 0);
}

#[tokio::test]
async fn tenants_who_share_a_rate_have_equal_parts_of_it() {
    let world = world("");
    let shared = || Some(SharedRate { name: "mail", rate: Rate { per_second: 10.0, burst: 10 } });
    let (one, two) = (world.instance(shared()), world.instance(shared()));
    assert_eq!(handle(&one, &world.clock, &messages("acme", 0, 10, 1)).await, 0, "alone, a tenant has all of it");
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(handle(&two, &world.clock, &messages("birch", 0, 10, 1)).await, 5, "of two, each has half");
    assert_eq!(
        handle(&one, &world.clock, &messages("acme", 10, 10, 1)).await,
        9,
        "a part that is new has saved up nothing"
    );
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(handle(&one, &world.clock, &messages("acme", 20, 10, 1)).await, 5);
    assert_eq!(handle(&two, &world.clock, &messages("birch", 20, 10, 1)).await, 5);
}

#[tokio::test]
async fn a_paused_sink_gets_nothing_and_what_waits_for_it_is_delayed_without_an_attempt() {
    let world = world(r#","paused":true,"strict":true"#);
    let instance = world.instance(None);
    assert_eq!(handle(&instance, &world.clock, &messages("acme", 0, 10, 1)).await, 0, "delayed, not hidden");
    assert_eq!((world.starts(), world.delays.rows().len()), (0, 10));
    assert!(world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("0", "crm")).is_none(), "nor claimed");
}
