//! Waits above 15 minutes: the message leaves its queue, and comes back when it is due; and events whose time is over.

use e2e::world::{event, sweep};
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

/// What `acequia status` says is delayed for a sink of alder's.
fn delayed(sink: &str) -> Option<Json> {
    let status = world().read(&["status", "alder"]);
    status["tenants"][0]["delayed"].as_array()?.iter().find(|delayed| delayed["sink"] == sink).cloned()
}

#[test]
fn a_retry_that_waits_for_an_hour_is_delayed_and_comes_back_when_it_is_due() {
    let world = world();
    world.switch("slow", "503");
    world.send("alder", &[&event("slow", "delayed-1", &json!({}))]);
    let waiting = eventually("the delivery is delayed", || delayed("slow"));
    assert_eq!(waiting["count"], 1);
    let listed = world.read(&["delayed", "alder", "--sink", "slow"]);
    assert_eq!((&listed["total"], &listed["messages"][0]["event"]), (&json!(1), &json!("/e2e|delayed-1")), "{listed}");
    let explained = world.read(&["explain", "alder", "/e2e|delayed-1"]).to_string();
    assert!(explained.contains("\"retry\""), "{explained}");
    assert!(world.peek("alder", "webhook").iter().all(|message| !message.to_string().contains("delayed-1")));
    world.switch("slow", "200");
    let resumed = world.read(&["tenant", "resume", "alder", "slow"]);
    assert_eq!(resumed["expedited"], 1);
    let requests = eventually("the second attempt", || {
        sweep();
        let found = world.requests("slow", "delayed-1");
        (found.len() >= 2).then_some(found)
    });
    assert_eq!(requests[0]["headers"]["webhook-id"], requests[1]["headers"]["webhook-id"]);
    eventually("the ledger says delivered", || {
        let text = world.read(&["explain", "alder", "/e2e|delayed-1"]).to_string();
        text.contains("\"delivered\"").then_some(())
    });
    assert_eq!(delayed("slow"), None, "nothing stays delayed");
}

#[test]
fn an_event_whose_time_is_over_is_recorded_as_expired_and_not_sent() {
    let world = world();
    let mut body: Json = serde_json::from_str(&event("plain.expired", "expired-1", &json!({}))).unwrap();
    body["expirytime"] = json!("2020-01-01T00:00:00Z");
    world.send("alder", &[&body.to_string()]);
    eventually("the ledger says expired", || {
        // Until it is routed the ledger knows nothing of it, and the command says so.
        let text = world.run(&["--output", "json", "explain", "alder", "/e2e|expired-1"], "").stdout;
        text.contains("\"expired\"").then_some(())
    });
    assert!(world.requests("plain", "expired-1").is_empty());
}
