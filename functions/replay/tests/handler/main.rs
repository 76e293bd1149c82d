//! The replay function over ports in memory: replays that wait, run in slices, killed at every step.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop it where it was made"
)]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use acequia_core::port::TenantStore as _;
use acequia_core::replay::{MOST_FAILED, State};
use acequia_operations::replay::request;
use acequia_testkit::build;
use world::World;

/// What the audit log has of replays.
fn audited(world: &World) -> Vec<String> {
    let rows = world.drive(world.tenants.audit(&build::tenant_id("acme"))).unwrap();
    rows.into_iter().filter(|row| row.actor == "key-1").map(|row| row.summary).collect()
}

#[test]
fn a_replay_that_waits_is_run_to_its_end_and_the_audit_log_has_both_ends() {
    let world = World::filled(&["acme"]);
    let id = world.asks("acme", 100, false);
    world.invoke();
    assert_eq!(world.sent("acme").len(), 30);
    let replay = world.replay("acme", &id);
    assert_eq!((replay.state, replay.progress.tally.deliveries, replay.hold), (State::Done, 30, None));
    assert_eq!(
        audited(&world),
        [format!("begun: replay {id} by the platform"), format!("ended: replay {id} done, 30 deliveries sent")]
    );
    assert!(world.queued().is_empty());
    world.invoke();
    assert_eq!(world.sent("acme").len(), 0, "nothing comes again");
    assert_eq!(world.metric("replay_sent"), 30);
}

#[test]
fn a_dry_run_counts_what_a_run_would_send_and_sends_nothing() {
    let world = World::filled(&["acme"]);
    let id = world.asks("acme", 1, true);
    world.invoke();
    let replay = world.replay("acme", &id);
    assert_eq!((replay.state, replay.progress.tally.deliveries), (State::Done, 30));
    assert!(world.sent("acme").is_empty());
}

#[test]
fn many_slow_replays_take_turns_and_go_on_in_the_next_invocation() {
    let tenants = ["acme", "bona", "cedar", "dalia", "elder", "fern"];
    let world = World::filled(&tenants);
    let ids: Vec<_> = tenants.iter().map(|tenant| (*tenant, world.asks(tenant, 1, false))).collect();
    // Six slices of twenty seconds on four lanes, and some of the second turn.
    world.invoke_for(Duration::from_secs(75));
    for (tenant, id) in &ids {
        let replay = world.replay(tenant, id);
        assert!(replay.progress.tally.deliveries > 5, "{tenant} had no turn: {}", replay.progress.tally.deliveries);
        assert!(replay.state == State::Done || replay.hold.is_none(), "nobody holds {tenant}'s between two slices");
    }
    assert!(ids.iter().any(|(tenant, id)| world.replay(tenant, id).state == State::Running), "all ended at once");
    for _ in 0..3 {
        world.invoke();
    }
    for (tenant, id) in &ids {
        assert_eq!(world.replay(tenant, id).state, State::Done, "{tenant}");
        assert_eq!(world.sent(tenant).len(), 30, "{tenant}: each once");
    }
}

#[test]
fn one_that_was_stopped_leaves_the_list_and_goes_on_where_it_was_when_it_waits_again() {
    let world = World::filled(&["acme"]);
    let tenant = build::tenant_id("acme");
    let id = world.asks("acme", 1, false);
    world.invoke_for(Duration::from_secs(45));
    let some = world.replay("acme", &id).progress.tally.deliveries;
    assert!((1..30).contains(&some), "{some}");
    world.drive(request::stop(&world.replays, &tenant, &id, ("key-1", &world.clock))).unwrap();
    world.invoke();
    assert_eq!(world.replay("acme", &id).progress.tally.deliveries, some);
    assert!(world.queued().is_empty());
    assert!(audited(&world).last().unwrap().starts_with(&format!("ended: replay {id} stopped")));
    let now = world.now();
    world.drive(request::resume(&world.replays, &tenant, &id, (Some(1_000), true), ("key-1", now))).unwrap();
    world.invoke();
    assert_eq!((world.replay("acme", &id).state, world.sent("acme").len()), (State::Done, 30));
}

#[test]
fn a_replay_that_cannot_go_on_is_stopped_or_tried_again_and_costs_the_others_nothing() {
    let world = World::filled(&["acme", "bona"]);
    world.loses_queue("acme");
    let (without, with) = (world.asks("acme", 100, false), world.asks("bona", 100, false));
    world.invoke();
    let stopped = world.replay("acme", &without);
    assert_eq!(stopped.state, State::Stopped);
    assert!(stopped.troubles[0].contains("there is no queue acequia_test_acme_webhook"), "{:?}", stopped.troubles);
    assert_eq!((world.replay("bona", &with).state, world.sent("bona").len()), (State::Done, 30));
    world.invoke();
    assert!(world.queued().is_empty(), "the stopped one, too");
    assert_eq!(world.metric("replay_failed"), 1);

    let world = World::filled(&["acme"]);
    let id = world.asks("acme", 100, false);
    world.archive.lists.go_down();
    for slice in 1..=MOST_FAILED {
        assert_eq!(world.replay("acme", &id).failed_slices, slice - 1, "one slice in an invocation");
        world.invoke();
    }
    let given_up = world.replay("acme", &id);
    assert_eq!((given_up.state, given_up.troubles.len()), (State::Stopped, 2), "{:?}", given_up.troubles);
}

#[test]
fn nothing_is_sent_that_the_audit_log_does_not_know_of() {
    let world = World::filled(&["acme"]);
    let id = world.asks("acme", 100, false);
    world.tenants.writes.go_down();
    world.invoke();
    assert!(world.sent("acme").is_empty());
    assert_eq!(world.replay("acme", &id).state, State::Waiting);
    world.tenants.writes.mend();
    world.invoke();
    assert_eq!(world.sent("acme").len(), 30);
}

#[test]
fn a_slice_that_is_killed_at_any_step_is_gone_on_with_and_nothing_is_lost() {
    let mut kills = 0;
    for steps in 0.. {
        let world = World::filled(&["acme"]);
        let id = world.asks("acme", 1, false);
        if world.killed_after(steps) {
            break;
        }
        kills += 1;
        world.clock.advance(acequia_core::replay::LEASE);
        for _ in 0..2 {
            world.invoke();
        }
        let (replay, sent) = (world.replay("acme", &id), world.sent("acme"));
        assert_eq!(replay.state, State::Done, "killed after {steps} steps");
        assert_eq!(replay.progress.tally.deliveries, 30);
        assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), 30, "killed after {steps} steps");
        // One a second, at most five seconds without a place written down, and what was under way.
        assert!(sent.len() <= 37, "{} messages, killed after {steps} steps", sent.len());
        assert!(world.queued().is_empty());
        let log = audited(&world);
        assert!(log[0].starts_with("begun") && log.last().unwrap().starts_with("ended"), "{log:?}");
    }
    assert!(kills > 50, "{kills}");
}
