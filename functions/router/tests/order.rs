//! Order from a FIFO intake to the FIFO queue of the forward sinks.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::sync::Arc;

use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, Telemetry};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryConsents, InMemoryDelays, InMemoryLedger, InMemoryQueues, InMemoryTenants,
    SeededChance, build,
};
use router::Router;

const DOCUMENT: &str = r#"{"tenant":"acme","name":"Acme","sinks":[
    {"id":"crm","kind":"webhook","types":["*"],"url":"https://crm.example.org/","secrets":["crm"]},
    {"id":"ordered","kind":"forward","types":["*"],"queue":"out.fifo"}]}"#;
const FORWARD: QueueRole = QueueRole::Sink(SinkKind::Forward);

fn fifo(role: QueueRole) -> QueueArn {
    build::named_queue(&QueueName { fifo: true, ..QueueName::new(&build::stage(), &build::tenant_id("acme"), role) })
}

fn message(event: &str, group: &str) -> Incoming {
    let body = build::body(event, "action.signed", "{}").replacen('{', &format!(r#"{{"partitionkey":"{group}","#), 1);
    Incoming { group: Some(group.to_owned()), ..build::incoming(&fifo(QueueRole::Intake), event, body) }
}

async fn handle(queues: &InMemoryQueues, messages: &[Incoming]) -> Vec<String> {
    let clock = Arc::new(FixedClock::at(build::start()));
    let router = Router::<InMemory> {
        common: BatchLoop {
            tenants: CachedTenants::new(
                InMemoryTenants::new().with(&build::tenant_id("acme"), DOCUMENT),
                clock.clone(),
            ),
            ledger: InMemoryLedger::new(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock,
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::silent(),
        },
        consents: InMemoryConsents::new(),
    };
    let response = router
        .handle(serde_json::from_value(lambda_event(messages)).unwrap(), Deadline::at(build::at(60)))
        .await
        .unwrap();
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

fn sent(queues: &InMemoryQueues) -> Vec<String> {
    let id = |message: &Incoming| {
        let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        body["id"].as_str().unwrap().to_owned()
    };
    queues.messages(&fifo(FORWARD)).iter().map(id).collect()
}

#[tokio::test]
async fn the_deliveries_of_a_fifo_intake_go_in_their_order_to_the_fifo_queue_of_the_forward_sinks() {
    let queues = InMemoryQueues::new(FixedClock::at(build::start()));
    let batch: Vec<Incoming> = (1..=9).map(|n| message(&format!("a{n}"), "a")).collect();
    assert!(handle(&queues, &batch).await.is_empty());
    assert_eq!(sent(&queues), (1..=9).map(|n| format!("a{n}")).collect::<Vec<_>>());
    let first = &queues.messages(&fifo(FORWARD))[0];
    assert_eq!(first.group.as_deref(), Some("ordered/a"));
    // The other kinds of sinks have standard queues.
    assert_eq!(queues.messages(&build::queue("acme", QueueRole::Sink(SinkKind::Webhook))).len(), 9);
}

#[tokio::test]
async fn a_group_stops_at_the_delivery_that_its_queue_does_not_take() {
    let queues = InMemoryQueues::new(FixedClock::at(build::start()));
    // The second entry of a call: b1.
    queues.sends.fail_entry(1);
    let mut batch: Vec<Incoming> =
        [("a1", "a"), ("b1", "b"), ("b2", "b"), ("a2", "a")].map(|(event, group)| message(event, group)).into();
    for one in &mut batch {
        // No webhook of these: their queue takes all.
        one.body = one.body.replace("action.signed", "order.placed");
    }
    let back = handle(&queues, &batch).await;
    assert!(back.contains(&"b1".to_owned()) && back.contains(&"b2".to_owned()), "{back:?}");
    assert!(!sent(&queues).iter().any(|id| id.starts_with('b')));
}
