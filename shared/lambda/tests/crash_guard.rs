//! Messages that make the process die: found, handled alone, quarantined; and nothing healthy with them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::delivery::crash::CrashMarker;
use acequia_core::delivery::ledger::Receipt;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::outcome::Cause;
use acequia_core::port::{Clock as _, CrashMarkers as _, Queues as _};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::tenant::Sink as SinkConfig;
use acequia_core::time::after;
use acequia_core::wire::REASON;
use acequia_lambda::{
    Attempted, Batch, BatchLoop, CachedTenants, Course, Deadline, Job, RateLimiter, Sink, SinkLoop, Telemetry, Widths,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryLedger, InMemoryQueues, InMemoryRates, InMemoryTenants, SeededChance,
    build,
};
use futures::FutureExt as _;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Webhook);
/// As in the templates.
const VISIBILITY: Duration = Duration::from_mins(6);

#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeSet<String>>>);

impl Told {
    fn add(&self, event: &str) {
        self.0.lock().unwrap().insert(event.to_owned());
    }

    fn has(&self, event: &str) -> bool {
        self.0.lock().unwrap().contains(event)
    }
}

/// A sink that dies of some events, with all that it was given, is throttled by some, and delivers the others.
struct MortalSink {
    kills: Told,
    throttles: Told,
    delivered: Arc<Mutex<Vec<String>>>,
}

impl Sink for MortalSink {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<SinkConfig>]) {}

    async fn deliver(&self, _: Batch<'_>, (): &(), course: &Course<'_>) {
        let jobs = course.jobs();
        let id = |job: &Job| job.delivery.envelope.event.id().to_owned();
        if jobs.iter().any(|job| self.kills.has(&id(job))) {
            // The process dies: whoever polls it drops it, and nothing more of it happens.
            futures::future::pending::<()>().await;
        }
        let attempt = |job: &Job| {
            if self.throttles.has(&id(job)) {
                return Attempted::not_begun(Cause::Throttled("slow down".to_owned()));
            }
            self.delivered.lock().unwrap().push(id(job));
            Attempted { result: Ok(Receipt { id: None, status: Some(200) }), ..Attempted::not_begun(Cause::NoTime) }
        };
        for (place, job) in jobs.iter().enumerate() {
            course.tell(place, attempt(job));
        }
    }
}

struct World {
    clock: FixedClock,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    kills: Told,
    throttles: Told,
    delivered: Arc<Mutex<Vec<String>>>,
    sink_loop: SinkLoop<InMemory, MortalSink>,
}

fn world() -> World {
    let clock = FixedClock::at(build::start());
    let document = build::webhook_document("acme", "https://crm.example.org/");
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let (kills, throttles, delivered) = (Told::default(), Told::default(), Arc::default());
    let sink = MortalSink { kills: kills.clone(), throttles: throttles.clone(), delivered: Arc::clone(&delivered) };
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants, Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::silent(),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink,
    };
    World { clock, ledger, queues, kills, throttles, delivered, sink_loop }
}

fn queue() -> QueueArn {
    build::queue("acme", QUEUE)
}

impl World {
    async fn send(&self, events: &[&str]) {
        for event in events {
            let envelope = build::envelope("acme", event, "action.signed", "{}");
            let outgoing = acequia_core::delivery::Delivery::new(build::sink_id("crm"), envelope).to_message();
            self.queues.send(&queue(), &[outgoing]).await.remove(0).unwrap();
        }
    }

    /// One invocation; answers how many messages came back, and nothing where the process died.
    fn invoke(&self) -> Option<usize> {
        let messages = self.queues.receive(&queue(), 100, VISIBILITY);
        let event = serde_json::from_value(lambda_event(&messages)).unwrap();
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let response = self.sink_loop.handle(event, deadline).now_or_never()?.unwrap();
        let failed: Vec<String> = response.batch_item_failures.into_iter().map(|one| one.item_identifier).collect();
        for message in messages.iter().filter(|message| !failed.contains(&message.message_id)) {
            self.queues.delete(&queue(), &message.receipt_handle);
        }
        Some(failed.len())
    }

    fn delivered(&self) -> Vec<String> {
        let mut delivered = self.delivered.lock().unwrap().clone();
        delivered.sort();
        delivered
    }

    fn reasons(&self) -> Vec<String> {
        let reason = |message: &Incoming| message.attributes[REASON].as_text().unwrap().to_owned();
        self.queues.messages(&build::dead_letter_queue("acme", QUEUE)).iter().map(reason).collect()
    }

    fn crash_markers(&self) -> Vec<CrashMarker> {
        self.ledger.marked(&build::tenant_id("acme"))
    }
}

#[test]
fn a_message_that_kills_its_process_is_handled_alone_then_quarantined_and_its_neighbours_are_delivered_once() {
    let world = world();
    world.kills.add("poison");
    world.send(&["a", "poison", "b"]).now_or_never().unwrap();
    let mut deaths = 0;
    for _ in 0..20 {
        deaths += u32::from(world.invoke().is_none());
        if world.queues.messages(&queue()).is_empty() {
            break;
        }
        world.clock.advance(VISIBILITY);
    }
    assert_eq!(deaths, 4, "twice in company, twice alone");
    assert_eq!(world.delivered(), ["a", "b"]);
    assert_eq!(world.reasons(), ["crash-loop"]);
}

#[test]
fn two_messages_that_kill_their_process_are_both_found() {
    let world = world();
    world.kills.add("x");
    world.kills.add("y");
    world.send(&["a", "x", "b", "y"]).now_or_never().unwrap();
    for _ in 0..60 {
        let died = world.invoke().is_none();
        world.clock.advance(if died { VISIBILITY } else { Duration::from_secs(1) });
    }
    assert!(world.queues.messages(&queue()).is_empty());
    assert_eq!((world.delivered(), world.reasons().len()), (vec!["a".to_owned(), "b".to_owned()], 2));
}

/// A batch of which one message is quarantined, and the process dies of the other.
fn quarantined_beside_a_killer() -> World {
    let world = world();
    world.kills.add("x");
    world.kills.add("y");
    world.send(&["x", "y"]).now_or_never().unwrap();
    let ids: Vec<_> = world.queues.messages(&queue()).into_iter().map(|message| message.message_id).collect();
    let crash_markers = [CrashMarker::of(&ids[0], 2, build::start()), CrashMarker::of(&ids[1], 1, build::start())];
    world.ledger.mark(&build::tenant_id("acme"), &crash_markers).now_or_never().unwrap();
    for _ in 0..2 {
        world.queues.receive(&queue(), 10, VISIBILITY);
        world.clock.advance(VISIBILITY);
    }
    world
}

#[test]
fn what_is_quarantined_is_quarantined_once_though_the_process_dies_of_its_neighbour() {
    let world = quarantined_beside_a_killer();
    for (letters, left) in [(1, 1), (2, 0)] {
        let died = world.invoke().is_none();
        assert_eq!((died, world.reasons().len()), (left > 0, letters));
        assert_eq!(world.queues.messages(&queue()).len(), left);
        world.clock.advance(VISIBILITY);
    }
}

#[test]
fn what_is_quarantined_and_cannot_be_deleted_is_quarantined_again_rather_than_lost() {
    let world = quarantined_beside_a_killer();
    world.queues.deletes.go_down();
    for left in [2, 0] {
        assert_eq!(world.invoke().is_none(), left > 0);
        assert_eq!(world.queues.messages(&queue()).len(), left);
        world.clock.advance(VISIBILITY);
    }
    assert_eq!(world.reasons(), ["crash-loop"; 3]);
}

#[test]
fn a_message_that_comes_back_for_another_reason_is_never_suspect() {
    let world = world();
    world.throttles.add("held");
    world.send(&["held"]).now_or_never().unwrap();
    for _ in 0..5 {
        assert_eq!(world.invoke(), Some(1));
        assert!(world.crash_markers().is_empty(), "the crash marker is taken back");
        world.clock.advance(Duration::from_hours(1));
    }
    assert!(world.reasons().is_empty());
}

#[test]
fn a_suspect_that_is_only_held_stays_one_and_stays_in_its_queue() {
    let world = world();
    world.kills.add("poison");
    world.send(&["poison"]).now_or_never().unwrap();
    for _ in 0..2 {
        assert_eq!(world.invoke(), None, "the process dies");
        world.clock.advance(VISIBILITY);
    }
    // For longer than a message without a crash marker would stay: nothing is attempted, so nothing is learned of it.
    world.kills.0.lock().unwrap().clear();
    world.throttles.add("poison");
    for _ in 0..10 {
        assert_eq!(world.invoke(), Some(1));
        assert_eq!(world.crash_markers().iter().map(|crash_marker| crash_marker.alone).collect::<Vec<_>>(), [0]);
        world.clock.advance(Duration::from_hours(2));
    }
    world.throttles.0.lock().unwrap().clear();
    world.kills.add("poison");
    for _ in 0..2 {
        assert_eq!(world.invoke(), None, "the process dies");
        world.clock.advance(VISIBILITY);
    }
    assert_eq!(world.invoke(), Some(0));
    assert_eq!(world.reasons(), ["crash-loop"]);
}

#[test]
fn the_first_receive_of_a_message_costs_no_crash_marker() {
    let world = world();
    world.send(&["a", "b"]).now_or_never().unwrap();
    assert_eq!(world.invoke(), Some(0));
    assert_eq!(world.ledger.crash_markers.calls(), 0);
}

#[test]
fn a_suspect_that_the_process_survives_is_delivered_and_its_crash_marker_is_taken_back() {
    let world = world();
    world.kills.add("poison");
    world.send(&["a", "poison"]).now_or_never().unwrap();
    for _ in 0..3 {
        assert_eq!(world.invoke().is_none(), world.delivered().is_empty());
        world.clock.advance(VISIBILITY);
    }
    // The bug is mended.
    world.kills.0.lock().unwrap().clear();
    for _ in 0..4 {
        world.invoke();
        world.clock.advance(VISIBILITY);
    }
    assert_eq!((world.delivered(), world.reasons().len()), (vec!["a".to_owned(), "poison".to_owned()], 0));
    assert!(world.crash_markers().is_empty());
}

#[test]
fn with_the_store_of_crash_markers_down_what_may_be_suspect_comes_back_and_the_rest_goes_on() {
    let world = world();
    world.throttles.add("old");
    world.send(&["old"]).now_or_never().unwrap();
    for _ in 0..2 {
        assert_eq!(world.invoke(), Some(1));
        world.clock.advance(VISIBILITY);
    }
    world.ledger.crash_markers.go_down();
    world.throttles.0.lock().unwrap().clear();
    world.send(&["new"]).now_or_never().unwrap();
    assert_eq!(world.invoke(), Some(1));
    assert_eq!(world.delivered(), ["new"]);
    world.ledger.crash_markers.mend();
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(world.invoke(), Some(0));
    assert_eq!(world.delivered(), ["new", "old"]);
}

#[test]
fn a_suspect_whose_crash_marker_cannot_be_written_is_not_handled() {
    let world = world();
    world.kills.add("poison");
    world.send(&["poison"]).now_or_never().unwrap();
    let long_ago = after(build::start(), Duration::ZERO);
    let id = world.queues.messages(&queue())[0].message_id.clone();
    let tenant = build::tenant_id("acme");
    world.ledger.mark(&tenant, &[CrashMarker::of(&id, 0, long_ago)]).now_or_never().unwrap();
    for _ in 0..2 {
        world.queues.receive(&queue(), 1, VISIBILITY);
        world.clock.advance(VISIBILITY);
    }
    // Reading works, and the next call, which writes, does not.
    world.ledger.crash_markers.fail_entry(0);
    assert_eq!(world.invoke(), Some(1), "it was not handled, or the process would have died");
}
