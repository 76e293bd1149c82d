//! What the loop tells of a batch: the exact line of metrics, and the records of failed and sampled attempts.
#![expect(clippy::unwrap_used, reason = "a test program")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::id::DeliveryId;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::outcome::Cause;
use acequia_core::port::Clock as _;
use acequia_core::queue::QueueRole;
use acequia_core::tenant::Sink as SinkConfig;
use acequia_core::time::after;
use acequia_lambda::{
    Batch, BatchLoop, CachedTenants, Course, Deadline, Environment, RateLimiter, Reporting, Sink, SinkLoop, Telemetry,
    Widths, Work, each, subscriber,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryRates,
    InMemoryTenants, SeededChance, build,
};
use futures::FutureExt as _;
use serde_json::{Value, json};

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Webhook);

/// Answers with the status that an event's id begins with, after 250 ms.
struct EchoSink(FixedClock);

impl Sink for EchoSink {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<SinkConfig>]) {}

    async fn deliver(&self, _: Batch<'_>, (): &(), course: &Course<'_>) {
        self.0.advance(Duration::from_millis(250));
        let mut work: Vec<Work<'_>> = Vec::new();
        for job in course.jobs() {
            let answer = async {
                match job.delivery.envelope.event.id().split('-').next().and_then(|code| code.parse().ok()) {
                    Some(code) if code != 200 => Err(Cause::Status { code, retry_after: None }),
                    _ => Ok(Receipt { id: None, status: Some(200) }),
                }
            };
            work.push((Duration::from_secs(10), answer.boxed()));
        }
        each(course, work).await;
    }
}

/// A writer of logs that keeps them.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct World {
    clock: FixedClock,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    lines: InMemoryLines,
    sink_loop: SinkLoop<InMemory, EchoSink>,
}

fn world(sample: f64) -> World {
    let clock = FixedClock::at(build::start());
    let document = r#"{"tenant":"acme","name":"Acme","sinks":[{"id":"crm","kind":"webhook","types":["*"],
        "url":"https://crm.example.org/","secrets":["crm"],"retry":["10s"]}]}"#;
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (ledger, queues, lines) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()), InMemoryLines::new());
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants, Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default().sampling(sample), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink: EchoSink(clock.clone()),
    };
    World { clock, ledger, queues, lines, sink_loop }
}

fn message(id: &str, event: &str) -> Incoming {
    let envelope = build::envelope("acme", event, "action.signed", "{}");
    build::incoming_delivery(&build::queue("acme", QUEUE), id, "crm", &envelope)
}

impl World {
    /// Handles a batch; answers the records of attempts that were logged.
    async fn handle(&self, messages: &[Incoming]) -> Vec<Value> {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let _guard = tracing::subscriber::set_default(subscriber(&Environment::of(&[]), move || writer.clone()));
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        self.sink_loop.handle(serde_json::from_value(lambda_event(messages)).unwrap(), deadline).await.unwrap();
        let logged = buffer.0.lock().unwrap().clone();
        let lines = String::from_utf8(logged).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["delivery.id"].is_string()).collect()
    }

    fn metrics(&self) -> Vec<Value> {
        self.lines.written().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_mixed_batch_is_one_line_of_metrics_in_cloudwatchs_format() {
    let world = world(0.0);
    let bad = build::incoming(&build::queue("acme", QUEUE), "m6", "not a delivery");
    let mut messages: Vec<Incoming> = ["200-a", "200-b", "400-c", "400-d", "503-e"].map(|id| message(id, id)).into();
    messages.extend([message("again", "200-a"), bad]);
    world.handle(&messages).await;
    let count = |name: &str| json!({"Name": name, "Unit": "Count"});
    let metrics = [
        count("received"),
        count("delivered"),
        count("duplicates"),
        count("retried"),
        count("quarantined"),
        count("attempts"),
        json!({"Name": "latency_ms", "Unit": "Milliseconds"}),
    ];
    let expected = json!({
        "_aws": {
            "Timestamp": 1_767_225_600_250_u64,
            "CloudWatchMetrics": [{"Namespace": "Acequia", "Dimensions": [["stage", "function"]], "Metrics": metrics}],
        },
        "timestamp": "2026-01-01T00:00:00.25Z", "level": "INFO",
        "stage": "test", "function": "webhook", "tenant.id": "acme",
        "received": 7, "delivered": 2, "duplicates": 1, "retried": 1, "quarantined": 3, "attempts": 5,
        "latency_ms": {"Values": [250], "Counts": [2]},
        "quarantined.http-status": 2, "quarantined.not-a-delivery": 1, "failed.http-400": 2, "failed.http-503": 1,
    });
    assert_eq!(world.metrics(), [expected]);
}

#[tokio::test]
async fn what_was_delivered_and_could_not_be_recorded_is_counted_and_failures_are_not() {
    let world = world(0.0);
    world.ledger.writes.go_down();
    world.handle(&[message("m1", "200-a"), message("m2", "200-b"), message("m3", "503-c")]).await;
    let metrics = world.metrics();
    assert_eq!((&metrics[0]["delivered_unrecorded"], &metrics[0]["delivered"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn a_message_that_the_dead_letter_queue_did_not_take_counts_as_retried() {
    let world = world(0.0);
    world.queues.sends.go_down();
    world.handle(&[message("m1", "400-a")]).await;
    let metrics = &world.metrics()[0];
    assert_eq!((&metrics["retried"], &metrics["quarantined"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn a_failed_attempt_is_one_wide_record_and_one_that_went_well_is_none() {
    let world = world(0.0);
    let logged = world.handle(&[message("m1", "200-a"), message("m2", "503-b")]).await;
    let [record] = logged.as_slice() else { panic!("one record was expected: {logged:?}") };
    let mut record = record.clone();
    record.as_object_mut().unwrap().remove("timestamp");
    let wait = record.as_object_mut().unwrap().remove("wait_ms").unwrap().as_u64().unwrap();
    assert!((8_000..12_000).contains(&wait), "{wait}");
    let id = DeliveryId::derive(&build::tenant_id("acme"), &build::sink_id("crm"), &build::event_id("503-b"));
    let expected = json!({
        "level": "WARN", "message": "not delivered", "tenant.id": "acme", "sink.id": "crm", "sink.kind": "webhook",
        "delivery.id": id.as_str(), "trace.id": "", "event.type": "action.signed", "message.id": "m2", "message.receive_count": 1,
        "attempt.number": 1, "outcome": "retry", "reason": "", "failed": "http-503", "age_ms": 250, "duration_ms": 0,
        "detail": "the endpoint answered 503",
    });
    assert_eq!(record, expected);
}

#[tokio::test]
async fn with_a_sample_of_all_every_attempt_is_recorded_with_its_outcome() {
    let world = world(1.0);
    let logged = world.handle(&[message("m1", "200-a"), message("m2", "400-b")]).await;
    let told: Vec<_> =
        logged.iter().map(|record| (&record["message"], &record["outcome"], &record["reason"])).collect();
    assert_eq!(
        told,
        [
            (&json!("sampled"), &json!("delivered"), &json!("")),
            (&json!("not delivered"), &json!("quarantined"), &json!("http-status")),
        ]
    );
}

#[tokio::test]
async fn the_line_of_metrics_has_the_functions_own_level_so_that_lambda_does_not_drop_it() {
    let lines = InMemoryLines::new();
    let mut environment = Environment::of(&[("AWS_LAMBDA_LOG_LEVEL", "ERROR")]);
    let reporting = Reporting::read(&mut environment);
    let mut world = world(0.0);
    world.sink_loop.common.telemetry = Telemetry::new(reporting, lines.clone());
    assert!(world.handle(&[message("m1", "200-a")]).await.is_empty());
    let line: Value = serde_json::from_str(&lines.written()[0]).unwrap();
    assert_eq!(line["level"], "ERROR");
}

#[tokio::test]
async fn each_store_that_is_down_has_a_line_of_its_own() {
    let world = world(0.0);
    world.ledger.writes.go_down();
    world.queues.sends.go_down();
    world.handle(&[message("m1", "200-a"), message("m2", "400-b"), message("m3", "503-c")]).await;
    let stalled: Vec<Value> = world.metrics().split_off(1);
    let line = |store: &str, count: u64| {
        json!({
            "_aws": {
                "Timestamp": 1_767_225_600_250_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "Acequia",
                    "Dimensions": [["stage", "store"]],
                    "Metrics": [{"Name": "stalled", "Unit": "Count"}],
                }],
            },
            "timestamp": "2026-01-01T00:00:00.25Z", "level": "INFO",
            "stage": "test", "store": store, "function": "webhook", "tenant.id": "acme", "stalled": count,
        })
    };
    assert_eq!(stalled, [line("ledger", 3), line("queues", 1)], "three records, and one dead letter");
}

#[test]
fn every_store_has_an_alarm() {
    let path = format!("{}/../../template.yaml", env!("CARGO_MANIFEST_DIR"));
    let template = std::fs::read_to_string(path).unwrap();
    for store in acequia_core::outcome::stall::Store::ALL {
        for part in [format!("acequia-${{Stage}}-stalled-{store}\n"), format!("{{ Name: store, Value: {store} }}")] {
            assert!(template.contains(&part), "template.yaml lacks {part}");
        }
    }
}
