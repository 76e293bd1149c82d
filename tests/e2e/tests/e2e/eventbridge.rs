//! Deliveries to event buses: what a rule of the bus sees of them.

use e2e::world::{World, event};
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

const BUS: &str = "birch";

fn events(world: &World, operation: &str, asked: &Json) -> Json {
    world.aws.json("events", &format!("AWSEvents.{operation}"), asked).unwrap()
}

/// Makes the bus, with a rule that leads one type of event to a queue; answers what lies in that queue.
fn rule(world: &'static World, name: &'static str, pattern: &Json) -> impl Fn() -> Vec<Json> + use<> {
    world.aws.json("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": name})).unwrap();
    let queue = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    // Another test may have made it.
    let _ = world.aws.json("events", "AWSEvents.CreateEventBus", &json!({"Name": BUS}));
    let rule = json!({"Name": name, "EventBusName": BUS, "EventPattern": pattern.to_string()});
    events(world, "PutRule", &rule);
    let target = json!({"Rule": name, "EventBusName": BUS, "Targets": [{"Id": name, "Arn": queue}]});
    events(world, "PutTargets", &target);
    move || {
        let messages = world.messages(name);
        let body = |message: &Json| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
        messages.iter().map(body).collect()
    }
}

#[test]
fn a_rule_of_the_bus_sees_the_event_as_it_was_sent_under_its_source_and_type() {
    let world = world();
    let pattern = json!({"detail-type": ["bus"], "detail": {"data": {"n": [1]}}});
    let led = rule(world, "seen-by-a-rule", &pattern);
    let (wanted, other) = (event("bus", "on-the-bus", &json!({"n": 1})), event("bus", "elsewhere", &json!({"n": 2})));
    world.send("birch", &[&other, &wanted]);
    let seen = eventually("the event", || Some(led()).filter(|seen| !seen.is_empty()));
    let sent: Json = serde_json::from_str(&wanted).unwrap();
    assert_eq!(seen[0]["detail"], sent);
    assert_eq!((&seen[0]["source"], &seen[0]["detail-type"]), (&sent["source"], &sent["type"]));
    assert_eq!(seen.len(), 1, "its rule takes no other");
    let explained = world.run(&["--output", "json", "explain", "birch", "/e2e|on-the-bus"], "").stdout;
    assert!(explained.contains("\"bus\""), "{explained}");
}

#[test]
fn the_eventbridge_function_may_put_events_on_the_buses_of_the_platforms_list_alone() {
    let world = world();
    let role = world.aws.role_of("acequia-local-eventbridge");
    let put = |bus: &str| {
        let entry = json!({"EventBusName": bus, "Source": "/permission", "DetailType": "permission", "Detail": "{}"});
        role.json("events", "AWSEvents.PutEvents", &json!({"Entries": [entry]}))
    };
    put("arn:aws:events:us-east-1:000000000000:event-bus/birch").unwrap();
    let denied = put("arn:aws:events:us-east-1:111122223333:event-bus/birch").unwrap_err();
    assert!(denied.is_denied(), "{denied:?}");
    let queue = json!({"QueueUrl": world.queue_url("birch", "intake"), "MessageBody": "{}"});
    assert!(role.json("sqs", "AmazonSQS.SendMessage", &queue).unwrap_err().is_denied());
}
