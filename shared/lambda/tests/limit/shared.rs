//! A rate that tenants share, beside the rates of their sinks.

use std::time::Duration;

use acequia_core::delivery::rate::Rate;
use acequia_lambda::SharedRate;

use crate::world::{Instance, World, most_within, world_of};

const TEN: Duration = Duration::from_secs(10);

/// Twenty a second for all.
fn mail() -> SharedRate {
    SharedRate { name: "mail", rate: Rate { per_second: 20.0, burst: 20 } }
}

/// Instances that know already that two tenants share the rate.
async fn instances(world: &World) -> Vec<Instance> {
    let instances = vec![world.instance(Some(mail())), world.instance(Some(mail()))];
    for _ in 0..2 {
        world.enqueue("acme", "plain", 1_000_000 + world.starts(), 2).await;
        world.enqueue("birch", "plain", 1_000_000 + world.starts(), 2).await;
        world.pass(&instances, 15).await;
    }
    world.starts.lock().unwrap().clear();
    instances
}

#[tokio::test]
async fn a_mail_passes_the_shared_rate_and_its_sinks_own_whichever_is_slower() {
    let world = world_of(&[("plain", ""), ("slow", r#","rate":"2/s""#), ("fast", r#","rate":"15/s""#)]);
    let instances = instances(&world).await;
    for (tenant, sink) in [("acme", "slow"), ("acme", "fast"), ("birch", "plain")] {
        world.enqueue(tenant, sink, 0, 300).await;
    }
    world.pass(&instances, 200).await;
    assert_eq!(world.starts(), 900, "all are delivered");
    // Messages are hidden for whole seconds, so that the starts of eleven seconds may fall into ten.
    let slow = most_within(&world.times(|start| start.sink == "slow"), TEN);
    assert!(slow <= 24, "{slow} starts in ten seconds at two a second");
    let fast = most_within(&world.times(|start| start.sink == "fast"), TEN);
    assert!(fast <= 120, "{fast} starts in ten seconds, of a part of ten a second");
    // What passed the shared line a moment ago may wait in its sink's, and start beside others.
    let acme = most_within(&world.times(|start| start.tenant == "acme"), TEN);
    assert!(acme <= 130, "{acme} starts in ten seconds, of a part of ten a second");
    let all = most_within(&world.times(|_| true), TEN);
    assert!(all <= 250, "{all} starts in ten seconds at twenty a second");
}

#[tokio::test]
async fn a_slow_sinks_backlog_takes_no_more_of_the_shared_rate_than_it_may_start() {
    let world = world_of(&[("plain", ""), ("slow", r#","rate":"1/s""#)]);
    let instances = instances(&world).await;
    world.enqueue("acme", "slow", 0, 2000).await;
    for round in 0..20 {
        world.enqueue("acme", "plain", round * 10, 10).await;
        world.pass(&instances, 3).await;
    }
    assert!(world.times(|start| start.sink == "plain").len() >= 190, "the other sink's mails do not wait behind them");
    let slow = most_within(&world.times(|start| start.sink == "slow"), TEN);
    assert!((9..=12).contains(&slow), "{slow} starts in ten seconds at one a second");
}
