//! One tenant's trouble reaches no other tenant.

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::json;

#[test]
fn a_tenants_events_reach_no_other_tenants_sinks() {
    let world = world();
    world.send("alder", &[&event("plain.d", "only-alder", &json!({}))]);
    world.send("birch", &[&event("plain.d", "only-birch", &json!({}))]);
    eventually("alder's arrives", || (!world.requests("plain", "only-alder").is_empty()).then_some(()));
    eventually("birch's arrives", || (!world.requests("neighbour", "only-birch").is_empty()).then_some(()));
    // Birch takes every type, so an event of alder's that went astray would show there.
    assert!(world.requests("neighbour", "only-alder").is_empty());
    assert!(world.requests("plain", "only-birch").is_empty());
}

#[test]
fn a_redrive_by_the_command_empties_the_dead_letter_queue_and_delivers() {
    let world = world();
    world.switch("down", "503");
    let bodies: Vec<String> = (0..3).map(|n| event("down", &format!("down-{n}-x"), &json!({}))).collect();
    world.send("alder", &bodies.iter().map(String::as_str).collect::<Vec<_>>());
    for body in &bodies {
        let reason = eventually("it is quarantined", || world.quarantined("alder", "webhook", body));
        assert_eq!(reason, "attempts-exhausted");
    }
    let listed = world.read(&["dlq", "list", "alder", "--queue", "webhook"]).to_string();
    assert!(listed.contains("attempts-exhausted"), "{listed}");
    world.switch("down", "200");
    world.acequia(&["dlq", "redrive", "alder", "--queue", "webhook", "--yes"], "");
    for body in &bodies {
        eventually("it has left the dead-letter queue", || {
            world.quarantined("alder", "webhook", body).is_none().then_some(())
        });
    }
    for n in 0..3 {
        let explained = || world.read(&["explain", "alder", &format!("/e2e|down-{n}-x")]).to_string();
        eventually("it is delivered", || explained().contains("\"delivered\"").then_some(()));
    }
}
