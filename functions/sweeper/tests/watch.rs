//! The watch over the in-memory ports: what it finds, which alerts it sends, and what becomes of a call that fails.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::outcome::Reason;
use acequia_core::port::{Clock as _, Queues as _};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::time::after;
use acequia_core::watch::{LOOKS, Limits};
use acequia_core::wire::quarantined;
use acequia_lambda::{Deadline, Reporting, Telemetry};
use acequia_testkit::{
    FixedClock, InMemoryAges, InMemoryAlerts, InMemoryDelays, InMemoryFindings, InMemoryLines, InMemoryQueues,
    InMemoryWatched, build,
};
use sweeper::Watcher;

const WEBHOOK: QueueRole = QueueRole::Sink(SinkKind::Webhook);
const FIVE: Duration = Duration::from_mins(5);

struct World {
    clock: FixedClock,
    queues: InMemoryQueues,
    watched: InMemoryWatched,
    ages: InMemoryAges,
    findings: InMemoryFindings,
    alerts: InMemoryAlerts,
    turns: InMemoryDelays,
    lines: InMemoryLines,
}

impl World {
    fn new() -> Self {
        let clock = FixedClock::default();
        let queues = InMemoryQueues::new(clock.clone());
        Self {
            watched: InMemoryWatched::new(queues.clone()),
            ages: InMemoryAges::new(queues.clone()),
            findings: InMemoryFindings::new(),
            alerts: InMemoryAlerts::new(),
            turns: InMemoryDelays::new(),
            lines: InMemoryLines::new(),
            queues,
            clock,
        }
    }

    /// One look, in so many of which all queues are seen, that has so many seconds; its line of metrics. Five minutes
    /// pass.
    async fn looks(&self, looks: usize, seconds: u64) -> String {
        let watcher = Watcher {
            stage: build::stage(),
            limits: Limits { dead_letters: 1, age: Duration::from_hours(1) },
            turns: self.turns.clone(),
            queues: self.watched.clone(),
            ages: self.ages.clone(),
            findings: self.findings.clone(),
            dead_letters: self.queues.clone(),
            alerts: self.alerts.clone(),
            clock: Arc::new(self.clock.clone()),
            telemetry: Telemetry::new(Reporting::default(), self.lines.clone()),
        };
        watcher.handle(looks, Deadline::at(after(self.clock.now(), Duration::from_secs(seconds)))).await;
        self.clock.advance(FIVE);
        self.lines.written().pop().unwrap_or_default()
    }

    async fn look(&self) -> String {
        self.looks(1, 60).await
    }

    async fn put(&self, queue: &QueueArn, message: Outgoing) {
        assert!(self.queues.send(queue, &[message]).await[0].is_ok());
    }

    /// A message of the webhook queue is quarantined.
    async fn quarantine(&self, tenant: &str, reason: Reason) {
        let before = build::incoming(&build::queue(tenant, WEBHOOK), "m", "body");
        let letter = quarantined(&before, reason, "ana@example.org", 1, self.clock.now()).unwrap();
        self.put(&build::dead_letter_queue(tenant, WEBHOOK), letter).await;
    }

    fn told(&self) -> Vec<String> {
        self.alerts.told().into_iter().map(|(_, subject, _)| subject).collect()
    }
}

fn plain() -> Outgoing {
    Outgoing { body: "x".to_owned(), attributes: [].into(), group: None, deduplication: None }
}

#[tokio::test]
async fn dead_letters_are_told_with_tenant_queue_count_reason_and_command_and_stay_visible() {
    let world = World::new();
    for reason in [Reason::NotADelivery, Reason::AttemptsExhausted, Reason::AttemptsExhausted] {
        world.quarantine("acme", reason).await;
    }
    let line = world.look().await;
    let told = world.alerts.told();
    let (tenant, subject, text) = told.first().unwrap();
    assert_eq!((told.len(), tenant.as_str()), (1, "acme"));
    assert_eq!(subject, "Acequia test: 3 dead letters of acme in webhook");
    assert!(text.contains("most of them for attempts-exhausted"), "{text}");
    assert!(text.contains("acequia dlq list acme --queue webhook --stage test"), "{text}");
    assert!(!text.contains("ana@"), "a detail may be personal: {text}");
    assert_eq!(world.queues.depth(&build::dead_letter_queue("acme", WEBHOOK)).visible, 3);
    for part in ["\"dead_letters\":3", "\"dead_letter_queues\":1", "\"watch_failed\":0", "\"told\":1"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_trouble_is_told_once_again_when_it_is_tenfold_and_anew_after_it_was_over() {
    let world = World::new();
    let queue = build::dead_letter_queue("acme", WEBHOOK);
    world.quarantine("acme", Reason::HttpStatus).await;
    for _ in 0..4 {
        world.look().await;
    }
    assert_eq!(world.told().len(), 1);
    for _ in 0..9 {
        world.quarantine("acme", Reason::HttpStatus).await;
    }
    world.look().await;
    assert_eq!(world.told()[1..], ["Acequia test: 10 dead letters of acme in webhook"]);
    for message in world.queues.receive(&queue, 10, FIVE) {
        assert!(world.queues.delete(&queue, &message.receipt_handle));
    }
    let line = world.look().await;
    assert!(line.contains("\"dead_letters\":0"), "{line}");
    assert!(world.findings.rows().is_empty(), "an empty queue leaves no row");
    world.quarantine("acme", Reason::HttpStatus).await;
    world.look().await;
    assert_eq!(world.told().len(), 3);
}

#[tokio::test]
async fn a_notice_that_could_not_be_given_is_given_by_the_next_look_and_once() {
    let world = World::new();
    world.quarantine("acme", Reason::HttpStatus).await;
    world.alerts.faults.fail_next(1);
    let line = world.look().await;
    assert!(line.contains("\"watch_failed\":1"), "{line}");
    assert!(world.told().is_empty());
    for _ in 0..3 {
        world.look().await;
    }
    assert_eq!(world.told().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_remembered_is_not_told_until_it_can() {
    let world = World::new();
    world.quarantine("acme", Reason::HttpStatus).await;
    world.findings.writes.go_down();
    for _ in 0..3 {
        let line = world.look().await;
        assert!(line.contains("\"dead_letters\":1") && !line.contains("\"watch_failed\":0"), "{line}");
    }
    assert!(world.told().is_empty());
    world.findings.writes.mend();
    world.look().await;
    assert_eq!(world.told().len(), 1);
}

#[tokio::test]
async fn a_tenant_with_alarms_of_its_own_is_neither_told_nor_counted() {
    let world = World::new();
    for tenant in ["acme", "bona"] {
        world.quarantine(tenant, Reason::HttpStatus).await;
    }
    world.watched.make(&build::dead_letter_queue("acme", WEBHOOK), Some("own"));
    world.watched.make(&build::dead_letter_queue("bona", WEBHOOK), Some("shared"));
    let line = world.look().await;
    assert_eq!(world.told(), ["Acequia test: 1 dead letter of bona in webhook"]);
    assert!(line.contains("\"dead_letters\":1"), "{line}");
    let asked = world.watched.tags.calls();
    world.look().await;
    assert_eq!((asked, world.watched.tags.calls()), (2, 2), "whose they are is believed for an hour");
}

#[tokio::test]
async fn whose_alarms_are_not_known_is_told() {
    let world = World::new();
    world.quarantine("acme", Reason::HttpStatus).await;
    world.watched.make(&build::dead_letter_queue("acme", WEBHOOK), Some("own"));
    world.watched.tags.fail_next(1);
    let line = world.look().await;
    assert_eq!(world.told().len(), 1, "better twice than never");
    assert!(line.contains("\"watch_failed\":1"), "{line}");
}

#[tokio::test]
async fn what_waits_too_long_is_told_and_how_old_it_is_is_asked_only_then() {
    let world = World::new();
    world.put(&build::queue("acme", QueueRole::Out), plain()).await;
    for _ in 0..12 {
        let line = world.look().await;
        assert!(line.contains("\"oldest_message_s\":") && world.told().is_empty(), "{line}");
    }
    assert_eq!(world.ages.faults.calls(), 3, "at 45, 50 and 55 minutes");
    let line = world.look().await;
    assert_eq!(world.told(), ["Acequia test: messages of acme wait in out for 60 min"]);
    assert!(line.contains("\"oldest_message_s\":3600"), "{line}");
}

#[tokio::test]
async fn a_busy_queue_that_is_never_empty_is_no_trouble_as_long_as_its_messages_are_young() {
    let world = World::new();
    let queue = build::queue("acme", WEBHOOK);
    world.put(&queue, plain()).await;
    for _ in 0..30 {
        world.look().await;
        world.put(&queue, plain()).await;
        let oldest = world.queues.receive(&queue, 1, FIVE).remove(0);
        assert!(world.queues.delete(&queue, &oldest.receipt_handle));
    }
    assert!(world.ages.faults.calls() > 0 && world.told().is_empty(), "{:?}", world.told());
}

#[tokio::test]
async fn each_queue_has_its_turn_in_three_looks_and_what_holds_something_in_each() {
    let world = World::new();
    for n in 0..30 {
        world.watched.make(&build::queue(&format!("t{n:02}"), QueueRole::Intake), None);
    }
    let mut looked = Vec::new();
    for _ in 0..3 {
        world.looks(LOOKS, 60).await;
        looked.push(world.watched.looks.calls());
    }
    assert_eq!(looked, [10, 20, 30]);
    world.put(&build::queue("t29", QueueRole::Intake), plain()).await;
    for _ in 0..3 {
        world.looks(LOOKS, 60).await;
    }
    assert_eq!(world.findings.rows().len(), 1);
    let before = world.watched.looks.calls();
    world.looks(LOOKS, 60).await;
    assert_eq!(world.watched.looks.calls() - before, 11);
}

#[tokio::test]
async fn many_queues_in_trouble_are_one_notice_and_a_queue_that_is_gone_is_forgotten() {
    let world = World::new();
    for n in 0..60 {
        world.quarantine(&format!("tenant-{n}"), Reason::HttpStatus).await;
    }
    world.look().await;
    let told = world.alerts.told_of_all();
    assert_eq!((told.len(), told[0].0.as_str()), (1, "Acequia test: 60 queues of 60 tenants need a look"));
    assert!(told[0].1.contains("And 20 more queues."), "{}", told[0].1);
    for n in 0..60 {
        world.queues.remove(&build::dead_letter_queue(&format!("tenant-{n}"), WEBHOOK));
    }
    let line = world.look().await;
    assert!(world.findings.rows().is_empty() && line.contains("\"watch_failed\":0"), "{line}");
}

#[tokio::test]
async fn a_queue_that_cannot_be_measured_costs_the_others_nothing_and_all_of_them_end_the_look_soon() {
    let world = World::new();
    for n in 0..100 {
        world.quarantine(&format!("tenant-{n:03}"), Reason::HttpStatus).await;
    }
    world.watched.looks.fail_call(3);
    let line = world.look().await;
    assert!(line.contains("\"watch_failed\":1") && line.contains("\"dead_letters\":99"), "{line}");
    world.watched.looks.go_down();
    let before = world.watched.looks.calls();
    let line = world.look().await;
    assert!(line.contains("\"watch_failed\":50"), "{line}");
    assert!(world.watched.looks.calls() - before < 100, "it gives up");
    assert_eq!(world.findings.rows().len(), 99, "nothing is forgotten by a failure");
}

#[tokio::test]
async fn with_the_list_down_what_held_something_is_looked_at_all_the_same() {
    let world = World::new();
    world.quarantine("acme", Reason::HttpStatus).await;
    world.look().await;
    world.watched.lists.go_down();
    let line = world.look().await;
    assert!(line.contains("\"dead_letters\":1") && line.contains("\"watch_failed\":1"), "{line}");
}

#[tokio::test]
async fn with_its_memory_down_the_watch_tells_nobody_and_says_that_it_fails() {
    let world = World::new();
    world.quarantine("acme", Reason::HttpStatus).await;
    world.findings.reads.go_down();
    let line = world.look().await;
    assert!(line.contains("\"watch_failed\":1") && world.told().is_empty(), "{line}");
}

#[tokio::test]
async fn a_look_without_time_looks_at_nothing_and_the_next_goes_on() {
    let world = World::new();
    world.quarantine("acme", Reason::HttpStatus).await;
    let line = world.looks(1, 20).await;
    assert!(line.contains("\"looked_at\":0") && world.told().is_empty(), "{line}");
    world.look().await;
    assert_eq!(world.told().len(), 1);
}

#[tokio::test]
async fn a_look_that_may_be_under_way_still_is_left_alone() {
    let world = World::new();
    world.look().await;
    world.clock.set(build::at(30));
    world.quarantine("acme", Reason::HttpStatus).await;
    world.look().await;
    assert_eq!((world.lines.written().len(), world.told().len()), (1, 0));
    world.look().await;
    assert_eq!((world.lines.written().len(), world.told().len()), (2, 1));
}
