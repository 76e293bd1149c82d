//! What holds deliveries back: the circuit breaker, a pause, and a rate.

use e2e::wait::{AFTER_LEASE, eventually_within};
use e2e::world::{event, sweep};
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

/// What `acequia status` says of alder.
fn status() -> Json {
    world().read(&["status", "alder"])["tenants"][0].clone()
}

/// The entry of a sink in one of its lists.
fn of_sink(list: &str, sink: &str) -> Option<Json> {
    status()[list].as_array()?.iter().find(|entry| entry["sink"] == sink).cloned()
}

#[test]
fn an_endpoint_that_fails_is_left_alone_until_a_probe_finds_it_well_and_then_gets_everything() {
    let world = world();
    world.switch("breaks", "503");
    let first: Vec<String> = (0..4).map(|n| event("breaks", &format!("breaks-{n}"), &json!({}))).collect();
    world.send("alder", &first.iter().map(String::as_str).collect::<Vec<_>>());
    let open =
        eventually("the circuit is open", || of_sink("endpoints", "breaks").filter(|one| one["circuit"] == "open"));
    assert!(open["failing_since"].is_string(), "{open}");
    world.switch("breaks", "200");
    let late = event("breaks", "breaks-late", &json!({}));
    world.send("alder", &[&late]);
    for id in ["breaks-0", "breaks-1", "breaks-2", "breaks-3", "breaks-late"] {
        // A probe that fails doubles the time before the next, and who may not probe waits 20 s each time.
        eventually_within(AFTER_LEASE, "it is delivered in the end", || {
            let text = world.read(&["explain", "alder", &format!("/e2e|{id}")]).to_string();
            text.contains("\"delivered\"").then_some(())
        });
    }
    assert!(of_sink("endpoints", "breaks").is_none(), "nothing bad is known any more");
    assert_eq!(
        world.requests("breaks", "breaks-late").len(),
        1,
        "it came while the circuit was open, and was sent once"
    );
}

#[test]
fn a_paused_sink_gets_nothing_and_resuming_it_brings_back_what_waited() {
    let world = world();
    let paused = world.read(&["tenant", "pause", "alder", "held"]);
    assert_eq!(paused["paused"], true);
    // Functions may go by the configuration before for five seconds: what they still send proves nothing.
    let waiting = eventually("a delivery is held", || {
        let id = format!("held-{}", world.requests("held", "held-").len());
        world.send("alder", &[&event("held", &id, &json!({}))]);
        of_sink("delayed", "held")
    });
    assert!(waiting["count"].as_u64() >= Some(1));
    let before = world.requests("held", "held-").len();
    world.acequia(&["tenant", "resume", "alder", "held"], "");
    eventually("what waited arrives", || {
        sweep();
        (world.requests("held", "held-").len() > before && of_sink("delayed", "held").is_none()).then_some(())
    });
    let log = world.read(&["audit", "alder"]).to_string();
    assert!(log.contains("paused held") && log.contains("resumed held"), "{log}");
}

#[test]
fn a_rate_is_kept_and_every_event_arrives_once() {
    let world = world();
    let bodies: Vec<String> = (0..30).map(|n| event("paced", &format!("paced-{n:02}"), &json!({}))).collect();
    for batch in bodies.chunks(10) {
        world.send("alder", &batch.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let requests = eventually("all arrive", || {
        let found = world.requests("paced", "paced-");
        (found.len() >= 30).then_some(found)
    });
    assert_eq!(requests.len(), 30, "each once");
    let mut at: Vec<u64> = requests.iter().map(|request| request["at_ms"].as_u64().unwrap()).collect();
    at.sort_unstable();
    // 30 at 4 a second with a burst of 4 take 6.5 s at least, give or take the two seconds by which messages may come
    // early.
    let lasted = at[29] - at[0];
    assert!(lasted >= 4_000, "30 deliveries at 4 a second within {lasted} ms");
}
