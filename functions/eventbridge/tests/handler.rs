//! The eventbridge function over the in-memory ports, and buses that obey.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::port::Clock as _;
use acequia_core::queue::QueueRole;
use acequia_core::tenant::BusArn;
use acequia_core::time::after;
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, RateLimiter, Reporting, SinkLoop, Telemetry, Widths};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryGrants, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryRates,
    InMemoryTenants, SeededChance, build,
};
use eventbridge::EventbridgeSink;
use eventbridge::bus::{Buses, Entry, PutError};

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Eventbridge);
const BUS: &str = "arn:aws:events:us-east-1:123456789012:event-bus/analytics";
const OTHER: &str = "arn:aws:events:eu-west-1:210987654321:event-bus/theirs";

/// What was put on each bus, call by call: source, type and detail of each entry.
type Calls = Vec<(String, Vec<[String; 3]>)>;

/// Buses that take every entry, except an entry whose detail holds a word that was named.
#[derive(Debug, Clone, Default)]
struct ObedientBuses {
    calls: Arc<Mutex<Calls>>,
    refusals: Arc<Mutex<Vec<(&'static str, PutError)>>>,
}

impl Buses for ObedientBuses {
    async fn put(&self, bus: &BusArn, entries: &[Entry<'_>]) -> Vec<Result<String, PutError>> {
        assert!((1..=10).contains(&entries.len()), "a call has one to ten entries");
        let call = entries.iter().map(|entry| [entry.source, entry.detail_type, entry.detail].map(str::to_owned));
        self.calls.lock().unwrap().push((bus.to_string(), call.collect()));
        let refusals = self.refusals.lock().unwrap();
        let answer = |(number, entry): (usize, &Entry<'_>)| {
            let refusal = refusals.iter().find(|(word, _)| entry.detail.contains(word));
            refusal.map_or_else(|| Ok(format!("event-{number}")), |(_, error)| Err(error.clone()))
        };
        entries.iter().enumerate().map(answer).collect()
    }
}

struct World {
    clock: FixedClock,
    queues: InMemoryQueues,
    ledger: InMemoryLedger,
    lines: InMemoryLines,
    grants: InMemoryGrants,
    buses: ObedientBuses,
    sink_loop: SinkLoop<InMemory, EventbridgeSink<ObedientBuses, InMemoryGrants>>,
}

fn world() -> World {
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[
        {{"id":"analytics","kind":"eventbridge","types":["*"],"bus":"{BUS}"}},
        {{"id":"theirs","kind":"eventbridge","types":["*"],"bus":"{OTHER}"}},
        {{"id":"far","kind":"eventbridge","types":["*"],"bus":"arn:aws-cn:events:cn-north-1:123456789012:event-bus/a"}}]}}"#
    );
    let clock = FixedClock::at(build::start());
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (queues, ledger) = (InMemoryQueues::new(clock.clone()), InMemoryLedger::new());
    let (lines, buses) = (InMemoryLines::new(), ObedientBuses::default());
    let grants = InMemoryGrants::new().with(&build::tenant_id("acme"), "", &format!("{BUS},{OTHER}"));
    let time = || Arc::new(clock.clone());
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
        sink: EventbridgeSink { buses: buses.clone(), grants: grants.clone(), clock: time() },
    };
    World { clock, queues, ledger, lines, grants, buses, sink_loop }
}

impl World {
    async fn handle(&self, messages: &[Incoming]) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    fn calls(&self) -> Calls {
        std::mem::take(&mut *self.buses.calls.lock().unwrap())
    }

    fn refuse(&self, word: &'static str, error: PutError) {
        self.buses.refusals.lock().unwrap().push((word, error));
    }

    /// The reason and the words of what lies in the dead-letter queue.
    fn dead(&self) -> Vec<[String; 2]> {
        let dead = self.queues.messages(&build::dead_letter_queue("acme", QUEUE));
        let text = |message: &Incoming, name: &str| {
            message.attributes.get(name).and_then(|attribute| attribute.as_text()).unwrap().to_owned()
        };
        dead.iter().map(|message| ["acequia-reason", "acequia-detail"].map(|name| text(message, name))).collect()
    }
}

fn message(event: &str) -> Incoming {
    message_to(event, "analytics")
}

fn message_to(event: &str, sink: &str) -> Incoming {
    let envelope = build::envelope("acme", event, "action.signed", "{}");
    build::incoming_delivery(&build::queue("acme", QUEUE), event, sink, &envelope)
}

#[tokio::test]
async fn an_entry_is_the_events_bytes_under_its_source_and_type_and_its_receipt_is_the_buss_id() {
    let world = world();
    assert!(world.handle(&[message("1")]).await.is_empty());
    let detail = build::body("1", "action.signed", "{}");
    let entry = [build::SOURCE.to_owned(), "action.signed".to_owned(), detail];
    assert_eq!(world.calls(), [(BUS.to_owned(), vec![entry])]);
    let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("1", "analytics")).unwrap();
    assert_eq!(record.receipt.unwrap().id.as_deref(), Some("event-0"));
}

#[tokio::test]
async fn a_call_has_ten_entries_of_one_bus_at_the_most_and_all_arrive() {
    let world = world();
    let mut messages: Vec<Incoming> = (0..25).map(|number| message(&format!("e{number}"))).collect();
    messages.push(message_to("other", "theirs"));
    assert!(world.handle(&messages).await.is_empty());
    let mut sizes: Vec<(String, usize)> =
        world.calls().into_iter().map(|(bus, entries)| (bus, entries.len())).collect();
    sizes.sort();
    let wanted = [(OTHER, 1), (BUS, 5), (BUS, 10), (BUS, 10)];
    assert_eq!(sizes, wanted.map(|(bus, size)| (bus.to_owned(), size)));
}

#[tokio::test]
async fn of_a_call_only_the_entries_that_failed_come_back_or_are_quarantined() {
    let world = world();
    world.refuse(r#""id":"2""#, PutError::Later("ThrottlingException: slow down".to_owned()));
    world.refuse(r#""id":"3""#, PutError::Refused("MalformedDetail: no".to_owned()));
    assert_eq!(world.handle(&[message("1"), message("2"), message("3"), message("4")]).await, ["2"]);
    assert_eq!(world.calls().len(), 1);
    assert_eq!(world.dead(), [["rejected", "the service refused the request: MalformedDetail: no"]]);
    assert_eq!(world.lines.stalled(), BTreeMap::new(), "the bus is the tenant's");
}

#[tokio::test]
async fn a_bus_that_the_tenants_stack_does_not_allow_gets_nothing_and_the_others_get_everything() {
    let world = world();
    world.grants.put(&build::tenant_id("acme"), "", BUS);
    assert!(world.handle(&[message_to("1", "theirs"), message("2")]).await.is_empty());
    assert_eq!(world.calls().len(), 1);
    let [[reason, detail]] = world.dead().try_into().unwrap();
    assert_eq!(reason, "not-granted");
    assert!(detail.contains(OTHER) && detail.contains("ForwardTargets"), "{detail}");
    world.grants.put(&build::tenant_id("acme"), "", "arn:aws:events:eu-west-1:210987654321:event-bus/*");
    assert!(world.handle(&[message_to("3", "theirs")]).await.is_empty());
    assert_eq!(world.calls()[0].0, OTHER);
}

#[tokio::test]
async fn a_bus_of_another_partition_is_refused_with_the_reason_and_costs_other_sinks_nothing() {
    let world = world();
    assert!(world.handle(&[message_to("1", "far"), message("2")]).await.is_empty());
    let [[reason, detail]] = world.dead().try_into().unwrap();
    assert_eq!(reason, "rejected");
    assert!(detail.contains("another partition"), "{detail}");
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn while_grants_cannot_be_read_deliveries_wait_and_the_store_is_named() {
    let world = world();
    world.grants.reads.go_down();
    assert_eq!(world.handle(&[message("1")]).await, ["1"]);
    assert_eq!(world.lines.stalled(), BTreeMap::from([("secrets at eventbridge".to_owned(), 1)]));
    world.grants.reads.mend();
    assert!(world.handle(&[Incoming { receive_count: 2, ..message("1") }]).await.is_empty());
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn a_strict_sink_puts_an_event_that_came_twice_on_the_bus_once() {
    let world = world();
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"analytics","kind":"eventbridge","types":["*"],"bus":"{BUS}","strict":true}}]}}"#
    );
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let mut world = world;
    world.sink_loop.common.tenants = CachedTenants::new(tenants, Arc::new(world.clock.clone()));
    let again = Incoming { message_id: "again".to_owned(), ..message("1") };
    assert!(world.handle(&[message("1")]).await.is_empty());
    assert!(world.handle(&[again]).await.is_empty());
    assert_eq!(world.calls().len(), 1);
}
