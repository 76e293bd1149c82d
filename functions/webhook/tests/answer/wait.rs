//! How long deliveries wait: what Retry-After asks for is kept to, and an answer without an end costs little.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::Status;
use acequia_core::port::Clock as _;
use acequia_lambda::SystemClock;
use acequia_testkit::{FixedClock, build};

use crate::world::{Manners, Server, World, world, world_at};

/// The seconds until a delivery is due.
fn wait(world: &World, event: &str) -> i64 {
    let due = world.record(event).due_at.unwrap();
    due.duration_since(world.clock.now()).as_secs()
}

#[tokio::test]
async fn retry_after_is_kept_to_whatever_the_status_and_a_long_wait_is_delayed() {
    for code in [503, 429, 404, 302] {
        let server = Server::start(Manners::answers(code, "retry-after: 100\r\n")).await;
        let world = world(&server.url(), r#","retry":["5s"]"#);
        assert_eq!(world.deliver_one("1").await, ["1"]);
        let wait = wait(&world, "1");
        assert!((100..=120).contains(&wait), "{code}: {wait}: what was asked for, and up to a fifth more");
    }
    for (asked, least, most) in [("3600", 3_600, 4_200), ("86400", 86_400, 87_000), ("9999999", 86_400, 87_000)] {
        let server = Server::start(Manners::answers(503, &format!("retry-after: {asked}\r\n"))).await;
        let world = world(&server.url(), r#","retry":["5s"]"#);
        assert!(world.deliver_one("1").await.is_empty(), "it left the queue");
        assert_eq!(world.delays.rows().len(), 1);
        let wait = wait(&world, "1");
        assert!((least..=most).contains(&wait), "{asked}: {wait}");
    }
}

#[tokio::test]
async fn a_wait_that_would_end_after_the_expiry_ends_with_it_and_nothing_is_sent_before_what_was_asked_for() {
    let server = Server::start(Manners::answers(503, "retry-after: 3600\r\n")).await;
    let world = world(&server.url(), r#","retry":["5s"],"expires_after":"5m""#);
    assert_eq!(world.deliver_one("1").await, ["1"]);
    assert_eq!(wait(&world, "1"), 302);
    server.switch(Manners::answers(204, ""));
    world.clock.advance(Duration::from_secs(302));
    assert!(world.deliver_accepted_at(&["1".to_owned()], 2, build::start()).await.is_empty());
    assert_eq!((world.record("1").status, server.requests()), (Status::Expired, 1));
}

#[tokio::test]
async fn an_answer_whose_body_never_ends_is_decided_by_its_status_and_costs_a_moment() {
    let endless = |code: u16| Manners::Writes(format!("HTTP/1.1 {code} Reason\r\ncontent-length: 999999\r\n\r\nbegun"));
    let server = Server::start(endless(200)).await;
    let world = world_at(&server.url(), r#","timeout":"20s""#, FixedClock::at(build::start()), Arc::new(SystemClock));
    let delivered = tokio::time::timeout(Duration::from_secs(10), world.deliver_one("1")).await;
    assert!(delivered.unwrap().is_empty());
    assert_eq!(world.record("1").status, Status::Delivered);
    server.switch(endless(503));
    let failed = tokio::time::timeout(Duration::from_secs(10), world.deliver_one("2")).await;
    assert_eq!(failed.unwrap(), ["2"]);
    assert_eq!(world.detail("2"), "the endpoint answered 503");
}
