//! The suites of the watch: queues seen from outside, the ages of messages, and what is remembered.

use std::future::Future;
use std::time::Duration;

use acequia_core::id::Stage;
use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::port::{Ages, Clock as _, Findings, Queues as _, Remembered, WatchedQueues};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::watch::{ALARMS_TAG, Alarms, Asked, Finding, Told, Watched};
use jiff::Timestamp;

use crate::build::{at, named_queue, stage, tenant_id};
use crate::{FixedClock, InMemoryAges, InMemoryQueues, InMemoryWatched};

/// What the cases need beside the port: queues of a stage that no other test has.
pub trait WatchedInTest: Send + Sync {
    /// The stage.
    fn stage(&self) -> Stage;
    /// Makes a queue of this name, tagged with whose its alarms are.
    fn make(&self, name: &QueueName, alarms: Option<&str>) -> impl Future<Output = QueueArn> + Send;
    /// Puts a message into it.
    fn put(&self, queue: &QueueArn) -> impl Future<Output = ()> + Send;
    /// Receives a message and hides it.
    fn receive(&self, queue: &QueueArn) -> impl Future<Output = ()> + Send;
    /// The time by which messages grow old.
    fn now(&self) -> Timestamp;
    /// A queue of this name that does not exist.
    fn missing(&self, name: &QueueName) -> QueueArn;
}

pub(super) async fn put(queues: &InMemoryQueues, queue: &QueueArn) {
    let message = Outgoing { body: "x".to_owned(), attributes: [].into(), group: None, deduplication: None };
    assert!(queues.send(queue, &[message]).await[0].is_ok());
}

impl WatchedInTest for InMemoryWatched {
    fn stage(&self) -> Stage {
        stage()
    }

    async fn make(&self, name: &QueueName, alarms: Option<&str>) -> QueueArn {
        let queue = named_queue(name);
        Self::make(self, &queue, alarms);
        queue
    }

    async fn put(&self, queue: &QueueArn) {
        put(self.queues(), queue).await;
    }

    async fn receive(&self, queue: &QueueArn) {
        assert_eq!(self.queues().receive(queue, 1, Duration::from_mins(5)).len(), 1);
    }

    fn now(&self) -> Timestamp {
        FixedClock::default().now()
    }

    fn missing(&self, name: &QueueName) -> QueueArn {
        let queue = named_queue(name);
        self.queues().remove(&queue);
        queue
    }
}

impl WatchedInTest for InMemoryAges {
    fn stage(&self) -> Stage {
        stage()
    }

    async fn make(&self, name: &QueueName, _: Option<&str>) -> QueueArn {
        named_queue(name)
    }

    async fn put(&self, queue: &QueueArn) {
        put(self.queues(), queue).await;
    }

    async fn receive(&self, queue: &QueueArn) {
        assert_eq!(self.queues().receive(queue, 1, Duration::from_mins(5)).len(), 1);
    }

    fn now(&self) -> Timestamp {
        FixedClock::default().now()
    }

    fn missing(&self, name: &QueueName) -> QueueArn {
        named_queue(name)
    }
}

fn name(stage: &Stage, tenant: &str, role: QueueRole) -> QueueName {
    QueueName::new(stage, &tenant_id(tenant), role)
}

/// A stage whose name begins with another's is another.
pub async fn the_queues_of_the_stage_are_listed_by_name_and_no_others(queues: &(impl WatchedQueues + WatchedInTest)) {
    let own = queues.stage();
    let webhook = name(&own, "w-list", QueueRole::Sink(SinkKind::Webhook));
    let ordered = QueueName { fifo: true, ..name(&own, "w-list", QueueRole::Intake) };
    let mut made = Vec::new();
    for name in [&webhook, &webhook.dead_letter(), &ordered] {
        made.push(queues.make(name, None).await);
    }
    let mut longer = own.to_string();
    longer.truncate(9);
    longer.push('x');
    queues.make(&name(&longer.parse().unwrap(), "w-list", QueueRole::Intake), None).await;
    let mut wanted: Vec<Watched> = made.into_iter().filter_map(Watched::of).collect();
    wanted.sort_by(|one, other| one.queue.name().cmp(other.queue.name()));
    assert_eq!(queues.list(&own).await.unwrap(), wanted);
}

/// Visible or not.
pub async fn a_queue_is_measured_with_what_is_hidden_and_one_that_is_gone_is_none(
    queues: &(impl WatchedQueues + WatchedInTest),
) {
    let queue = queues.make(&name(&queues.stage(), "w-measure", QueueRole::Intake), None).await;
    assert_eq!(queues.messages(&queue).await.unwrap(), Some(0));
    for _ in 0..3 {
        queues.put(&queue).await;
    }
    queues.receive(&queue).await;
    assert_eq!(queues.messages(&queue).await.unwrap(), Some(3));
    let missing = queues.missing(&name(&queues.stage(), "w-gone", QueueRole::Intake));
    assert_eq!(queues.messages(&missing).await.unwrap(), None);
}

/// And none is read where there is none.
pub async fn a_tag_is_read_where_there_is_one(queues: &(impl WatchedQueues + WatchedInTest)) {
    let own = queues.make(&name(&queues.stage(), "w-own", QueueRole::Intake), Some("own")).await;
    let bare = queues.make(&name(&queues.stage(), "w-bare", QueueRole::Intake), None).await;
    assert_eq!(queues.tag(&own, ALARMS_TAG).await.unwrap().as_deref(), Some("own"));
    assert_eq!(queues.tag(&own, "other").await.unwrap(), None);
    assert_eq!(queues.tag(&bare, ALARMS_TAG).await.unwrap(), None);
}

/// More queues than one call asks about; nothing is known of most.
pub async fn the_oldest_message_of_each_queue_counts_and_each_has_its_answer(ages: &(impl Ages + WatchedInTest)) {
    let stage = ages.stage();
    let mut queues: Vec<QueueArn> =
        (0..600).map(|n| ages.missing(&name(&stage, &format!("w-age-{n}"), QueueRole::Intake))).collect();
    for n in [3, 599] {
        queues[n] = ages.make(&name(&stage, &format!("w-age-{n}"), QueueRole::Intake), None).await;
        ages.put(&queues[n]).await;
    }
    let answers = ages.ages(&queues, ages.now()).await.unwrap();
    let known: Vec<usize> = (0..answers.len()).filter(|n| answers[*n].is_some()).collect();
    assert_eq!((answers.len(), known), (600, vec![3, 599]));
    assert!(answers.iter().flatten().all(|age| *age < Duration::from_mins(2)), "{answers:?}");
}

/// Nothing asked, nothing answered.
pub async fn of_no_queues_there_are_no_ages(ages: &(impl Ages + WatchedInTest)) {
    assert_eq!(ages.ages(&[], ages.now()).await.unwrap(), []);
}

fn queue(tenant: &str) -> QueueArn {
    named_queue(&name(&stage(), tenant, QueueRole::Out).dead_letter())
}

fn full() -> Finding {
    Finding {
        since: at(1),
        asked: Some(Asked { alarms: Alarms::Own, at: at(2) }),
        told: Some(Told { size: 7, at: at(3) }),
    }
}

fn sorted(mut remembered: Remembered) -> Remembered {
    remembered.findings.sort_by(|one, other| one.0.cmp(&other.0));
    remembered
}

/// With everything that it can hold, and where the watch stopped.
pub async fn what_was_found_is_remembered_until_it_is_forgotten(findings: &impl Findings) {
    assert_eq!(findings.remembered().await.unwrap(), Remembered::default());
    let bare = Finding { since: at(4), asked: None, told: None };
    let both = [(queue("w-full"), full()), (queue("w-new"), bare)];
    assert!(findings.remember(&both, at(5)).await.iter().all(Result::is_ok));
    findings.stop_at("acequia_test_w-full_out", at(5)).await.unwrap();
    let remembered = sorted(findings.remembered().await.unwrap());
    assert_eq!(remembered.cursor.as_deref(), Some("acequia_test_w-full_out"));
    assert_eq!(remembered.findings, both);
    assert!(findings.forget(&[queue("w-full")]).await[0].is_ok());
    assert_eq!(findings.remembered().await.unwrap().findings, both[1..]);
    assert!(findings.forget(&[queue("w-full")]).await[0].is_ok(), "what is not there is forgotten already");
}

/// Nothing of the old one stays.
pub async fn what_is_remembered_anew_takes_the_place_of_what_was_there(findings: &impl Findings) {
    for finding in [full(), Finding { since: at(9), asked: None, told: None }] {
        let one = [(queue("w-again"), finding)];
        assert!(findings.remember(&one, at(9)).await[0].is_ok());
        assert_eq!(findings.remembered().await.unwrap().findings, one);
    }
}

/// More than one call writes, and more than one page holds.
pub async fn hundreds_of_findings_are_remembered_and_forgotten(findings: &impl Findings) {
    let many: Vec<(QueueArn, Finding)> = (0..260).map(|n| (queue(&format!("w-many-{n}")), full())).collect();
    assert_eq!(findings.remember(&many, at(5)).await.iter().filter(|answer| answer.is_ok()).count(), 260);
    assert_eq!(findings.remembered().await.unwrap().findings.len(), 260);
    let queues: Vec<QueueArn> = many.into_iter().map(|(queue, _)| queue).collect();
    assert!(findings.forget(&queues).await.iter().all(Result::is_ok));
    assert_eq!(findings.remembered().await.unwrap().findings, []);
}
