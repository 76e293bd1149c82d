//! The end of an invocation and before it: stores and queues that do not answer at the end cost nothing but what they
//! were asked for, and what was delivered is recorded while others are still under way.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::{Receipt, Status};
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

/// How long it takes to give up what hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Delivers what is good, is refused what is bad, fails at what is slow, and waits for what hangs.
struct PlainSink {
    clock: FixedClock,
    /// The events that it was given, in order.
    given: Arc<Mutex<Vec<String>>>,
}

impl Sink for PlainSink {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<SinkConfig>]) {}

    async fn deliver(&self, _: Batch<'_>, (): &(), course: &Course<'_>) {
        let id = |job: &Job| job.delivery.envelope.event.id().to_owned();
        let result = |job: &Job| match job.delivery.envelope.event.id() {
            "bad" => Err(Cause::Rejected("no".to_owned())),
            "slow" | "hangs" => Err(Cause::Timeout(TIMEOUT)),
            _ => Ok(Receipt::default()),
        };
        self.given.lock().unwrap().extend(course.jobs().iter().map(id));
        let (hang, quick): (Vec<_>, Vec<_>) =
            course.jobs().iter().enumerate().partition(|(_, job)| id(job).starts_with("hangs"));
        for (place, job) in quick {
            course.tell(place, Attempted { result: result(job), ..Attempted::not_begun(Cause::NoTime) });
        }
        for (place, job) in hang {
            self.clock.sleep(HANGS).await;
            course.tell(place, Attempted { result: result(job), ..Attempted::not_begun(Cause::NoTime) });
        }
    }
}

struct World {
    clock: FixedClock,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    lines: InMemoryLines,
    given: Arc<Mutex<Vec<String>>>,
    sink_loop: SinkLoop<InMemory, PlainSink>,
}

fn world() -> World {
    let clock = FixedClock::at(build::start());
    let document = build::webhook_document("acme", "https://crm.example.org/");
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (ledger, queues, lines) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()), InMemoryLines::new());
    let given = Arc::default();
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
        sink: PlainSink { clock: clock.clone(), given: Arc::clone(&given) },
    };
    World { clock, ledger, queues, lines, given, sink_loop }
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

    /// One invocation; answers which messages come back.
    async fn begin(&self, messages: &[Incoming]) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), TIMEOUT));
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    fn status(&self, event: &str) -> Option<Status> {
        self.ledger.record(&build::tenant_id("acme"), &build::delivery_key(event, "crm")).map(|record| record.status)
    }

    /// One invocation, whose time passes as soon as it waits for something; answers which messages come back.
    async fn invoke(&self, messages: &[Incoming]) -> Vec<String> {
        let passes = async { self.clock.advance(TIMEOUT) };
        futures::join!(self.begin(messages), passes).0
    }
}

#[tokio::test]
async fn what_was_delivered_is_recorded_while_another_is_under_way_so_that_a_death_repeats_nothing_of_it() {
    let world = world();
    let messages = world.receive(&["1", "2", "hangs"]).await;
    {
        let mut batch = pin!(world.begin(&messages));
        assert!(futures::poll!(batch.as_mut()).is_pending());
        assert_eq!(world.status("1"), None, "most batches are over by then");
        world.clock.advance(Duration::from_secs(1));
        assert!(futures::poll!(batch.as_mut()).is_pending());
        assert_eq!((world.status("1"), world.status("2")), (Some(Status::Delivered), Some(Status::Delivered)));
        assert_eq!(world.status("hangs"), None);
        // The process dies here.
    }
    world.given.lock().unwrap().clear();
    world.clock.advance(Duration::from_mins(6));
    let again = world.queues.receive(&queue(), 10, Duration::from_mins(6));
    assert_eq!(again.len(), 3);
    let mut batch = pin!(world.begin(&again));
    assert!(futures::poll!(batch.as_mut()).is_pending());
    assert_eq!(*world.given.lock().unwrap(), ["hangs"], "the others are known to be done");
}

#[tokio::test]
async fn an_outcome_that_could_not_be_written_early_is_written_at_the_end() {
    let world = world();
    let messages = world.receive(&["1", "hangs"]).await;
    let mut batch = pin!(world.begin(&messages));
    assert!(futures::poll!(batch.as_mut()).is_pending());
    world.ledger.writes.go_down();
    world.clock.advance(Duration::from_secs(1));
    assert!(futures::poll!(batch.as_mut()).is_pending());
    assert_eq!(world.status("1"), None);
    world.ledger.writes.mend();
    world.clock.advance(HANGS);
    assert_eq!(batch.await.len(), 1);
    assert_eq!(world.status("1"), Some(Status::Delivered));
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
