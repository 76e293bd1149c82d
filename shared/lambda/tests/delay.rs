//! What leaves its queue for a time, what comes back from there, and what expired meanwhile.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::delay::Delayed;
use acequia_core::delivery::ledger::{DeliveryRecord, Receipt, Status};
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::outcome::Cause;
use acequia_core::port::Clock as _;
use acequia_core::queue::QueueRole;
use acequia_core::tenant::Sink as SinkConfig;
use acequia_core::time::after;
use acequia_core::wire::{RETURNED, ReplayIds, Replayed};
use acequia_lambda::{
    Batch, BatchLoop, CachedTenants, Course, Deadline, Job, RateLimiter, Reporting, Sink, SinkLoop, Telemetry, Widths,
    Work, each,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryRates,
    InMemoryTenants, SeededChance, build,
};
use futures::FutureExt as _;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Webhook);
const HOUR: Duration = Duration::from_hours(1);

/// Answers with a status; remembers the number of each attempt.
struct Endpoint {
    status: Arc<Mutex<u16>>,
    attempts: Arc<Mutex<Vec<u32>>>,
}

impl Sink for Endpoint {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<SinkConfig>]) {}

    async fn deliver(&self, _: Batch<'_>, (): &(), course: &Course<'_>) {
        let attempt = |job: &Job| -> Work<'_> {
            self.attempts.lock().unwrap().push(job.attempt);
            let code = *self.status.lock().unwrap();
            let answer = match code {
                204 => Ok(Receipt { id: None, status: Some(code) }),
                _ => Err(Cause::Status { code, retry_after: None }),
            };
            (Duration::from_secs(1), async move { answer }.boxed())
        };
        each(course, course.jobs().iter().map(attempt).collect()).await;
    }
}

struct World {
    clock: FixedClock,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    delays: InMemoryDelays,
    lines: InMemoryLines,
    status: Arc<Mutex<u16>>,
    attempts: Arc<Mutex<Vec<u32>>>,
    sink_loop: SinkLoop<InMemory, Endpoint>,
}

/// A webhook whose retries wait for an hour.
fn world(extra: &str) -> World {
    let clock = FixedClock::at(build::start());
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"crm","kind":"webhook","types":["*"],
        "url":"https://crm.example.org/","secrets":["crm"],"retry":["1h","1h"]{extra}}}]}}"#
    );
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let (delays, lines) = (InMemoryDelays::new(), InMemoryLines::new());
    let (status, attempts) = (Arc::new(Mutex::new(503)), Arc::default());
    let sink = Endpoint { status: Arc::clone(&status), attempts: Arc::clone(&attempts) };
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants, Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: delays.clone(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink,
    };
    World { clock, ledger, queues, delays, lines, status, attempts, sink_loop }
}

impl World {
    /// Handles a batch; answers how many messages come back by themselves.
    async fn handle(&self, messages: &[Incoming]) -> usize {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        self.sink_loop.handle(event, deadline).await.unwrap().batch_item_failures.len()
    }

    fn record(&self) -> Option<DeliveryRecord> {
        self.ledger.record(&build::tenant_id("acme"), &build::delivery_key("1", "crm"))
    }

    /// The one delayed message as it comes back.
    fn come_back(&self) -> Incoming {
        let row = self.delays.rows().remove(0);
        self.clock.set(self.clock.now().max(row.due_at));
        arrival(&row)
    }
}

fn arrival(row: &Delayed) -> Incoming {
    let fresh = build::incoming(&row.queue, "returned", row.message.body.clone());
    Incoming { attributes: row.to_send().attributes, receive_count: 1, ..fresh }
}

fn message(extension: &str) -> Incoming {
    let envelope = build::envelope("acme", "1", "action.signed", "{}");
    let message = build::incoming_delivery(&build::queue("acme", QUEUE), "m1", "crm", &envelope);
    Incoming { body: message.body.replacen('{', &format!("{{{extension}"), 1), ..message }
}

#[tokio::test]
async fn a_wait_of_an_hour_leaves_the_queue_and_the_second_attempt_counts_as_the_second() {
    let world = world("");
    assert_eq!(world.handle(&[message("")]).await, 0, "it is acknowledged, because it is delayed");
    let delayed = world.delays.rows().remove(0);
    let due_at = world.record().unwrap().due_at.unwrap();
    assert_eq!(delayed.due_at.as_millisecond(), due_at.as_millisecond());
    *world.status.lock().unwrap() = 204;
    let back = world.come_back();
    assert_eq!(back.body, message("").body);
    assert!(message("").attributes.iter().all(|(name, value)| back.attributes.get(name) == Some(value)));
    assert_eq!(world.handle(&[back]).await, 0);
    assert_eq!(*world.attempts.lock().unwrap(), [1, 2]);
    assert_eq!(world.record().unwrap().status, Status::Delivered);
    assert!(world.lines.written()[0].contains("\"delayed\":1"));
}

#[tokio::test]
async fn with_the_table_down_the_message_waits_hidden_in_its_queue() {
    let world = world("");
    world.delays.delays.go_down();
    assert_eq!(world.handle(&[message("")]).await, 1);
    assert!(world.delays.rows().is_empty());
    assert_eq!(world.record().unwrap().status, Status::Retry);
}

#[tokio::test]
async fn of_two_messages_of_one_delivery_in_a_batch_one_is_delayed_and_both_are_acknowledged() {
    let world = world("");
    let second = Incoming { message_id: "m2".to_owned(), ..message("") };
    assert_eq!(world.handle(&[message(""), second]).await, 0);
    assert_eq!(world.delays.rows().len(), 1);
}

#[tokio::test]
async fn a_message_that_was_received_often_for_nothing_is_delayed_for_a_short_wait_and_starts_with_fresh_receives() {
    let world = world(r#","strict":true"#);
    world.ledger.claims.go_down();
    assert_eq!(world.handle(&[Incoming { receive_count: 5, ..message("") }]).await, 1);
    assert_eq!(world.handle(&[Incoming { receive_count: 6, ..message("") }]).await, 0);
    world.ledger.claims.mend();
    *world.status.lock().unwrap() = 204;
    let back = world.come_back();
    assert!(back.attributes[RETURNED].as_text().unwrap().starts_with("6/"));
    assert_eq!(world.handle(&[back]).await, 0);
    assert_eq!(*world.attempts.lock().unwrap(), [1], "what spent no attempt spent none");
}

#[tokio::test]
async fn what_comes_back_too_early_is_delayed_again_and_what_an_operator_expedites_is_attempted() {
    let world = world("");
    world.handle(&[message("")]).await;
    let row = world.delays.rows().remove(0);
    assert_eq!(world.handle(&[arrival(&row)]).await, 0);
    assert_eq!(*world.attempts.lock().unwrap(), [1], "it is not due");
    assert_eq!(world.delays.rows().len(), 2);
    *world.status.lock().unwrap() = 204;
    assert_eq!(world.handle(&[arrival(&Delayed { expedited: true, ..row })]).await, 0);
    assert_eq!(*world.attempts.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn an_expired_delivery_is_recorded_and_not_sent() {
    for (extra, extension) in [("", r#""expirytime":"2026-01-01T00:59:59Z","#), (r#","expires_after":"59m""#, "")] {
        let world = world(extra);
        assert_eq!(world.handle(&[message(extension)]).await, 0);
        let back = world.come_back();
        assert!(world.clock.now() < after(build::start(), HOUR + HOUR));
        world.clock.set(world.clock.now().max(after(build::start(), HOUR)));
        assert_eq!(world.handle(std::slice::from_ref(&back)).await, 0);
        assert_eq!(*world.attempts.lock().unwrap(), [1]);
        let record = world.record().unwrap();
        assert_eq!((record.status, record.attempts.last().unwrap().outcome.as_str()), (Status::Expired, "expired"));
        assert!(world.lines.written()[1].contains("\"expired\":1"));
        assert_eq!(world.handle(&[back]).await, 0, "a second copy is a duplicate");
        assert!(world.queues.messages(&build::dead_letter_queue("acme", QUEUE)).is_empty());
    }
}

/// The same delivery as a replay makes it.
fn replayed(id: &str, ids: ReplayIds, began: u64) -> Incoming {
    let mark = Replayed { id: id.parse().unwrap(), ids, at: build::at(began) };
    let envelope = build::envelope("acme", "1", "t", "{}");
    let outgoing = Delivery::new(build::sink_id("crm"), envelope).replayed(Some(mark)).to_message();
    let fresh = build::incoming(&build::queue("acme", QUEUE), &format!("m-{id}"), outgoing.body);
    Incoming { attributes: outgoing.attributes, sent_at: build::at(began), ..fresh }
}

#[tokio::test]
async fn a_replay_delivers_again_what_was_delivered_once_for_each_replay_and_its_time_counts_from_its_beginning() {
    let world = world(r#","strict":true,"expires_after":"1h""#);
    *world.status.lock().unwrap() = 204;
    world.handle(&[message("")]).await;
    world.clock.advance(HOUR + HOUR);
    let began = 7_200;
    for (mark, made) in [("r1", 2), ("r1", 2), ("r2", 3)] {
        assert_eq!(world.handle(&[replayed(mark, ReplayIds::Same, began)]).await, 0);
        assert_eq!(world.attempts.lock().unwrap().len(), made, "{mark}");
    }
    assert_eq!(world.record().unwrap().attempts.len(), 1, "the first delivery's record is as it was");
    let (one, two) = (replayed("r3", ReplayIds::Same, began), replayed("r4", ReplayIds::Same, began));
    world.handle(&[one.clone(), two, Incoming { message_id: "m-again".to_owned(), ..one }]).await;
    assert_eq!(world.attempts.lock().unwrap().len(), 5, "two replays in a batch are two, and a copy is none");
}

#[tokio::test]
async fn a_sink_in_shadow_mode_sends_nothing_and_the_ledger_says_what_it_would_have_sent() {
    let world = world(r#","shadow":true,"strict":true,"rate":"1/h""#);
    let messages = [message(""), replayed("r1", ReplayIds::Fresh, 0)];
    assert_eq!(world.handle(&messages).await, 0);
    assert_eq!(world.handle(&messages).await, 0, "and once");
    assert!(world.attempts.lock().unwrap().is_empty());
    let record = world.record().unwrap();
    assert_eq!((record.status, record.attempts_used, record.attempts.len()), (Status::Shadowed, 0, 1));
    let note = &record.attempts[0];
    assert_eq!(note.outcome, "shadowed");
    assert!(note.detail.starts_with("shadow: would send ") && note.detail.ends_with(" bytes"), "{}", note.detail);
    assert!(world.delays.rows().is_empty(), "no rate holds it");
    let records = world.ledger.records(&build::tenant_id("acme"));
    assert_eq!(records.len(), 2, "the replay's record is another");
}

#[tokio::test]
async fn the_earlier_of_the_events_and_the_sinks_expiry_counts() {
    let world = world(r#","expires_after":"14days""#);
    world.clock.advance(Duration::from_mins(1));
    world.handle(&[message(r#""expirytime":"2026-01-01T00:00:30Z","#)]).await;
    assert_eq!(world.record().unwrap().status, Status::Expired);
    assert!(world.attempts.lock().unwrap().is_empty());
}
