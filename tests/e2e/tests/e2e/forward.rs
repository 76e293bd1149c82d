//! Forwarding to the tenant's own queues.

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

fn with_body(queue: (&str, &str), body: &str) -> Vec<Json> {
    world().peek(queue.0, queue.1).into_iter().filter(|message| message["Body"] == body).collect()
}

#[test]
fn an_event_comes_out_of_the_tenants_queue_as_it_was_sent_with_its_delivery_id() {
    let world = world();
    let body = event("out", "forwarded", &json!({"n": 1}));
    world.send("alder", &[&body]);
    let found =
        eventually("the message", || Some(with_body(("alder", "out"), &body)).filter(|found| !found.is_empty()));
    let attributes = &found[0]["MessageAttributes"];
    assert!(attributes["acequia-delivery-id"]["StringValue"].as_str().unwrap().starts_with("dlv_"));
    assert_eq!(attributes["acequia-tenant"]["StringValue"], "alder");
}

#[test]
fn procas_messages_pass_byte_for_byte_with_procas_attributes() {
    let world = world();
    let samples = std::fs::read_to_string(world.environment.root.join("tests/fixtures/events/proca.json")).unwrap();
    let samples: Vec<String> = serde_json::from_str(&samples).unwrap();
    let bodies: Vec<&str> = samples.iter().map(String::as_str).collect();
    world.send("alder", &bodies);
    for body in bodies {
        let message: Json = serde_json::from_str(body).unwrap();
        let found = eventually("the message", || with_body(("alder", "out"), body).into_iter().next());
        let attributes = found["MessageAttributes"].as_object().unwrap();
        let text = |name: &str| attributes.get(name).and_then(|attribute| attribute["StringValue"].as_str());
        assert_eq!(text("Schema"), message["schema"].as_str(), "{body}");
        assert_eq!(text("CampaignName"), Some("no-coal"));
        assert!(
            attributes.keys().all(|name| ["Schema", "Stage", "CampaignName", "ActionType"].contains(&name.as_str()))
        );
        let request = eventually("the request", || world.requests("proca-hook", body).into_iter().next());
        assert_eq!(request["body"], body);
        assert_eq!(request["headers"]["content-type"], "application/json");
        assert_eq!(request["verified"], true);
    }
}

#[test]
fn a_queue_that_keeps_order_has_each_event_once_however_often_it_is_sent() {
    let world = world();
    let bodies: Vec<String> = (0..3).map(|n| event("ordered", &format!("ordered-{n}"), &json!({}))).collect();
    let twice: Vec<&str> = bodies.iter().chain(&bodies).map(String::as_str).collect();
    world.send("birch", &twice);
    for body in &bodies {
        eventually("each is there", || (!with_body(("birch", "out.fifo"), body).is_empty()).then_some(()));
    }
    eventually("nothing is on the way", || {
        let on_the_way = ["intake", "forward"].iter().any(|queue| !world.peek("birch", queue).is_empty());
        (!on_the_way).then_some(())
    });
    for body in &bodies {
        let found = with_body(("birch", "out.fifo"), body);
        assert_eq!(found.len(), 1, "{body}");
        assert!(found[0]["MessageGroupId"].is_string());
    }
}
