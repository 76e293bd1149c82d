//! Traces: an event's context comes through every function, whatever it came in by.

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

use crate::door::{key, post};

/// The id of a trace, as W3C writes it and as AWS does.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ROOT: &str = "1-4bf92f35-77b34da6a3ce929d0e0e4736";

/// The message in the tenant's queue `out` with this event, as any consumer receives it: without taking it away.
fn message(id: &str) -> Json {
    let wanted = format!("\"id\":\"{id}\"");
    let look =
        || world().peek("alder", "out").into_iter().find(|message| message["Body"].as_str().unwrap().contains(&wanted));
    eventually(&format!("{id} is in the tenant's queue"), look)
}

fn attribute<'a>(message: &'a Json, name: &str) -> &'a Json {
    &message["MessageAttributes"][name]["StringValue"]
}

#[test]
fn a_trace_goes_from_the_door_to_queue_and_endpoint_and_is_told() {
    let world = world();
    let key = key("alder", &[]);
    let (of_request, of_event) = (format!("00-{TRACE}-00f067aa0ba902b7-01"), format!("00-{TRACE}-00000000000000aa-01"));
    let own =
        event("out", "traced-own", &json!({})).replace("\"data\"", &format!("\"traceparent\":\"{of_event}\",\"data\""));
    let body = [&event("out", "traced-1", &json!({})), &own, &event("plain.traced", "traced-2", &json!({}))];
    let headers = [("Content-Type", "application/x-ndjson"), ("traceparent", &of_request), ("tracestate", "rojo=1")];
    assert_eq!(post("alder", &key, &headers, body.map(String::as_str).join("\n")).status, 202);

    let first = message("traced-1");
    assert_eq!(attribute(&first, "traceparent"), &json!(of_request), "{first}");
    assert_eq!(attribute(&first, "tracestate"), &json!("rojo=1"));
    assert_eq!(attribute(&message("traced-own"), "traceparent"), &json!(of_event), "the event's own counts more");
    let header = format!("Root={ROOT};Parent=00f067aa0ba902b7;Sampled=1");
    assert_eq!(first["Attributes"]["AWSTraceHeader"], header.as_str(), "by which X-Ray knows it: {first}");

    let request = eventually("the endpoint has it", || world.requests("plain", "traced-2").into_iter().next());
    assert_eq!(request["headers"]["traceparent"], of_request.as_str());
    assert_eq!(request["headers"]["tracestate"], "rojo=1");
    for id in ["traced-1", "traced-own", "traced-2"] {
        let told = eventually("it is told", || {
            let told = world.run(&["--output", "json", "explain", "alder", &format!("/e2e|{id}")], "");
            serde_json::from_str::<Json>(&told.stdout).ok()
        });
        assert_eq!(told["trace_id"], TRACE, "{told}");
    }
}

/// A producer that X-Ray traces sends the header of AWS alone, and one that it does not a header that says so.
#[test]
fn what_x_ray_traces_is_traced_on() {
    let world = world();
    let url = world.queue_url("alder", "intake");
    let header = |sampled| format!("Root={ROOT};Parent=00f067aa0ba902b7;Sampled={sampled}");
    for (id, sampled) in [("x-ray-1", 1), ("x-ray-2", 0)] {
        let header = json!({"AWSTraceHeader": {"DataType": "String", "StringValue": header(sampled)}});
        let body = event("out", id, &json!({}));
        let call = json!({"QueueUrl": url, "MessageBody": body, "MessageSystemAttributes": header});
        world.aws.json("sqs", "AmazonSQS.SendMessage", &call).unwrap();
    }
    assert_eq!(attribute(&message("x-ray-1"), "traceparent"), &json!(format!("00-{TRACE}-00f067aa0ba902b7-01")));
    assert_eq!(attribute(&message("x-ray-2"), "traceparent"), &Json::Null);
}
