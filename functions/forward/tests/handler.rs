//! The forward function over the in-memory ports.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::time::after;
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, RateLimiter, Reporting, SinkLoop, Telemetry, Widths};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryGrants, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryRates,
    InMemoryTenants, SeededChance, build,
};
use forward::ForwardSink;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Forward);
const ELSEWHERE: &str = "arn:aws:sqs:us-east-1:123456789012:analytics";

struct World {
    clock: FixedClock,
    tenants: InMemoryTenants,
    queues: InMemoryQueues,
    lines: InMemoryLines,
    grants: InMemoryGrants,
    sink_loop: SinkLoop<InMemory, ForwardSink<InMemoryQueues, InMemoryGrants>>,
}

fn world(target: &str) -> World {
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"analytics","kind":"forward","types":["*"],"queue":"{target}"}}]}}"#
    );
    let clock = FixedClock::at(build::start());
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let queues = InMemoryQueues::new(clock.clone());
    let lines = InMemoryLines::new();
    let grants = InMemoryGrants::new().with(&build::tenant_id("acme"), "", ELSEWHERE);
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
            ledger: InMemoryLedger::new(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink: ForwardSink { queues: queues.clone(), grants: grants.clone(), clock: Arc::new(clock.clone()) },
    };
    World { clock, tenants, queues, lines, grants, sink_loop }
}

impl World {
    async fn handle(&self, messages: &[Incoming]) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }
}

fn message(event: &str) -> Incoming {
    let envelope = build::envelope("acme", event, "action.signed", "{}");
    build::incoming_delivery(&build::queue("acme", QUEUE), event, "analytics", &envelope)
}

fn out(fifo: bool) -> QueueArn {
    build::named_queue(&QueueName {
        fifo,
        ..QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Out)
    })
}

#[tokio::test]
async fn the_tenants_own_queue_gets_the_events_bytes_with_the_delivery_id() {
    let world = world("out");
    assert!(world.handle(&[message("1"), message("2")]).await.is_empty());
    let got = world.queues.messages(&out(false));
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].body, build::body("1", "action.signed", "{}"));
    assert!(got[0].attributes["acequia-delivery-id"].as_text().unwrap().starts_with("dlv_"));
}

#[tokio::test]
async fn any_other_queue_can_be_named_by_its_arn_and_fifo_queues_keep_their_kind() {
    let elsewhere = world(ELSEWHERE);
    assert!(elsewhere.handle(&[message("1")]).await.is_empty());
    assert_eq!(elsewhere.queues.messages(&ELSEWHERE.parse().unwrap()).len(), 1);
    let fifo = world("out.fifo");
    assert!(fifo.handle(&[message("1")]).await.is_empty());
    assert_eq!(fifo.queues.messages(&out(true)).len(), 1);
}

#[tokio::test]
async fn of_a_batch_only_the_entries_that_the_queue_did_not_take_come_back() {
    let world = world("out");
    world.queues.sends.fail_entry(1);
    assert_eq!(world.handle(&[message("1"), message("2"), message("3")]).await, ["2"]);
    assert_eq!(world.queues.messages(&out(false)).len(), 2);
}

#[tokio::test]
async fn more_than_ten_messages_all_arrive() {
    let world = world("out");
    let messages: Vec<Incoming> = (0..25).map(|n| message(&format!("e{n}"))).collect();
    assert!(world.handle(&messages).await.is_empty());
    assert_eq!(world.queues.messages(&out(false)).len(), 25);
}

#[tokio::test]
async fn a_store_of_ours_that_is_down_is_named_and_a_target_that_takes_nothing_is_not() {
    let world = world(ELSEWHERE);
    world.queues.sends.go_down();
    assert_eq!(world.handle(&[message("1")]).await, ["1"]);
    assert_eq!(world.lines.stalled(), BTreeMap::new(), "the target is the tenant's");
    world.queues.sends.mend();
    world.sink_loop.common.ledger.writes.go_down();
    assert!(world.handle(&[message("2"), message("3")]).await.is_empty());
    world.sink_loop.common.ledger.writes.mend();
    world.sink_loop.common.ledger.reads.go_down();
    assert_eq!(world.handle(&[Incoming { receive_count: 2, ..message("4") }]).await, ["4"]);
    assert_eq!(world.lines.stalled(), BTreeMap::from([("ledger at forward".to_owned(), 3)]));
}

#[tokio::test]
async fn a_queue_of_another_partition_is_refused_with_the_reason_and_costs_other_sinks_nothing() {
    let world = world("arn:aws-cn:sqs:cn-north-1:123456789012:analytics");
    assert!(world.handle(&[message("1")]).await.is_empty());
    let dead = world.queues.messages(&build::dead_letter_queue("acme", QUEUE));
    assert_eq!(dead[0].attributes["acequia-reason"].as_text(), Some("rejected"));
    assert!(dead[0].attributes["acequia-detail"].as_text().unwrap().contains("another partition"), "{dead:?}");
}

fn two_sinks() -> World {
    let world = world(ELSEWHERE);
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[
        {{"id":"analytics","kind":"forward","types":["*"],"queue":"{ELSEWHERE}"}},
        {{"id":"own","kind":"forward","types":["*"],"queue":"out"}},
        {{"id":"by-arn","kind":"forward","types":["*"],"queue":"{}"}}]}}"#,
        out(false)
    );
    world.tenants.put(&build::tenant_id("acme"), document);
    world
}

fn message_to(event: &str, sink: &str) -> Incoming {
    let envelope = build::envelope("acme", event, "action.signed", "{}");
    build::incoming_delivery(&build::queue("acme", QUEUE), event, sink, &envelope)
}

#[tokio::test]
async fn a_queue_outside_that_the_tenants_stack_does_not_allow_is_refused_and_its_own_queue_gets_everything() {
    let world = two_sinks();
    world.grants.put(&build::tenant_id("acme"), "", "arn:aws:sqs:us-east-1:123456789012:another");
    let batch = [message_to("1", "analytics"), message_to("2", "own"), message_to("3", "by-arn")];
    assert!(world.handle(&batch).await.is_empty());
    assert!(world.queues.messages(&ELSEWHERE.parse().unwrap()).is_empty(), "nothing went outside");
    assert_eq!(world.queues.messages(&out(false)).len(), 2);
    let dead = world.queues.messages(&build::dead_letter_queue("acme", QUEUE));
    assert_eq!(dead[0].attributes["acequia-reason"].as_text(), Some("not-granted"));
    let detail = dead[0].attributes["acequia-detail"].as_text().unwrap();
    assert!(detail.contains(ELSEWHERE) && detail.contains("ForwardTargets"), "{detail}");
    world.grants.put(&build::tenant_id("acme"), "", "arn:aws:sqs:us-east-1:123456789012:*");
    assert!(world.handle(&[message_to("4", "analytics")]).await.is_empty());
    assert_eq!(world.queues.messages(&ELSEWHERE.parse().unwrap()).len(), 1);
}

#[tokio::test]
async fn while_grants_cannot_be_read_deliveries_to_queues_outside_wait_and_the_tenants_own_queue_does_not() {
    let world = two_sinks();
    world.grants.reads.go_down();
    assert_eq!(world.handle(&[message_to("1", "analytics"), message_to("2", "own")]).await, ["1"]);
    assert_eq!(world.queues.messages(&out(false)).len(), 1);
    assert_eq!(world.lines.stalled(), BTreeMap::from([("secrets at forward".to_owned(), 1)]));
    world.grants.reads.mend();
    assert!(world.handle(&[message_to("1", "analytics")]).await.is_empty());
    assert_eq!(world.queues.messages(&ELSEWHERE.parse().unwrap()).len(), 1);
}

#[tokio::test]
async fn a_tenant_that_fills_only_its_own_queue_never_asks_what_it_is_granted() {
    let world = world("out");
    world.grants.reads.go_down();
    assert!(world.handle(&[message("1")]).await.is_empty());
    assert_eq!(world.queues.messages(&out(false)).len(), 1);
}
