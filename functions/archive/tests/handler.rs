//! The archive function over the in-memory ports.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::archive::{Form, Line, ObjectKey};
use acequia_core::delivery::ledger::Status;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::port::Clock as _;
use acequia_core::queue::QueueRole;
use acequia_core::time::after;
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, RateLimiter, Reporting, SinkLoop, Telemetry, Widths};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryArchive, InMemoryDelays, InMemoryLedger, InMemoryLines, InMemoryQueues,
    InMemoryRates, InMemoryTenants, SeededChance, build,
};
use archive::ArchiveSink;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Archive);

struct World {
    clock: FixedClock,
    queues: InMemoryQueues,
    ledger: InMemoryLedger,
    lines: InMemoryLines,
    archive: InMemoryArchive,
    sink_loop: SinkLoop<InMemory, ArchiveSink<InMemoryArchive>>,
}

fn world() -> World {
    let sink = |id: &str, more: &str| format!(r#"{{"id":"{id}","kind":"archive","types":["*"]{more}}}"#);
    let sinks = [sink("keep", ""), sink("also", ""), sink("rows", r#","format":"parquet""#)].join(",");
    let document = format!(r#"{{"tenant":"acme","name":"Acme","sinks":[{sinks}]}}"#);
    let clock = FixedClock::at(build::at(5));
    let time = || Arc::new(clock.clone());
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (queues, ledger) = (InMemoryQueues::new(clock.clone()), InMemoryLedger::new());
    let (lines, archive) = (InMemoryLines::new(), InMemoryArchive::new());
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants, time()),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: time(),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), time()),
        breakers: None,
        sink: ArchiveSink { archive: archive.clone(), clock: time() },
    };
    World { clock, queues, ledger, lines, archive, sink_loop }
}

/// A delivery of an event that was accepted so many seconds after the start.
fn message(sink: &str, event: &str, seconds: u64) -> Incoming {
    let body = build::body(event, "action.signed", "{ \"n\": 1.10 }");
    let envelope =
        acequia_core::event::envelope::Envelope::parse(&build::tenant_id("acme"), build::at(seconds), body.as_bytes());
    build::incoming_delivery(&build::queue("acme", QUEUE), &format!("{sink}-{event}"), sink, &envelope.unwrap())
}

impl World {
    async fn handle(&self, messages: &[Incoming]) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// What is in the archive, object by object: the ids of its events.
    fn kept(&self) -> Vec<(ObjectKey, Vec<String>)> {
        let read = |(key, content): (ObjectKey, Vec<u8>)| {
            let text = String::from_utf8(zstd::decode_all(&*content).unwrap()).unwrap();
            let lines = text.lines().map(|line| Line::read(&key.tenant, line).unwrap());
            let ids = lines.map(|line| line.envelope.event.id().to_owned()).collect();
            (key, ids)
        };
        self.archive.objects().into_iter().map(read).collect()
    }
}

#[tokio::test]
async fn a_batch_is_one_object_with_a_line_for_each_event_and_its_name_is_the_receipt() {
    let world = world();
    let back = world.handle(&[message("keep", "2", 2), message("keep", "1", 1), message("keep", "3", 3)]).await;
    let kept = world.kept();
    assert_eq!((back.len(), kept.len(), kept[0].1.join(",")), (0, 1, "1,2,3".to_owned()), "by their acceptance");
    let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("2", "keep")).unwrap();
    assert_eq!(record.status, Status::Delivered);
    assert_eq!(record.receipt.unwrap().id, Some(kept[0].0.to_string()));
}

#[tokio::test]
async fn a_sink_of_format_parquet_keeps_rows_in_a_folder_of_its_own_and_each_event_to_the_byte() {
    let world = world();
    assert!(
        world.handle(&[message("rows", "2", 2), message("rows", "1", 1), message("keep", "1", 1)]).await.is_empty()
    );
    let objects = world.archive.objects();
    let (key, content) = objects.iter().find(|(key, _)| key.form == Form::Parquet).unwrap();
    assert!(key.to_string().starts_with("tenant=acme/parquet/date=2026-01-01/hour=00/"), "{key}");
    let batches = acequia_archive::read(key.form, content).unwrap();
    let lines: Vec<Line> = batches[0].records.each(&key.tenant).map(Result::unwrap).collect();
    assert_eq!(lines.iter().map(|line| line.envelope.event.id()).collect::<Vec<_>>(), ["1", "2"]);
    assert!(lines[0].envelope.body.contains("{ \"n\": 1.10 }") && lines[0].config_version == 1);
    let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("2", "rows")).unwrap();
    assert_eq!(record.receipt.unwrap().id, Some(key.to_string()));
}

#[tokio::test]
async fn each_sink_and_each_hour_of_acceptance_has_an_object_of_its_own() {
    let world = world();
    let batch = [message("keep", "1", 1), message("keep", "2", 3601), message("also", "1", 1)];
    assert!(world.handle(&batch).await.is_empty());
    let kept = world.kept();
    assert_eq!(kept.len(), 3);
    let hours: Vec<bool> = kept.iter().map(|(key, _)| key.to_string().contains("/hour=00/")).collect();
    assert_eq!(hours.iter().filter(|is_first| **is_first).count(), 2, "{kept:?}");
}

#[tokio::test]
async fn a_batch_that_is_repeated_in_any_order_writes_its_object_once() {
    let world = world();
    let batch = [message("keep", "1", 1), message("keep", "2", 2)];
    world.ledger.writes.go_down();
    assert!(world.handle(&batch).await.is_empty());
    let before = world.archive.objects();
    world.ledger.writes.mend();
    let turned = [message("keep", "2", 2), message("keep", "1", 1)];
    assert!(world.handle(&turned).await.is_empty());
    assert_eq!(world.archive.objects(), before);
}

#[tokio::test]
async fn while_the_archive_is_down_all_wait_spend_no_attempt_and_are_counted() {
    let world = world();
    world.archive.writes.go_down();
    for _ in 0..30 {
        assert_eq!(world.handle(&[message("keep", "1", 1), message("keep", "2", 2)]).await.len(), 2);
    }
    assert_eq!(world.lines.stalled()["archive at archive"], 60);
    assert!(world.queues.messages(&build::dead_letter_queue("acme", QUEUE)).is_empty());
    world.archive.writes.mend();
    world.clock.advance(Duration::from_mins(30));
    assert!(world.handle(&[message("keep", "1", 1), message("keep", "2", 2)]).await.is_empty());
    assert_eq!(world.kept()[0].1, ["1", "2"]);
}

#[tokio::test]
async fn what_is_no_delivery_costs_its_neighbours_nothing() {
    let world = world();
    let broken = Incoming { body: "no event".to_owned(), ..message("keep", "9", 1) };
    assert!(world.handle(&[broken, message("keep", "1", 1)]).await.is_empty());
    assert_eq!(world.kept()[0].1, ["1"]);
    assert_eq!(world.queues.messages(&build::dead_letter_queue("acme", QUEUE)).len(), 1);
}
