//! The sweeper over the in-memory ports: what it sends, what it leaves, and what it tells.
#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::delay::Delayed;
use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::port::{
    Clock as _, DelayStore as _, DelayedMessages as _, Queues, SendError, Sweeping as _, Unavailable,
};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::time::after;
use acequia_core::wire::REASON;
use acequia_lambda::{Deadline, Reporting, Telemetry};
use acequia_testkit::{FixedClock, InMemoryDelays, InMemoryLines, InMemoryQueues, SeededChance, build};
use sweeper::{SweepFailed, Sweeper};

const WEBHOOK: QueueRole = QueueRole::Sink(SinkKind::Webhook);

struct World {
    clock: FixedClock,
    delays: InMemoryDelays,
    queues: InMemoryQueues,
    lines: InMemoryLines,
    sweeper: Sweeper<InMemoryDelays, InMemoryQueues, ()>,
}

/// A sweeper at 1,000 s.
fn world() -> World {
    let clock = FixedClock::at(build::at(1_000));
    let (delays, queues, lines) = (InMemoryDelays::new(), InMemoryQueues::new(clock.clone()), InMemoryLines::new());
    let sweeper = Sweeper {
        stage: build::stage(),
        delayed: delays.clone(),
        queues: queues.clone(),
        afterwards: (),
        clock: Arc::new(clock.clone()),
        chance: Arc::new(SeededChance::new(1)),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    };
    World { clock, delays, queues, lines, sweeper }
}

impl World {
    async fn delay(&self, rows: &[Delayed]) {
        for row in rows {
            assert!(self.delays.delay(&row.key.tenant, std::slice::from_ref(row)).await[0].is_ok());
        }
    }

    async fn sweep(&self) -> Result<(), SweepFailed> {
        let end = self.sweeper.handle(Deadline::at(after(self.clock.now(), Duration::from_mins(1)))).await;
        self.clock.advance(Duration::from_mins(2));
        end
    }

    fn bodies(&self, tenant: &str, role: QueueRole) -> Vec<String> {
        let messages = self.queues.messages(&build::queue(tenant, role));
        messages.into_iter().map(|message| message.body).collect()
    }

    fn left(&self) -> Vec<String> {
        self.delays.rows().into_iter().map(|row| row.key.message_id).collect()
    }
}

#[tokio::test]
async fn what_is_due_goes_back_to_its_queue_and_what_is_not_stays() {
    let world = world();
    let rows = [
        build::delayed("acme", Some("crm"), "due", 1_000),
        build::delayed("acme", None, "event", 30),
        build::delayed("bona", Some("crm"), "later", 1_001),
    ];
    world.delay(&rows).await;
    world.sweep().await.unwrap();
    assert_eq!(world.bodies("acme", WEBHOOK), ["body of due"]);
    assert_eq!(world.bodies("acme", QueueRole::Intake), ["body of event"]);
    assert_eq!(world.left(), ["later"]);
    let sent = world.queues.messages(&build::queue("acme", WEBHOOK)).remove(0);
    assert_eq!(sent.attributes, rows[0].message.attributes);
    let line = world.lines.written().remove(0);
    assert!(line.contains("\"swept\":2") && line.contains("\"overdue_s\":970"), "{line}");
}

#[tokio::test]
async fn hundreds_that_are_due_at_once_go_back_once_each() {
    let world = world();
    let rows: Vec<_> = (0..1_000).map(|n| build::delayed("acme", Some("crm"), &format!("m{n}"), 10)).collect();
    world.delay(&rows).await;
    world.sweep().await.unwrap();
    let mut bodies = world.bodies("acme", WEBHOOK);
    bodies.sort();
    bodies.dedup();
    assert_eq!((bodies.len(), world.left().len()), (1_000, 0));
}

#[tokio::test]
async fn a_row_that_cannot_be_deleted_is_sent_again_and_none_is_lost() {
    let world = world();
    world.delay(&[build::delayed("acme", Some("crm"), "m", 10)]).await;
    world.delays.releases.fail_next(1);
    world.sweep().await.unwrap();
    assert_eq!(world.left(), ["m"]);
    world.sweep().await.unwrap();
    assert_eq!((world.bodies("acme", WEBHOOK).len(), world.left().len()), (2, 0));
    assert!(world.lines.written()[0].contains("\"sweep_failed\":1"));
    assert_eq!(world.lines.stalled(), [("delays at sweeper".to_owned(), 1)].into());
}

#[tokio::test]
async fn a_message_that_its_queue_does_not_take_stays_and_its_neighbours_go() {
    let world = world();
    let rows: Vec<_> = ["a", "b", "c"].map(|id| build::delayed("acme", Some("crm"), id, 10)).into();
    world.delay(&rows).await;
    world.queues.sends.fail_entry(0);
    world.sweep().await.unwrap();
    let left = world.left();
    assert!(!left.is_empty() && left.len() < 3, "{left:?}");
    assert!(world.lines.stalled()["queues at sweeper"] > 0);
    world.queues.sends.mend();
    world.sweep().await.unwrap();
    assert_eq!((world.bodies("acme", WEBHOOK).len(), world.left().len()), (3, 0));
}

#[tokio::test]
async fn what_a_queue_refuses_for_good_goes_to_its_dead_letter_queue_and_other_tenants_are_served() {
    let world = world();
    world.delay(&[build::delayed("acme", Some("crm"), "m", 10), build::delayed("bona", Some("crm"), "n", 10)]).await;
    world.queues.remove(&build::queue("acme", WEBHOOK));
    world.sweep().await.unwrap();
    let dead = world.queues.messages(&build::dead_letter_queue("acme", WEBHOOK)).remove(0);
    assert_eq!(dead.attributes[REASON].as_text(), Some("queue-missing"));
    assert_eq!(dead.body, "body of m");
    assert_eq!(world.bodies("bona", WEBHOOK), ["body of n"]);
    assert!(world.left().is_empty());
}

#[tokio::test]
async fn without_a_queue_and_without_its_dead_letter_queue_a_message_stays_and_is_counted() {
    let world = world();
    world.delay(&[build::delayed("acme", Some("crm"), "m", 10)]).await;
    world.queues.remove(&build::queue("acme", WEBHOOK));
    world.queues.remove(&build::dead_letter_queue("acme", WEBHOOK));
    world.sweep().await.unwrap();
    assert_eq!(world.left(), ["m"]);
    assert!(world.lines.written()[0].contains("\"sweep_failed\":1"));
    // It is left alone for an hour, and goes when there is a queue again.
    let tries = world.queues.sends.calls();
    world.sweep().await.unwrap();
    assert_eq!((world.queues.sends.calls(), world.left().len()), (tries, 1));
    world.clock.advance(Duration::from_hours(1));
    world.queues.restore(&build::queue("acme", WEBHOOK));
    world.sweep().await.unwrap();
    assert_eq!((world.bodies("acme", WEBHOOK), world.left().len()), (vec!["body of m".to_owned()], 0));
}

#[tokio::test]
async fn while_one_sweeps_another_does_nothing_and_after_its_lease_it_does() {
    let world = world();
    world.delay(&[build::delayed("acme", Some("crm"), "m", 10)]).await;
    let lease = format!("sweep-{}", world.delays.rows()[0].key.shard());
    assert!(world.delays.lease(&lease, "another", world.clock.now(), build::at(1_060)).await.unwrap().is_some());
    world.sweep().await.unwrap();
    assert_eq!(world.left(), ["m"]);
    world.sweep().await.unwrap();
    assert!(world.left().is_empty());
}

#[tokio::test]
async fn with_the_table_down_a_sweep_fails_as_a_whole_and_the_next_one_makes_up_for_it() {
    let world = world();
    world.delay(&[build::delayed("acme", Some("crm"), "m", 10)]).await;
    world.delays.reads.go_down();
    assert!(world.sweep().await.is_err());
    world.delays.reads.mend();
    world.sweep().await.unwrap();
    assert_eq!(world.bodies("acme", WEBHOOK).len(), 1);
    assert_eq!(world.lines.stalled(), [("delays at sweeper".to_owned(), 1)].into());
}

#[tokio::test]
async fn with_no_time_left_nothing_is_begun() {
    let world = world();
    world.delay(&[build::delayed("acme", Some("crm"), "m", 10)]).await;
    world.sweeper.handle(Deadline::at(after(world.clock.now(), Duration::from_secs(5)))).await.unwrap();
    assert_eq!(world.left(), ["m"]);
}

#[tokio::test]
async fn what_an_operator_expedites_is_sent_at_the_next_sweep_and_says_so() {
    let world = world();
    world.delay(&[build::delayed("acme", Some("crm"), "m", 90_000)]).await;
    world.delays.expedite(&build::tenant_id("acme"), &build::sink_id("crm"), world.clock.now()).await.unwrap();
    world.sweep().await.unwrap();
    let sent = world.queues.messages(&build::queue("acme", WEBHOOK)).remove(0);
    assert!(sent.attributes[acequia_core::wire::RETURNED].as_text().unwrap().ends_with("/expedited"));
}

/// Queues that take their time.
#[derive(Clone)]
struct Slow(InMemoryQueues, FixedClock);

impl Queues for Slow {
    async fn send(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Result<String, SendError>> {
        self.1.advance(Duration::from_secs(25));
        self.0.send(queue, messages).await
    }

    async fn hide(&self, queue: &QueueArn, messages: &[(String, Duration)]) -> Vec<Result<(), Unavailable>> {
        self.0.hide(queue, messages).await
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        Queues::delete(&self.0, queue, handles).await
    }
}

/// So many rows of one shard.
fn of_shard_0(count: usize) -> Vec<Delayed> {
    let rows = (0..).map(|number| build::delayed("acme", Some("crm"), &format!("m-{number}"), 10 + number));
    rows.filter(|row| row.key.shard() == 0).take(count).collect()
}

#[tokio::test]
async fn a_sweep_that_runs_out_of_time_says_so_and_the_next_one_goes_on_where_it_stopped() {
    let World { clock, delays, queues, lines, .. } = world();
    let sweeper = Sweeper {
        stage: build::stage(),
        delayed: delays.clone(),
        queues: Slow(queues.clone(), clock.clone()),
        afterwards: (),
        clock: Arc::new(clock.clone()),
        chance: Arc::new(SeededChance::new(1)),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    };
    let sweep = async || {
        sweeper.handle(Deadline::at(after(clock.now(), Duration::from_mins(1)))).await.unwrap();
        clock.advance(Duration::from_mins(1));
        (delays.rows().len(), lines.written().last().unwrap().contains("\"shards_behind\":1"))
    };
    let rows = of_shard_0(61);
    let (first, rest) = rows.split_first().unwrap();
    for row in rest {
        assert!(delays.delay(&row.key.tenant, std::slice::from_ref(row)).await[0].is_ok());
    }
    assert_eq!(sweep().await, (10, true), "there was time for two pages of 25");
    // It is due before all others, and behind the place where the sweep goes on.
    assert!(delays.delay(&first.key.tenant, std::slice::from_ref(first)).await[0].is_ok());
    assert_eq!(sweep().await, (1, false));
    assert_eq!(delays.rows().remove(0).key, first.key);
    assert_eq!(sweep().await, (0, false));
}

#[tokio::test]
async fn while_one_shard_is_swept_by_another_the_others_are_swept() {
    let world = world();
    let rows: Vec<_> = (0..40).map(|n| build::delayed("acme", Some("crm"), &format!("m{n}"), 10)).collect();
    world.delay(&rows).await;
    assert!(world.delays.lease("sweep-3", "another", world.clock.now(), build::at(1_060)).await.unwrap().is_some());
    world.sweep().await.unwrap();
    let left = world.delays.rows();
    assert!(!left.is_empty() && left.iter().all(|row| row.key.shard() == 3), "{left:?}");
    let line = world.lines.written().remove(0);
    assert!(line.contains("\"overdue_s\":990"), "it sees how late the other shard is: {line}");
}
