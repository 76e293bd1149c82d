//! The bridge over the in-memory ports: a call of a mapping in, the answer and what SQS has out.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::message::Incoming;
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::time::after;
use acequia_core::wire::{DETAIL, REASON};
use acequia_lambda::{CachedTenants, Deadline, Reporting, Telemetry};
use acequia_testkit::{FixedClock, InMemoryLines, InMemoryQueues, InMemoryTenants, InMemoryTopics, build};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafka::{Bridge, BridgeError};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const DOCUMENT: &str = r#"{"tenant":"acme","name":"Acme","sinks":[
    {"id":"out","kind":"forward","types":["*"],"queue":"out"}]}"#;

struct World {
    clock: FixedClock,
    queues: InMemoryQueues,
    tenants: InMemoryTenants,
    topics: InMemoryTopics,
    lines: InMemoryLines,
    bridge: Bridge<InMemoryTenants, InMemoryTopics, InMemoryQueues>,
}

fn intake() -> QueueArn {
    build::queue("acme", QueueRole::Intake)
}

/// The topic `orders` feeds acme, whose file has this before its sinks.
fn world(more: &str, intake: QueueArn) -> World {
    let clock = FixedClock::at(build::start());
    let document = DOCUMENT.replace(r#""sinks""#, &format!(r#"{more}"sinks""#));
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (queues, lines) = (InMemoryQueues::new(clock.clone()), InMemoryLines::new());
    let topics = InMemoryTopics::new().with("orders", intake);
    let bridge = Bridge {
        tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
        topics: topics.clone(),
        queues: queues.clone(),
        clock: Arc::new(clock.clone()),
        stage: build::stage(),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    };
    World { clock, queues, tenants, topics, lines, bridge }
}

fn plain() -> World {
    world("", intake())
}

fn wrapping() -> World {
    world(r#""sources":{"kafka":{"wrap":{"type":"order.placed","source":"/shop"}}},"#, intake())
}

impl World {
    async fn call(&self, records: &Json) -> Result<Json, BridgeError> {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let event = json!({"eventSource": "SelfManagedKafka", "bootstrapServers": "b:9092", "records": records});
        self.bridge.serve(event, deadline).await
    }

    /// What failed of a call with records of one partition, from which offset on.
    async fn failed(&self, records: &[Json]) -> Option<i64> {
        let answer = self.call(&json!({"orders-0": records})).await.unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        assert!(failures.len() <= 1, "{answer}");
        failures.first().map(|one| {
            assert_eq!(one["itemIdentifier"]["partition"], "orders-0");
            one["itemIdentifier"]["offset"].as_i64().unwrap()
        })
    }

    fn taken(&self) -> Vec<Json> {
        let taken = self.queues.messages(&intake());
        taken.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }

    fn dead(&self) -> Vec<Incoming> {
        self.queues.messages(&build::dead_letter_queue("acme", QueueRole::Intake))
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// A record as Lambda has it; header bytes are signed there.
fn record(offset: i64, value: Option<&[u8]>, headers: &[(&str, &[u8])]) -> Json {
    let header = |(name, value): &(&str, &[u8])| {
        let signed: Vec<i8> = value.iter().map(|byte| byte.cast_signed()).collect();
        json!({ *name: signed })
    };
    json!({
        "topic": "orders", "partition": 0, "offset": offset, "timestamp": 1_767_225_600_000_i64, "timestampType": "CREATE_TIME",
        "value": value.map(|value| STANDARD.encode(value)), "headers": headers.iter().map(header).collect::<Vec<_>>(),
    })
}

fn event(id: &str) -> String {
    format!(r#"{{ "specversion":"1.0","id":"{id}","source":"/a","type":"t","data":{{"n": 1.10}}}}"#)
}

fn structured(offset: i64, body: &str) -> Json {
    record(offset, Some(body.as_bytes()), &[("content-type", b"application/cloudevents+json; charset=utf-8")])
}

#[tokio::test]
async fn an_event_in_structured_mode_arrives_byte_by_byte() {
    let world = plain();
    assert_eq!(world.failed(&[structured(7, &event("1"))]).await, None);
    assert_eq!(world.queues.messages(&intake())[0].body, event("1"));
}

#[tokio::test]
async fn a_value_without_any_header_is_an_event_if_it_is_one() {
    let world = plain();
    assert_eq!(world.failed(&[record(0, Some(event("1").as_bytes()), &[])]).await, None);
    assert_eq!(world.taken().len(), 1);
}

#[tokio::test]
async fn an_event_in_binary_mode_is_made_of_headers_and_the_values_own_bytes() {
    let world = plain();
    let headers: Vec<(&str, &[u8])> = vec![
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"/a"),
        ("ce_type", b"t"),
        ("ce_subject", "Zo\u{eb} \"x\"".as_bytes()),
        ("other", b"\xff"),
    ];
    let with = |content: Option<&'static [u8]>| -> Vec<(&str, &[u8])> {
        headers.iter().copied().chain(content.map(|content| ("content-type", content))).collect()
    };
    let records = [
        record(0, Some(b" {\"n\": 1.10} "), &with(Some(b"application/vnd.x+json"))),
        record(1, Some(b"[1]"), &with(None)),
        record(2, Some(b"\x00\xff"), &with(None)),
        record(3, Some(b"plain"), &with(Some(b"text/plain"))),
        record(4, Some(b""), &with(Some(b"application/json"))),
    ];
    assert_eq!(world.failed(&records).await, None);
    let bodies: Vec<String> = world.queues.messages(&intake()).into_iter().map(|message| message.body).collect();
    assert!(bodies[0].ends_with(r#""datacontenttype":"application/vnd.x+json","data":{"n": 1.10}}"#), "{}", bodies[0]);
    let taken = world.taken();
    assert_eq!((&taken[0]["subject"], &taken[1]["data"]), (&"Zo\u{eb} \"x\"".into(), &json!([1])));
    assert_eq!(
        (&taken[2]["data_base64"], &taken[3]["data_base64"]),
        (&"AP8=".into(), &STANDARD.encode("plain").into())
    );
    assert!(taken[4].get("data").is_none() && taken[4].get("other").is_none(), "{}", taken[4]);
}

#[tokio::test]
async fn any_json_becomes_an_event_of_the_tenants_type_where_it_wants_that() {
    let world = wrapping();
    let records =
        [record(5, Some(b"{ \"a\": 1 }"), &[]), structured(6, &event("1")), record(7, Some(b"{\"a\":1},"), &[])];
    assert_eq!(world.failed(&records).await, None);
    let [wrapped, own] = world.taken().try_into().unwrap();
    let wanted = json!({"specversion": "1.0", "id": "orders/0/5", "source": "/shop", "type": "order.placed",
        "time": "2026-01-01T00:00:00Z", "data": {"a": 1}});
    assert_eq!(wrapped, wanted);
    assert_eq!(own["id"], "1", "an event stays what it is");
    assert_eq!(world.dead()[0].attributes[REASON].as_text(), Some("not-json"));
}

#[tokio::test]
async fn the_key_is_the_partition_key_of_an_event_that_has_none() {
    let world = plain();
    let with = |offset, key: &[u8], body: &str| {
        let mut record = structured(offset, body);
        record["key"] = STANDARD.encode(key).into();
        record
    };
    let own = event("4").replacen('{', r#"{"partitionkey":"own","#, 1);
    let none = event("5").replacen('{', r#"{"partitionkey":null,"#, 1);
    let records = [
        with(0, "Zo\u{eb} 1".as_bytes(), &event("1")),
        with(1, b"\xff\x00", &event("2")),
        with(2, b"", &event("3")),
        with(3, b"k", &own),
        with(4, b"k", &none),
        structured(5, &event("6")),
    ];
    assert_eq!(world.failed(&records).await, None);
    let keys: Vec<Json> = world.taken().iter().map(|event| event["partitionkey"].clone()).collect();
    assert_eq!(keys, [json!("Zo\u{eb} 1"), json!("_wA"), Json::Null, json!("own"), Json::Null, Json::Null]);
}

#[tokio::test]
async fn what_can_never_be_an_event_is_a_dead_letter_with_its_place_and_stops_nothing() {
    let world = plain();
    let type_of = |media: &'static [u8]| -> [(&'static str, &'static [u8]); 1] { [("content-type", media)] };
    let records = [
        record(0, Some(b"\x00\xff"), &[]),
        record(1, None, &[]),
        record(2, Some(b"no event"), &[]),
        structured(3, &event("1").replace("1.0", "0.3")),
        structured(4, &event("2").replace("\"t\"", "\"acequia.x\"")),
        record(5, Some(b"x"), &type_of(b"application/cloudevents+avro")),
        record(6, Some(b"1"), &[("ce_specversion", b"1.0"), ("ce_id", b"\xff")]),
        record(7, Some(b""), &[]),
        structured(8, &event("4").replace("\"t\"", "\"t\",\"acequiatenant\":\"bona\"")),
        structured(9, &event("3")),
    ];
    assert_eq!(world.failed(&records).await, None);
    assert_eq!(world.taken().len(), 1);
    let dead = world.dead();
    let told: Vec<(i64, &str, &str)> = dead
        .iter()
        .map(|letter| {
            let text = |name: &str| letter.attributes[name].as_text().unwrap();
            assert_eq!((text("kafka-topic"), text("kafka-partition")), ("orders", "0"));
            (text("kafka-offset").parse().unwrap(), text(REASON), letter.body.as_str())
        })
        .collect();
    let wanted_body = event("1").replace("1.0", "0.3");
    let own = event("2").replace("\"t\"", "\"acequia.x\"");
    let foreign = event("4").replace("\"t\"", "\"t\",\"acequiatenant\":\"bona\"");
    let wanted = [
        (0, "not-utf8", "base64:AP8="),
        (1, "not-cloud-events", "null"),
        (2, "not-json", "no event"),
        (3, "spec-version", wanted_body.as_str()),
        (4, "bad-attribute", own.as_str()),
        (5, "not-cloud-events", "x"),
        (6, "not-cloud-events", "1"),
        (7, "not-json", "base64:"),
        (8, "foreign-tenant", foreign.as_str()),
    ];
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn the_trace_of_a_records_headers_is_its_events_where_that_names_none() {
    let world = plain();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000aa-01";
    let traced = event("2").replace("\"t\"", &format!("\"t\",\"traceparent\":\"{own}\""));
    let headers: [(&str, &[u8]); 2] = [("traceparent", parent.as_bytes()), ("tracestate", b"a=1")];
    let unread: [(&str, &[u8]); 1] = [("traceparent", b"\xff")];
    let records = [
        record(0, Some(event("1").as_bytes()), &headers),
        record(1, Some(traced.as_bytes()), &headers),
        record(2, Some(event("3").as_bytes()), &unread),
    ];
    assert_eq!(world.failed(&records).await, None);
    let sent = world.queues.messages(&intake());
    let of = |name: &str| -> Vec<Option<&str>> {
        sent.iter().map(|message| message.attributes.get(name).and_then(|value| value.as_text())).collect()
    };
    assert_eq!(of("traceparent"), [Some(parent), Some(own), None]);
    assert_eq!(of("tracestate"), [Some("a=1"), None, None]);
}

#[tokio::test]
async fn the_tenants_schemas_hold_as_at_every_other_door() {
    let world = world(r#""schemas":{"t":{"schema":{"required":["email"]}}},"#, intake());
    assert_eq!(world.failed(&[structured(0, &event("1"))]).await, None);
    let dead = world.dead();
    assert_eq!(dead[0].attributes[REASON].as_text(), Some("schema-violated"));
    assert!(dead[0].attributes[DETAIL].as_text().unwrap().starts_with("/data/email is missing"));
    let line: Json = serde_json::from_str(&world.lines.written()[0]).unwrap();
    assert_eq!((&line["function"], &line["quarantined.schema-violated"]), (&"kafka".into(), &1.into()));
}

#[tokio::test]
async fn where_sqs_does_not_take_a_record_the_rest_of_its_partition_fails_from_there_and_no_other() {
    let world = plain();
    world.queues.sends.fail_entry(1);
    let records: Vec<Json> = (10..13).map(|offset| structured(offset, &event(&offset.to_string()))).collect();
    assert_eq!(world.failed(&records).await, Some(11));
    let line: Json = serde_json::from_str(&world.lines.written()[0]).unwrap();
    assert_eq!((&line["received"], &line["accepted"], &line["retried"]), (&3.into(), &1.into(), &2.into()));
    // The second entry of each call fails. What is asked for again comes back, and nothing is lost.
    assert_eq!(world.failed(&records[1..]).await, Some(12));
    assert_eq!(world.failed(&records[2..]).await, None);
    let ids: std::collections::BTreeSet<String> = world.taken().iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_dead_letter_that_is_not_taken_fails_its_record() {
    let world = plain();
    world.queues.sends.go_down();
    assert_eq!(world.failed(&[record(3, None, &[])]).await, Some(3));
    world.queues.sends.mend();
    assert_eq!(world.failed(&[record(3, None, &[])]).await, None);
    assert_eq!(world.dead().len(), 1);
}

#[tokio::test]
async fn with_a_store_down_every_partition_fails_from_its_first_record() {
    for of_topics in [true, false] {
        let world = plain();
        let faults = if of_topics { &world.topics.reads } else { &world.tenants.reads };
        faults.go_down();
        assert_eq!(world.failed(&[structured(4, &event("1")), structured(5, &event("2"))]).await, Some(4));
        faults.mend();
        assert_eq!(world.failed(&[structured(4, &event("1"))]).await, None);
        assert_eq!(world.taken().len(), 1);
    }
}

#[tokio::test]
async fn a_topic_that_no_stack_maps_fails_the_call_and_so_does_one_that_leads_to_no_intake() {
    let world = plain();
    let mut foreign = structured(0, &event("1"));
    foreign["topic"] = "invoices".into();
    let error = world.call(&json!({"invoices-0": [foreign], "orders-0": [structured(0, &event("2"))]})).await;
    assert!(error.unwrap_err().to_string().contains("no stack maps the topic invoices"));
    assert!(world.taken().is_empty(), "nothing is half done");
    world.topics.put("orders", build::queue("acme", QueueRole::Out));
    let error = world.call(&json!({"orders-0": [structured(0, &event("2"))]})).await;
    assert!(error.unwrap_err().to_string().contains("no intake queue"));
    assert!(world.call(&json!([1])).await.is_err(), "no event of Kafka's");
}

#[tokio::test]
async fn in_a_fifo_intake_records_of_a_key_keep_their_order_and_are_known_by_their_place() {
    let name =
        QueueName { fifo: true, ..QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake) };
    let fifo = build::named_queue(&name);
    let world = world("", fifo.clone());
    let record = |offset, key: &str| {
        let mut record = structured(offset, &event(&offset.to_string()));
        record["key"] = STANDARD.encode(key).into();
        record
    };
    let records = [record(0, "a"), record(1, "b"), record(2, "a"), record(3, "a")];
    assert_eq!(world.failed(&records).await, None);
    assert_eq!(world.failed(&records[2..]).await, None, "SQS knows them");
    let of_a: Vec<String> = world
        .queues
        .messages(&fifo)
        .into_iter()
        .filter(|message| message.group.as_deref() == Some("a"))
        .map(|message| serde_json::from_str::<Json>(&message.body).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(of_a, ["0", "2", "3"]);
}

#[tokio::test]
async fn a_record_of_a_mebibyte_is_a_dead_letter_with_as_much_as_fits() {
    let world = plain();
    let records = [
        record(0, Some(&vec![b'x'; 1024 * 1024]), &[]),
        record(1, Some(&vec![0xFF; 1024 * 1024]), &[]),
        structured(2, &event("1")),
    ];
    assert_eq!(world.failed(&records).await, None);
    assert_eq!((world.taken().len(), world.dead().len()), (1, 2));
    for (letter, offset) in world.dead().iter().zip(0..) {
        assert!(letter.body.contains("does not fit a message") && letter.body.ends_with(&format!("orders/0/{offset}")));
    }
}

#[tokio::test]
async fn headers_of_any_shape_are_read_as_far_as_they_are_headers() {
    let world = plain();
    for headers in [Json::Null, json!({}), json!([1, {"a": "x"}, {"b": [300]}, {"c": [255, -1]}])] {
        let mut record = record(0, Some(event("1").as_bytes()), &[]);
        record["headers"] = headers;
        record.as_object_mut().unwrap().remove("key");
        assert_eq!(world.failed(&[record]).await, None);
    }
    assert_eq!(world.taken().len(), 3);
}

proptest! {
    #[test]
    fn whatever_stands_in_a_record_it_is_an_event_or_a_dead_letter(
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..80)),
        name in "(ce_)?[a-z]{1,12}|ce_specversion|content-type",
        header in prop::collection::vec(any::<u8>(), 0..20),
        wraps in any::<bool>(),
    ) {
        let world = if wraps { wrapping() } else { plain() };
        let record = record(9, value.as_deref(), &[(&name, &header), ("ce_id", &bytes("1"))]);
        let failed = futures::executor::block_on(world.failed(&[record]));
        prop_assert_eq!(failed, None);
        prop_assert_eq!(world.taken().len() + world.dead().len(), 1);
    }
}
