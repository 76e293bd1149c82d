//! Webhooks: signed, tried again, given up, never redirected.

use e2e::world::{SECRET_HEADER, event};
use e2e::{eventually, world};
use serde_json::json;

/// The requests with this text, once there are as many.
fn arrived(endpoint: &str, holding: &str, count: usize) -> Vec<serde_json::Value> {
    eventually(&format!("{count} requests at {endpoint} with {holding}"), || {
        let found = world().requests(endpoint, holding);
        (found.len() >= count).then_some(found)
    })
}

#[test]
fn an_event_arrives_as_it_was_sent_signed_and_with_the_tenants_headers() {
    let world = world();
    let body = r#"{"type":"plain.a","specversion":"1.0","source":"/e2e","id":"as-sent","data":{"b":1.50,"a":"é"}}"#;
    world.send("alder", &[body]);
    let request = &arrived("plain", "as-sent", 1)[0];
    assert_eq!(request["body"], body, "bytes and order of keys are the producer's");
    assert_eq!(request["verified"], true, "by the standardwebhooks crate");
    assert_eq!(request["headers"]["x-team"], "red");
    assert_eq!(request["headers"]["authorization"], SECRET_HEADER);
    assert!(request["headers"]["webhook-id"].as_str().unwrap().starts_with("dlv_"));
}

/// A batch as SQS hands it over, of one delivery to each of these sinks of alder's.
fn batch(id: &str, sinks: &[&str]) -> serde_json::Value {
    let environment = &world().environment;
    let queue = format!("arn:aws:sqs:{}:000000000000:acequia_{}_alder_webhook", environment.region, environment.stage);
    let record = |sink: &&str| {
        json!({
            "messageId": format!("{id}-{sink}"), "receiptHandle": "none", "body": event("plain.batch", id, &json!({})),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000"},
            "messageAttributes": {
                "acequia-sink": {"stringValue": sink, "stringListValues": [], "binaryListValues": [], "dataType": "String"},
                "acequia-accepted-at": {"stringValue": "1767225600000", "stringListValues": [], "binaryListValues": [], "dataType": "Number"},
            },
            "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": queue, "awsRegion": environment.region,
        })
    };
    json!({"Records": sinks.iter().map(record).collect::<Vec<_>>()})
}

/// What a batch of one sink needs of the role, one of several must not need more of.
#[test]
fn a_batch_to_several_endpoints_is_delivered_with_the_deployed_role() {
    let world = world();
    let path = format!("/2015-03-31/functions/acequia-{}-webhook/invocations", world.environment.stage);
    let answer = world.aws.rest("lambda", "POST", &path, &batch("two-at-once", &["plain", "patterned"])).unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    arrived("plain", "two-at-once", 1);
    arrived("patterned", "two-at-once", 1);
}

#[test]
fn a_pattern_lets_through_what_matches_and_nothing_else() {
    let world = world();
    let french = event("plain.b", "pattern-fr", &json!({"country": "FR"}));
    let german = event("plain.b", "pattern-de", &json!({"country": "DE"}));
    world.send("alder", &[&german, &french]);
    arrived("patterned", "pattern-fr", 1);
    arrived("plain", "pattern-de", 1);
    assert!(world.requests("patterned", "pattern-de").is_empty());
    let explained = world.read(&["explain", "alder", "/e2e|pattern-de"]).to_string();
    assert!(explained.contains("patterned"), "the ledger says what filtered it: {explained}");
}

#[test]
fn after_a_503_the_same_delivery_is_tried_again_under_the_same_id() {
    let world = world();
    world.switch("flaky", "503 retry-after=1");
    world.send("alder", &[&event("flaky", "tried-again", &json!({}))]);
    arrived("flaky", "tried-again", 2);
    world.switch("flaky", "200");
    let explained = eventually("the ledger says delivered", || {
        let text = world.read(&["explain", "alder", "/e2e|tried-again"]).to_string();
        text.contains("\"delivered\"").then_some(text)
    });
    let requests = world.requests("flaky", "tried-again");
    let ids: Vec<_> = requests.iter().map(|request| request["headers"]["webhook-id"].clone()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    assert!(requests.iter().all(|request| request["verified"] == true), "each attempt has a signature of its own");
    assert!(explained.contains("503"), "the attempts are kept: {explained}");
}

#[test]
fn a_410_disables_the_endpoint_until_it_is_resumed_and_redriven_and_the_operators_are_told_once() {
    let world = world();
    let told = world.operators("e2e-told-of-410");
    world.switch("gone", "410");
    let first = event("gone", "gone-1", &json!({}));
    world.send("alder", &[&first]);
    let reason = eventually("the first is quarantined", || world.quarantined("alder", "webhook", &first));
    assert_eq!(reason, "endpoint-gone");
    world.switch("gone", "200");
    let second = event("gone", "gone-2", &json!({}));
    world.send("alder", &[&second]);
    let reason = eventually("the second is quarantined", || world.quarantined("alder", "webhook", &second));
    assert_eq!(reason, "sink-disabled");
    assert!(world.requests("gone", "gone-2").is_empty(), "nothing is sent to a disabled endpoint");
    world.acequia(&["tenant", "resume", "alder", "gone"], "");
    let third = event("gone", "gone-3", &json!({}));
    world.send("alder", &[&third]);
    arrived("gone", "gone-3", 1);
    assert_eq!(told("gone of alder"), ["Acequia: gone of alder is disabled"]);
}

#[test]
fn a_redirect_is_a_failure_and_no_second_request_is_made() {
    let world = world();
    world.switch("moved", &format!("302 location={}/trap", world.environment.receiver));
    let body = event("moved", "moved-1", &json!({}));
    world.send("alder", &[&body]);
    let reason = eventually("it is quarantined", || world.quarantined("alder", "webhook", &body));
    assert_eq!(reason, "attempts-exhausted");
    let explained = world.read(&["explain", "alder", "/e2e|moved-1"]).to_string();
    assert!(explained.contains("redirects are not followed"), "{explained}");
    assert_eq!(world.requests("moved", "moved-1").len(), 1);
    assert!(world.requests("trap", "moved-1").is_empty());
}
