//! Bad input: into the dead-letter queue at once, with the reason, while its neighbours in the batch are delivered.

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::json;

/// A body that is no good, and the reason it must get.
fn bad_bodies() -> Vec<(String, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let many = (0..300).map(|n| format!("\"x{n}\":0,")).collect::<Vec<_>>().concat();
    let whole = |change: &str, to: &str| {
        let good = event("plain.c", "bad", &json!({}));
        assert!(good.contains(change), "{change}");
        good.replace(change, to)
    };
    vec![
        ("this is not JSON".to_owned(), "not-json"),
        ("[1, 2]".to_owned(), "not-cloud-events"),
        ("\"text\"".to_owned(), "not-cloud-events"),
        (whole("\"1.0\"", "\"0.3\""), "spec-version"),
        (whole("\"specversion\"", "\"version\""), "missing-attribute"),
        (whole("\"id\"", "\"no-id\""), "missing-attribute"),
        (whole("\"source\"", "\"no-source\""), "missing-attribute"),
        (whole("\"type\"", "\"no-type\""), "missing-attribute"),
        (whole("\"/e2e\"", "\"a b\""), "bad-attribute"),
        (whole("\"data\"", "\"acequiatenant\":\"birch\",\"data\""), "foreign-tenant"),
        (whole("\"data\":{}", &format!("\"data\":{deep}")), "too-deep"),
        (whole("\"data\"", "\"time\":\"lunchtime\",\"data\""), "bad-attribute"),
        (whole("\"data\"", "\"myExtension\":\"x\",\"data\""), "bad-attribute"),
        (whole("\"/e2e\"", "\"/acequia/consent\""), "bad-attribute"),
        (whole("\"plain.c\"", "\"acequia.consent.rejected\""), "bad-attribute"),
        (whole("\"data\"", &format!("{many}\"data\"")), "not-cloud-events"),
    ]
}

#[test]
fn every_bad_body_is_quarantined_with_its_reason_and_its_neighbours_are_delivered() {
    let world = world();
    for (index, (body, wanted)) in bad_bodies().iter().enumerate() {
        let [before, after] =
            ["before", "after"].map(|at| event("plain.c", &format!("{at}-bad-{index}-x"), &json!({})));
        world.send("alder", &[&before, body, &after]);
        let reason = eventually(&format!("{body:.60} is quarantined"), || world.quarantined("alder", "intake", body));
        assert_eq!(reason, *wanted, "{body:.60}");
        for at in ["before", "after"] {
            let id = format!("{at}-bad-{index}-x");
            eventually("its neighbour arrives", || (!world.requests("plain", &id).is_empty()).then_some(()));
        }
    }
}

#[test]
fn an_event_of_almost_a_mebibyte_is_quarantined_as_too_large() {
    let world = world();
    let body = event("plain.c", "too-large", &json!({"fill": "x".repeat(1_035_000)}));
    world.send("alder", &[&body]);
    assert_eq!(eventually("it is quarantined", || world.quarantined("alder", "intake", &body)), "too-large");
}

#[test]
fn what_matches_no_sink_is_recorded_as_unmatched() {
    let world = world();
    world.send("alder", &[&event("nobody.wants", "unmatched", &json!({}))]);
    let explained = eventually("the ledger knows it", || {
        let ran = world.run(&["--output", "json", "explain", "alder", "/e2e|unmatched"], "");
        (ran.code == 0 && ran.stdout.contains("unmatched")).then_some(ran.stdout)
    });
    assert!(explained.contains("true") || explained.contains("\"unmatched\""), "{explained}");
}

#[test]
fn a_tenant_without_a_configuration_has_its_messages_quarantined() {
    let world = world();
    let body = event("plain.c", "no-configuration", &json!({}));
    world.send("unknown", &[&body]);
    assert_eq!(eventually("it is quarantined", || world.quarantined("unknown", "intake", &body)), "unknown-tenant");
}

#[test]
fn a_dead_letter_that_is_no_event_is_found_shown_and_deleted_by_its_message() {
    let world = world();
    let body = "by its message: this is no JSON";
    world.put("unknown", "intake-dlq", body, &[("acequia-reason", "String", "not-json")]);
    let message = eventually("it is listed", || {
        let listed = world.read(&["dlq", "list", "unknown", "--queue", "intake", "--reason", "not-json"]);
        listed["messages"][0]["message_id"].as_str().map(str::to_owned)
    });
    let shown = eventually("it is shown", || {
        let ran = world.run(&["--output", "json", "dlq", "show", "unknown", "--message", &message, "--body"], "");
        (ran.code == 0).then(|| serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap())
    });
    assert_eq!((&shown["event"], &shown["letters"][0]["body"]), (&serde_json::Value::Null, &json!(body)));
    let purged = world.read(&["dlq", "purge", "unknown", "--message", &message, "--yes"]);
    assert_eq!(purged["purged"], 1, "{purged}");
}

#[test]
fn a_disabled_sink_keeps_its_deliveries_in_the_dead_letter_queue() {
    let world = world();
    let body = event("off", "disabled", &json!({}));
    world.send("alder", &[&body]);
    assert_eq!(eventually("it is quarantined", || world.quarantined("alder", "webhook", &body)), "sink-disabled");
    assert!(world.requests("off", "disabled").is_empty());
}

#[test]
fn a_delivery_to_a_sink_that_is_not_there_is_quarantined() {
    let world = world();
    let body = event("plain.c", "no-such-sink", &json!({}));
    let attributes = [("acequia-sink", "String", "vanished"), ("acequia-accepted-at", "Number", "1700000000000")];
    world.put("alder", "webhook", &body, &attributes);
    assert_eq!(eventually("it is quarantined", || world.quarantined("alder", "webhook", &body)), "unknown-sink");
}

#[test]
fn what_the_router_did_not_write_is_no_delivery() {
    let world = world();
    let body = event("plain.c", "smuggled", &json!({}));
    world.put("alder", "webhook", &body, &[]);
    assert_eq!(eventually("it is quarantined", || world.quarantined("alder", "webhook", &body)), "not-a-delivery");
    assert!(world.requests("plain", "smuggled").is_empty());
}
