//! Order from a FIFO forward queue to a FIFO target.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::time::after;
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, RateLimiter, SinkLoop, Telemetry, Widths};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryGrants, InMemoryLedger, InMemoryQueues, InMemoryRates,
    InMemoryTenants, SeededChance, build,
};
use forward::ForwardSink;

fn fifo(role: QueueRole) -> QueueArn {
    build::named_queue(&QueueName { fifo: true, ..QueueName::new(&build::stage(), &build::tenant_id("acme"), role) })
}

/// A delivery of an event whose body says its group, received in the group `<sink>/<group>`.
fn message(event: &str, group: &str) -> Incoming {
    let body = build::body(event, "action.signed", "{}").replacen('{', &format!(r#"{{"partitionkey":"{group}","#), 1);
    let tenant = build::tenant_id("acme");
    let envelope = acequia_core::event::envelope::Envelope::parse(&tenant, build::start(), body.as_bytes()).unwrap();
    let queue = fifo(QueueRole::Sink(SinkKind::Forward));
    let message = build::incoming_delivery(&queue, event, "ordered", &envelope);
    Incoming { group: Some(format!("ordered/{group}")), ..message }
}

async fn handle(queues: &InMemoryQueues, messages: &[Incoming]) -> Vec<String> {
    let document = r#"{"tenant":"acme","name":"Acme","sinks":[{"id":"ordered","kind":"forward","types":["*"],"queue":"out.fifo"}]}"#;
    let clock = Arc::new(FixedClock::at(build::start()));
    let sink_loop = SinkLoop::<InMemory, _> {
        common: BatchLoop {
            tenants: CachedTenants::new(
                InMemoryTenants::new().with(&build::tenant_id("acme"), document),
                clock.clone(),
            ),
            ledger: InMemoryLedger::new(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: clock.clone(),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::silent(),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), clock.clone()),
        breakers: None,
        sink: ForwardSink { queues: queues.clone(), grants: InMemoryGrants::new(), clock: clock.clone() },
    };
    let deadline = Deadline::at(after(build::start(), Duration::from_mins(1)));
    let event = serde_json::from_value(lambda_event(messages)).unwrap();
    let response = sink_loop.handle(event, deadline).await.unwrap();
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

fn arrived(queues: &InMemoryQueues) -> Vec<String> {
    let id = |message: &Incoming| {
        let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        body["id"].as_str().unwrap().to_owned()
    };
    queues.messages(&fifo(QueueRole::Out)).iter().map(id).collect()
}

fn batch() -> Vec<Incoming> {
    [("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b"), ("a3", "a")].map(|(event, group)| message(event, group)).into()
}

#[tokio::test]
async fn the_messages_of_each_group_arrive_in_their_order() {
    let queues = InMemoryQueues::new(FixedClock::at(build::start()));
    assert!(handle(&queues, &batch()).await.is_empty());
    let arrived = arrived(&queues);
    let of = |group: char| arrived.iter().filter(|id| id.starts_with(group)).cloned().collect::<Vec<_>>();
    assert_eq!((of('a'), of('b')), (vec!["a1".into(), "a2".into(), "a3".into()], vec!["b1".into(), "b2".into()]));
}

#[tokio::test]
async fn a_group_stops_at_its_first_failure_and_no_other_does() {
    let queues = InMemoryQueues::new(FixedClock::at(build::start()));
    // The second of each call: b1, then b2 would be.
    queues.sends.fail_entry(1);
    assert_eq!(handle(&queues, &batch()).await, ["b1", "b2"].map(str::to_owned).to_vec().as_slice());
    assert_eq!(arrived(&queues), ["a1", "a2", "a3"]);
    queues.sends.mend();
    let back: Vec<Incoming> = batch().into_iter().filter(|one| one.message_id.starts_with('b')).collect();
    assert!(handle(&queues, &back).await.is_empty());
    assert_eq!(arrived(&queues), ["a1", "a2", "a3", "b1", "b2"]);
}

#[tokio::test]
async fn of_two_groups_that_fail_in_one_batch_each_stops_at_its_first_message_and_the_third_goes_on() {
    let queues = InMemoryQueues::new(FixedClock::at(build::start()));
    let batch = [("c1", "c"), ("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b"), ("c2", "c")];
    let batch: Vec<Incoming> = batch.map(|(event, group)| message(event, group)).into();
    // Of the first call a1 and b1; the second one has c2 alone.
    queues.sends.fail_entry(1);
    queues.sends.fail_entry(2);
    assert_eq!(handle(&queues, &batch).await, ["a1", "b1", "a2", "b2"].map(str::to_owned).to_vec().as_slice());
    assert_eq!(arrived(&queues), ["c1", "c2"]);
}

#[tokio::test]
async fn what_is_quarantined_stops_nothing_of_its_group() {
    let queues = InMemoryQueues::new(FixedClock::at(build::start()));
    let mut batch = batch();
    batch[0].body = "not json".to_owned();
    assert!(handle(&queues, &batch).await.is_empty());
    assert_eq!(arrived(&queues), ["b1", "a2", "b2", "a3"].map(str::to_owned).to_vec().as_slice());
}
