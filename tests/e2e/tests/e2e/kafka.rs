//! A topic that feeds a tenant, from a broker over the poller that plays Lambda's mapping to the tenant's sinks.

use std::io::Write as _;
use std::process::{Command, Stdio};

use e2e::world::{World, event};
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

/// Puts records into a topic of this name, and lets the poller bring them to the function.
fn bring(world: &World, topic: &str, records: &Json) -> Json {
    let queue = format!("acequia-local-birch-kafka-{topic}");
    world.aws.json("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": queue})).unwrap();
    let failed = format!("{}/000000000000/{queue}", world.environment.endpoint);
    let mut through = Command::new(world.environment.root.join(".venv/kafka/bin/python"));
    through.arg(world.environment.root.join("tools/kafka/through.py"));
    through.args(["--topic", topic, "--function", "acequia-local-kafka:live", "--failed-queue-url", &failed]);
    through.args(["--endpoint-url", &world.environment.endpoint]).envs(world.aws.variables());
    through.env("AWS_DEFAULT_REGION", &world.environment.region);
    let mut child = through.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(records.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Says whose the topic is, as `infra/tenant-kafka.yaml` does.
fn map(world: &World, topic: &str) {
    let intake = "arn:aws:sqs:us-east-1:000000000000:acequia_local_birch_intake";
    let parameter = json!({"Name": format!("/acequia/local/kafka/{topic}"), "Type": "String", "Value": intake});
    world.aws.json("ssm", "AmazonSSM.PutParameter", &parameter).unwrap();
}

#[test]
fn records_of_a_topic_that_feeds_a_tenant_reach_its_sinks_and_what_is_no_event_its_dead_letter_queue() {
    let world = world();
    map(world, "e2e-orders");
    let structured = event("kafka", "kafka-structured", &json!({"n": 1}));
    let records = json!([
        {"value": "kafka-poison"},
        {"value": structured, "headers": {"content-type": "application/cloudevents+json"}},
        {"value": null, "key": "kafka-tombstone"},
        {"value": "{\"n\":2}", "key": "k", "headers": {"ce_specversion": "1.0", "ce_id": "kafka-binary", "ce_source": "/e2e", "ce_type": "kafka"}},
    ]);
    let brought = bring(world, "e2e-orders", &records);
    assert_eq!((&brought["passed"], &brought["given_up"]), (&json!(true), &json!([])), "{brought}");
    for id in ["kafka-structured", "kafka-binary"] {
        eventually("the request", || world.requests("neighbour", id).into_iter().next());
    }
    let reason = eventually("the dead letter", || world.quarantined("birch", "intake", "kafka-poison"));
    assert_eq!(reason, "not-json");
}

#[test]
fn records_of_a_topic_that_no_stack_maps_are_given_up_and_reach_nobody() {
    let world = world();
    let lost = event("kafka", "kafka-nobodys", &json!({}));
    let brought = bring(world, "e2e-nobodys", &json!([{ "value": lost }]));
    let given_up = &brought["given_up"][0]["KafkaBatchInfo"]["e2e-nobodys-0"];
    assert_eq!(given_up, &json!({"startOffset": 0, "endOffset": 0}), "{brought}");
    assert!(world.requests("neighbour", "kafka-nobodys").is_empty());
}
