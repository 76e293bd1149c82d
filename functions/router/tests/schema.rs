//! The schemas of a tenant's events, where its events come in by SQS.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::sync::Arc;

use acequia_core::delivery::ledger::Record;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::outcome::Reason;
use acequia_core::queue::QueueRole;
use acequia_core::wire::{DETAIL, REASON};
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, Reporting, Telemetry};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryConsents, InMemoryDelays, InMemoryLedger, InMemoryLines, InMemoryQueues,
    InMemoryTenants, SeededChance, build,
};
use router::Router;

struct World {
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    lines: InMemoryLines,
    router: Router<InMemory>,
}

/// A tenant with this between its braces.
fn world(more: &str) -> World {
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme",{more},
        "sinks":[{{"id":"crm","kind":"webhook","types":["*"],"url":"https://crm.example.org/","secrets":["crm"]}}]}}"#
    );
    let clock = FixedClock::at(build::start());
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (ledger, queues, lines) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()), InMemoryLines::new());
    let router = Router {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants, Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: Arc::new(clock),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        consents: InMemoryConsents::new(),
    };
    World { ledger, queues, lines, router }
}

impl World {
    async fn handle(&self, messages: &[Incoming]) -> Vec<String> {
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let response = self.router.handle(event, Deadline::at(build::at(60))).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    fn routed(&self) -> usize {
        self.queues.messages(&build::queue("acme", QueueRole::Sink(SinkKind::Webhook))).len()
    }

    /// Reason and detail of each dead letter.
    fn dead(&self) -> Vec<(String, String)> {
        let dead = self.queues.messages(&build::dead_letter_queue("acme", QueueRole::Intake));
        let text = |message: &Incoming, name: &str| message.attributes[name].as_text().unwrap().to_owned();
        dead.iter().map(|message| (text(message, REASON), text(message, DETAIL))).collect()
    }
}

fn message(id: &str, kind: &str, data: &str) -> Incoming {
    build::incoming(&build::queue("acme", QueueRole::Intake), id, build::body(id, kind, data))
}

const SIGNED: &str = r#""schemas":{"action.signed":{"schema":{"properties":{"email":{"format":"email"}}}}}"#;

#[tokio::test]
async fn an_event_that_does_not_fit_is_quarantined_with_the_place_and_its_neighbour_is_routed() {
    let world = world(SIGNED);
    let messages = [
        message("m1", "action.signed", r#"{"email":"secret-value"}"#),
        message("m2", "action.signed", r#"{"email":"ana@example.org"}"#),
        message("m3", "page.viewed", r#"{"email":"not checked"}"#),
    ];
    assert!(world.handle(&messages).await.is_empty());
    assert_eq!(world.routed(), 2);
    let dead = world.dead();
    let text =
        r#"/data/email does not fit "format" of the schema of "action.signed" in version 1 of the configuration"#;
    assert_eq!(dead, [("schema-violated".to_owned(), text.to_owned())]);
    let records = world.ledger.records(&build::tenant_id("acme"));
    let refused =
        |record: &&Record| matches!(record, Record::Route(route) if route.reason == Some(Reason::SchemaViolated));
    assert_eq!(records.iter().filter(refused).count(), 1, "acequia explain says why: {records:?}");
}

#[tokio::test]
async fn an_event_of_a_type_that_no_schema_is_for_is_quarantined_where_the_tenant_refuses_it() {
    let world = world(&format!(r#""intake":{{"unknown_types":"refuse"}},{SIGNED}"#));
    let messages = [message("m1", "page.viewed", "{}"), message("m2", "action.signed", "{}")];
    assert!(world.handle(&messages).await.is_empty());
    assert_eq!(world.routed(), 1);
    assert_eq!(world.dead()[0].0, "type-unknown");
}

#[tokio::test]
async fn a_schema_that_is_reported_refuses_nothing_and_says_so() {
    let world = world(&SIGNED.replace(r#"{"schema""#, r#"{"mode":"report","schema""#));
    let messages = [message("m1", "action.signed", r#"{"email":"x"}"#), message("m2", "action.signed", "{}")];
    assert!(world.handle(&messages).await.is_empty());
    assert_eq!((world.routed(), world.dead().len()), (2, 0));
    let line: serde_json::Value = serde_json::from_str(&world.lines.written()[0]).unwrap();
    assert_eq!((&line["schema_reported"], &line["routed"]), (&1.into(), &2.into()));
}

#[tokio::test]
async fn where_a_stored_schema_cannot_be_used_its_events_come_back_and_others_are_routed() {
    let world = world(r#""schemas":{"action.signed":{"schema":{"type":"from-the-future"}}}"#);
    let messages = [message("m1", "action.signed", "{}"), message("m2", "page.viewed", "{}")];
    assert_eq!(world.handle(&messages).await, ["m1"]);
    assert_eq!((world.routed(), world.dead().len()), (1, 0));
}
