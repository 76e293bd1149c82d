//! Where those wait for whom there is no place: outside their queue, of which SQS hides only so many.

use std::time::Duration;

use acequia_core::port::Clock as _;
use acequia_core::time::after;
use acequia_testkit::build;

use crate::world::{handle, messages, most_within, world};

#[tokio::test]
async fn what_finds_no_place_is_delayed_at_once_and_spends_no_attempt() {
    let world = world(r#","rate":"1/m","burst":1,"strict":true"#);
    let instance = world.instance(None);
    let batch = messages("acme", 0, 100, 1);
    assert_eq!(handle(&instance, &world.clock, &batch).await, 10, "one place a minute, for ten minutes");
    let rows = world.delays.rows();
    assert_eq!((world.starts(), rows.len()), (1, 89));
    let now = world.clock.now();
    let (least, most) = (after(now, Duration::from_mins(5)), after(now, Duration::from_mins(10)));
    assert!(rows.iter().all(|row| (least..=most).contains(&row.due_at)), "not all come back at once, and not too late");
    let attempts_used = |event: usize| {
        let key = build::delivery_key(&event.to_string(), "crm");
        world.ledger.record(&build::tenant_id("acme"), &key).unwrap().attempts_used
    };
    assert!((1..100).all(|event| attempts_used(event) == 0));
}

#[tokio::test]
async fn with_the_table_of_delayed_messages_down_what_finds_no_place_waits_hidden() {
    let world = world(r#","rate":"1/m","burst":1"#);
    world.delays.delays.go_down();
    assert_eq!(handle(&world.instance(None), &world.clock, &messages("acme", 0, 20, 1)).await, 19);
}

#[tokio::test]
async fn a_long_backlog_is_delivered_at_the_rate_with_ten_minutes_of_it_hidden_at_most() {
    let world = world(r#","rate":"2/s","burst":1"#);
    let instances = [world.instance(None), world.instance(None)];
    world.enqueue("acme", "crm", 0, 3000).await;
    let queue = build::queue("acme", acequia_core::queue::QueueRole::Sink(acequia_core::kind::SinkKind::Webhook));
    for _ in 0..40 {
        world.pass(&instances, 45).await;
        let hidden = world.queues.depth(&queue).hidden;
        assert!(hidden <= 1200, "{hidden} are hidden");
    }
    assert_eq!(world.starts(), 3000, "the line never runs empty for long");
    assert!(most_within(&world.times(|_| true), Duration::from_mins(1)) <= 123);
}
