//! A rate that changes in the middle of a backlog.

use std::time::Duration;

use acequia_core::delivery::rate::Rate;
use acequia_lambda::SharedRate;
use acequia_testkit::build;

use crate::world::{Instance, World, document, most_within, world};

const TEN: Duration = Duration::from_secs(10);

/// How long until all instances go by a new configuration.
const LEARNED: u64 = 6;

/// A backlog of so many at one rate, and after ten seconds another one, which all instances know by now.
async fn changed(backlog: usize, old: &str, new: &str) -> (World, [Instance; 2]) {
    let world = world(old);
    let instances = [world.instance(None), world.instance(None)];
    world.enqueue("acme", "crm", 0, backlog).await;
    world.pass(&instances, 10).await;
    world.tenants.put(&build::tenant_id("acme"), document("acme", new));
    world.pass(&instances, LEARNED).await;
    (world, instances)
}

#[tokio::test]
async fn a_rate_that_is_lowered_holds_within_seconds_though_places_of_the_old_one_were_given() {
    let (world, instances) = changed(400, r#","rate":"10/s","burst":1"#, r#","rate":"1/s","burst":1"#).await;
    let before = world.starts();
    assert!((90..180).contains(&before), "{before} started at the old rate");
    world.starts.lock().unwrap().clear();
    world.pass(&instances, 60).await;
    let most = most_within(&world.times(|_| true), TEN);
    assert!((9..=12).contains(&most), "{most} starts in ten seconds at one a second");
    world.pass(&instances, 600).await;
    assert_eq!(world.starts() + before, 400, "nobody is lost");
}

#[tokio::test]
async fn behind_a_rate_that_is_raised_newcomers_do_not_wait_for_the_old_ones_places() {
    let (world, instances) = changed(300, r#","rate":"1/s","burst":1"#, r#","rate":"50/s","burst":1"#).await;
    let before = world.starts();
    world.enqueue("acme", "crm", 300, 100).await;
    world.pass(&instances, 5).await;
    assert!(world.starts() >= before + 100, "the new ones start at the new rate");
    assert!(world.starts() < before + 120, "what was hidden comes back at its old time");
    world.pass(&instances, 300).await;
    assert_eq!(world.starts(), 400);
    assert!(most_within(&world.times(|_| true), TEN) <= 551);
}

#[tokio::test]
async fn a_tenant_that_begins_to_send_gets_its_part_though_another_has_a_backlog() {
    let world = world("");
    let mail = || Some(SharedRate { name: "mail", rate: Rate { per_second: 20.0, burst: 20 } });
    let instances = [world.instance(mail()), world.instance(mail())];
    world.enqueue("acme", "crm", 0, 3000).await;
    world.pass(&instances, 15).await;
    let alone = most_within(&world.times(|_| true), TEN);
    assert!((180..=240).contains(&alone), "{alone} starts in ten seconds of a tenant that is alone");
    world.enqueue("birch", "crm", 0, 600).await;
    world.pass(&instances, 15).await;
    world.starts.lock().unwrap().clear();
    world.pass(&instances, 30).await;
    for tenant in ["acme", "birch"] {
        let part = most_within(&world.times(|start| start.tenant == tenant), TEN);
        assert!((90..=120).contains(&part), "{part} starts of {tenant} in ten seconds, of a part of ten a second");
    }
    world.pass(&instances, 600).await;
    assert!(world.times(|start| start.tenant == "birch").len() >= 400);
}

#[tokio::test]
async fn who_shares_may_come_and_go_and_no_burst_is_given_for_that() {
    let world = world("");
    let mail = || Some(SharedRate { name: "mail", rate: Rate { per_second: 1.0, burst: 60 } });
    let instances = [world.instance(mail()), world.instance(mail())];
    for round in 0..60 {
        world.enqueue("acme", "crm", round * 50, 50).await;
        if round % 9 == 0 {
            world.enqueue("birch", "crm", round * 50, 1).await;
        }
        world.pass(&instances, 10).await;
    }
    let starts = world.times(|start| start.tenant == "acme").len();
    // One burst at the beginning, and at each of 14 changes at most ten seconds in which one instance does not know
    // yet.
    assert!(starts <= 600 + 60 + 14 * 10, "{starts} starts in ten minutes at one a second");
}
