//! Stores and queues that do not answer at the end of an invocation: the batch is answered all the same, and nothing is
//! lost.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::Receipt;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::outcome::Cause;
use acequia_core::port::{Clock as _, Queues as _};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::tenant::Sink as SinkConfig;
use acequia_core::time::after;
use acequia_lambda::{
    Attempted, Batch, BatchLoop, CachedTenants, Course, Deadline, Job, RateLimiter, Reporting, Sink, SinkLoop,
    Telemetry, Widths,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryRates,
    InMemoryTenants, SeededChance, build,
};

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Webhook);
const TIMEOUT: Duration = Duration::from_mins(1);

/// Delivers what is good, is refused what is bad, and fails at what is slow.
struct PlainSink;

impl Sink for PlainSink {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<SinkConfig>]) {}

    async fn deliver(&self, _: Batch<'_>, (): &(), course: &Course<'_>) {
        let result = |job: &Job| match job.delivery.envelope.event.id() {
            "bad" => Err(Cause::Rejected("no".to_owned())),
            "slow" => Err(Cause::Timeout(TIMEOUT)),
            _ => Ok(Receipt::default()),
        };
        for (place, job) in course.jobs().iter().enumerate() {
            course.tell(place, Attempted { result: result(job), ..Attempted::not_begun(Cause::NoTime) });
        }
    }
}

struct World {
    clock: FixedClock,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    lines: InMemoryLines,
    sink_loop: SinkLoop<InMemory, PlainSink>,
}

fn world() -> World {
    let clock = FixedClock::at(build::start());
    let document = build::webhook_document("acme", "https://crm.example.org/");
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
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink: PlainSink,
    };
    World { clock, ledger, queues, lines, sink_loop }
}

fn queue() -> QueueArn {
    build::queue("acme", QUEUE)
}

impl World {
    async fn receive(&self, events: &[&str]) -> Vec<Incoming> {
        for event in events {
            let envelope = build::envelope("acme", event, "action.signed", "{}");
            let outgoing = Delivery::new(build::sink_id("crm"), envelope).to_message();
            self.queues.send(&queue(), &[outgoing]).await.remove(0).unwrap();
        }
        self.queues.receive(&queue(), 10, Duration::from_mins(6))
    }

    /// One invocation, whose time passes as soon as it waits for something; answers which messages come back.
    async fn invoke(&self, messages: &[Incoming]) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), TIMEOUT));
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let passes = async { self.clock.advance(TIMEOUT) };
        let (response, ()) = futures::join!(self.sink_loop.handle(event, deadline), passes);
        response.unwrap().batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }
}

#[tokio::test]
async fn what_was_delivered_is_acknowledged_though_the_ledger_hangs_and_counted_as_unrecorded() {
    let world = world();
    let messages = world.receive(&["1", "2"]).await;
    world.ledger.writes.hang();
    assert!(world.invoke(&messages).await.is_empty());
    let line = world.lines.written().remove(0);
    assert!(line.contains("\"delivered_unrecorded\":2"), "{line}");
}

#[tokio::test]
async fn what_the_dead_letter_queue_does_not_take_in_time_comes_back_and_its_neighbour_does_not() {
    let world = world();
    let messages = world.receive(&["bad", "good"]).await;
    world.queues.sends.hang();
    let bad = messages.iter().find(|message| message.body.contains("\"bad\"")).unwrap();
    assert_eq!(world.invoke(&messages).await, std::slice::from_ref(&bad.message_id));
}

#[tokio::test]
async fn what_cannot_be_hidden_in_time_is_reported_all_the_same() {
    let world = world();
    let messages = world.receive(&["slow", "good"]).await;
    world.queues.hides.hang();
    let slow = messages.iter().find(|message| message.body.contains("\"slow\"")).unwrap();
    assert_eq!(world.invoke(&messages).await, std::slice::from_ref(&slow.message_id));
}
