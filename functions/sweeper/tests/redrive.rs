//! The automatic redrive over the in-memory ports: what goes back, when, how often, and what never does.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::{ClaimRequest, DeliveryRecord, Record, Status, Verdict};
use acequia_core::id::digest;
use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::outcome::Reason;
use acequia_core::outcome::stall::{Stalls, Store};
use acequia_core::port::{Clock, DeadLetters, Depths, Ledger as _, Queues as _, RedriveJournal};
use acequia_core::queue::QueueRole;
use acequia_core::time::after;
use acequia_core::wire::{quarantined, redrive_of};
use acequia_lambda::{Deadline, Reporting, Telemetry};
use acequia_testkit::{
    FixedClock, IMMORTAL, InMemoryDelays, InMemoryJournal, InMemoryLedger, InMemoryLines, InMemoryQueues,
    InMemoryTenants, Mortal, SeededChance, build,
};
use futures::FutureExt as _;
use jiff::Timestamp;
use sweeper::{Afterwards as _, AutoRedriver, Sweeper};

const WEBHOOK: QueueRole = QueueRole::Sink(SinkKind::Webhook);
const HOUR: Duration = Duration::from_hours(1);
const WANTED: &str = r#""auto_redrive":{"times":2},"#;

struct World {
    clock: FixedClock,
    turns: InMemoryDelays,
    tenants: InMemoryTenants,
    queues: InMemoryQueues,
    journal: InMemoryJournal,
    ledger: InMemoryLedger,
    chance: Arc<SeededChance>,
}

/// `acme` wants to have its dead letters back twice, after an hour and after two; `bona` does not say anything.
fn world() -> World {
    let clock = FixedClock::default();
    let world = World {
        turns: InMemoryDelays::new(),
        tenants: InMemoryTenants::new(),
        queues: InMemoryQueues::new(clock.clone()),
        journal: InMemoryJournal::new(),
        ledger: InMemoryLedger::new(),
        chance: Arc::new(SeededChance::new(1)),
        clock,
    };
    world.configure("acme", WANTED);
    world.configure("bona", "");
    world
}

impl World {
    fn configure(&self, tenant: &str, setting: &str) {
        let document = build::webhook_document(tenant, "https://crm.example/");
        let document = document.replacen("\"sinks\"", &format!("{setting}\"sinks\""), 1);
        self.tenants.put(&build::tenant_id(tenant), document);
    }

    fn redriver<D: DeadLetters + Depths, J: RedriveJournal>(
        &self,
        dead_letters: D,
        journal: J,
    ) -> AutoRedriver<InMemoryDelays, InMemoryTenants, D, J, InMemoryLedger> {
        AutoRedriver {
            stage: build::stage(),
            leases: self.turns.clone(),
            tenants: self.tenants.clone(),
            dead_letters,
            journal,
            ledger: self.ledger.clone(),
            clock: Arc::new(self.clock.clone()),
            chance: self.chance.clone(),
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::at(after(self.clock.now(), Duration::from_mins(1)))
    }

    async fn run(&self) -> u64 {
        self.redriver(self.queues.clone(), self.journal.clone()).run(self.deadline(), &mut Stalls::default()).await
    }

    /// A delivery comes to the webhook queue and fails for good.
    async fn fail_new(&self, tenant: &str, event: &str, reason: Reason) {
        let queue = build::queue(tenant, WEBHOOK);
        let message = build::incoming_delivery(&queue, "m", "crm", &build::envelope(tenant, event, "t", "{}"));
        let outgoing =
            Outgoing { body: message.body, attributes: message.attributes, group: None, deduplication: None };
        assert!(self.queues.send(&queue, &[outgoing]).await[0].is_ok());
        self.fail(tenant, reason).await;
    }

    /// Whatever lies in the webhook queue fails for good: claimed, recorded and quarantined, as the function does it.
    async fn fail(&self, tenant: &str, reason: Reason) {
        let (queue, id) = (build::queue(tenant, WEBHOOK), build::tenant_id(tenant));
        for message in self.queues.receive(&queue, 10, HOUR) {
            let delivery = Delivery::from_message(&id, &message).unwrap();
            let request = ClaimRequest {
                key: delivery.key(),
                replay: None,
                digest: digest(message.body.as_bytes()),
                redrives: redrive_of(&message).into_iter().collect(),
                now: self.clock.now(),
                lease_until: after(self.clock.now(), HOUR),
                ..build::claim("x", "crm")
            };
            let Ok(Verdict::Claimed { record, .. }) = self.ledger.claim(&id, &[request]).await.remove(0) else {
                panic!("the claim of {} is not granted", message.body)
            };
            let record = DeliveryRecord { status: Status::Quarantined, reason: Some(reason), ..*record };
            assert!(self.ledger.write(&id, &[Record::Delivery(Box::new(record))]).await[0].is_ok());
            let letter = quarantined(&message, reason, "why", 9, self.clock.now()).unwrap();
            assert!(self.queues.send(&build::dead_letter_queue(tenant, WEBHOOK), &[letter]).await[0].is_ok());
            assert!(self.queues.delete(&queue, &message.receipt_handle));
        }
    }

    fn sent(&self, tenant: &str) -> Vec<String> {
        self.queues.messages(&build::queue(tenant, WEBHOOK)).into_iter().map(|message| message.body).collect()
    }

    fn dead(&self, tenant: &str) -> Vec<String> {
        let queue = build::dead_letter_queue(tenant, WEBHOOK);
        self.queues.messages(&queue).into_iter().map(|message| message.body).collect()
    }
}

#[tokio::test]
async fn a_dead_letter_goes_back_after_its_wait_then_after_twice_of_it_and_then_no_more() {
    let world = world();
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    for hours in [1, 2] {
        world.clock.advance(Duration::from_mins(60 * hours - 16));
        assert_eq!((world.run().await, world.sent("acme").len()), (0, 0), "{hours}");
        world.clock.advance(Duration::from_mins(16));
        assert_eq!((world.run().await, world.sent("acme").len(), world.dead("acme").len()), (1, 1, 0), "{hours}");
        world.fail("acme", Reason::AttemptsExhausted).await;
    }
    for _ in 0..5 {
        world.clock.advance(HOUR * 10);
        assert_eq!((world.run().await, world.dead("acme").len()), (0, 1));
    }
    // Also what is used up is there to be seen at once.
    assert_eq!(world.queues.depth(&build::dead_letter_queue("acme", WEBHOOK)).visible, 1);
}

#[tokio::test]
async fn other_reasons_and_other_tenants_stay_where_they_are() {
    let world = world();
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    world.fail_new("acme", "2", Reason::HttpStatus).await;
    world.fail_new("acme", "3", Reason::Ambiguous).await;
    world.fail_new("bona", "4", Reason::AttemptsExhausted).await;
    world.clock.advance(HOUR);
    assert_eq!(world.run().await, 1);
    assert_eq!((world.dead("acme").len(), world.dead("bona").len(), world.sent("bona").len()), (2, 1, 0));
}

#[tokio::test]
async fn one_tenant_that_cannot_be_read_costs_the_others_nothing() {
    let world = world();
    world.tenants.put(&build::tenant_id("aaa"), "not json");
    world.configure("bona", r#""auto_redrive":{"after":"soon"},"#);
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    world.queues.remove(&build::dead_letter_queue("acme", QueueRole::Sink(SinkKind::Email)));
    world.clock.advance(HOUR);
    assert_eq!(world.run().await, 1);
}

#[tokio::test]
async fn it_looks_every_quarter_of_an_hour_and_only_with_time_left() {
    let world = world();
    assert_eq!(world.run().await, 0);
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    world.clock.advance(HOUR);
    let late = Deadline::at(after(world.clock.now(), Duration::from_secs(20)));
    assert_eq!(world.redriver(world.queues.clone(), world.journal.clone()).run(late, &mut Stalls::default()).await, 0);
    assert_eq!(world.run().await, 1, "who had no time did not take the turn");
    world.fail("acme", Reason::AttemptsExhausted).await;
    world.fail_new("acme", "2", Reason::AttemptsExhausted).await;
    world.configure("acme", r#""auto_redrive":{"after":"15m"},"#);
    world.clock.advance(Duration::from_mins(14));
    assert_eq!(world.run().await, 0);
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(world.run().await, 1);
}

#[tokio::test]
async fn with_the_ledger_down_nothing_goes_back() {
    let world = world();
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    world.clock.advance(HOUR);
    world.ledger.reads.go_down();
    assert_eq!((world.run().await, world.sent("acme").len(), world.dead("acme").len()), (0, 0, 1));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_its_own_dead_letter_alone() {
    let world = world();
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    world.fail_new("acme", "2", Reason::AttemptsExhausted).await;
    world.clock.advance(HOUR);
    world.ledger.reads.fail_entry(0);
    assert_eq!((world.run().await, world.sent("acme").len(), world.dead("acme").len()), (1, 1, 1));
}

/// Runs until a process with so many steps dies; answers whether it lived.
fn killed(world: &World, steps: u32, of_the_journal: bool) -> bool {
    let (queues, journal) = if of_the_journal { (IMMORTAL, steps) } else { (steps, IMMORTAL) };
    let queues = Mortal::new(&world.queues, &world.journal, queues);
    let journal = Mortal::new(&world.queues, &world.journal, journal);
    world.redriver(queues, journal).run(world.deadline(), &mut Stalls::default()).now_or_never().is_some()
}

#[tokio::test]
async fn killed_at_any_step_it_loses_nothing_and_doubles_nothing() {
    for of_the_journal in [false, true] {
        let mut deaths = 0;
        for steps in 0..200 {
            let world = world();
            for event in ["1", "2", "3"] {
                world.fail_new("acme", event, Reason::AttemptsExhausted).await;
            }
            world.clock.advance(HOUR);
            if killed(&world, steps, of_the_journal) {
                break;
            }
            deaths += 1;
            for _ in 0..3 {
                world.clock.advance(HOUR);
                world.run().await;
            }
            let (mut sent, dead) = (world.sent("acme"), world.dead("acme"));
            let copies = sent.len();
            sent.sort();
            sent.dedup();
            assert_eq!(copies, sent.len(), "{steps}: something is doubled");
            let here = |event: &str| {
                let body = build::envelope("acme", event, "t", "{}").body;
                sent.contains(&body) || dead.contains(&body)
            };
            assert!(["1", "2", "3"].into_iter().all(here), "{steps}: something is lost");
        }
        assert!(deaths > 5, "{deaths} deaths are too few to be the protocol");
        assert!(deaths < 200, "no run lives");
    }
}

#[tokio::test]
async fn the_sweepers_line_counts_what_went_back() {
    let (world, lines) = (world(), InMemoryLines::new());
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    world.clock.advance(HOUR);
    let sweeper = Sweeper {
        stage: build::stage(),
        delayed: world.turns.clone(),
        queues: world.queues.clone(),
        afterwards: world.redriver(world.queues.clone(), world.journal.clone()),
        clock: Arc::new(world.clock.clone()),
        chance: world.chance.clone(),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    };
    sweeper.handle(world.deadline()).await.unwrap();
    assert!(lines.written()[0].contains("\"redriven\":1"), "{:?}", lines.written());
}

#[tokio::test]
async fn what_held_the_automatic_redrive_up_is_named() {
    let world = world();
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    world.clock.advance(HOUR);
    world.ledger.reads.go_down();
    let mut stalls = Stalls::default();
    let redriver = world.redriver(world.queues.clone(), world.journal.clone());
    assert_eq!(redriver.run(world.deadline(), &mut stalls).await, 0);
    assert_eq!(stalls.iter().collect::<Vec<_>>(), [(Store::Ledger, 1)]);
}

/// A clock by which each look takes three seconds.
struct Hasty(FixedClock);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.advance(Duration::from_secs(3));
        self.0.now()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep(time)
    }
}

#[tokio::test]
async fn a_round_that_does_not_end_in_one_invocation_goes_on_in_the_next_and_leaves_nobody_out() {
    let world = world();
    let tenants: Vec<String> = (0..30).map(|number| format!("many-{number:02}")).collect();
    for tenant in &tenants {
        world.configure(tenant, WANTED);
        world.fail_new(tenant, "1", Reason::AttemptsExhausted).await;
    }
    world.clock.advance(HOUR);
    let mut redriver = world.redriver(world.queues.clone(), world.journal.clone());
    redriver.clock = Arc::new(Hasty(world.clock.clone()));
    let mut moved = Vec::new();
    for _ in 0..30 {
        moved.push(redriver.run(world.deadline(), &mut Stalls::default()).await);
    }
    assert!(moved[0] > 0 && moved[0] < 30, "{moved:?}");
    assert!(moved[1] > 0, "the next invocation goes on, and waits for no new round: {moved:?}");
    assert_eq!(moved.iter().sum::<u64>(), 30, "{moved:?}");
    assert!(tenants.iter().all(|tenant| world.sent(tenant).len() == 1));
}

#[tokio::test]
async fn killed_in_the_middle_of_a_round_the_tenants_behind_it_have_their_turn_in_the_next_one() {
    let world = world();
    world.fail_new("acme", "1", Reason::AttemptsExhausted).await;
    world.clock.advance(HOUR);
    assert!(!killed(&world, 1, false), "it dies at its second step");
    world.clock.advance(Duration::from_mins(2));
    assert_eq!(world.run().await, 0, "what may have killed it is not tried again at once");
    world.clock.advance(Duration::from_mins(14));
    assert_eq!(world.run().await, 1);
}
