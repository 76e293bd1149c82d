//! The router over the in-memory ports: events as Lambda hands them over, answers as SQS takes them.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::Record;
use acequia_core::delivery::route::Routed;
use acequia_core::kind::SinkKind;
use acequia_core::message::{Attribute, Incoming};
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::time::after;
use acequia_core::wire::{ACCEPTED_AT, DETAIL, REASON, REDRIVEN, RETURNED, ROUTE, SINK, VIA};
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, Reporting, Telemetry};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryConsents, InMemoryDelays, InMemoryLedger, InMemoryLines, InMemoryQueues,
    InMemoryTenants, SeededChance, build,
};
use router::Router;

const DOCUMENT: &str = r#"{"tenant":"acme","name":"Acme","sinks":[
    {"id":"crm","kind":"webhook","types":["action.*"],"url":"https://crm.example.org/","secrets":["crm"]},
    {"id":"analytics","kind":"forward","types":["*"],"pattern":{"data":{"country":["FR"]}},"queue":"out"}]}"#;

const TIMEOUT: Duration = Duration::from_mins(1);

struct World {
    clock: FixedClock,
    tenants: InMemoryTenants,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    consents: InMemoryConsents,
    lines: InMemoryLines,
    router: Router<InMemory>,
}

fn world() -> World {
    let clock = FixedClock::at(build::start());
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), DOCUMENT);
    let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let consents = InMemoryConsents::new();
    let lines = InMemoryLines::new();
    let router = Router {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        consents: consents.clone(),
    };
    World { clock, tenants, ledger, queues, consents, lines, router }
}

impl World {
    async fn handle(&self, event: serde_json::Value) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), TIMEOUT));
        let response = self.router.handle(serde_json::from_value(event).unwrap(), deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }
}

fn fixture(name: &str) -> serde_json::Value {
    let path = format!("{}/../../tests/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A queue of acme's in the stage that the fixtures come from.
fn local(role: QueueRole, dlq: bool) -> QueueArn {
    let name = QueueName { dlq, ..QueueName::new(&"local".parse().unwrap(), &build::tenant_id("acme"), role) };
    format!("arn:aws:sqs:eu-west-1:000000000000:{name}").parse().unwrap()
}

fn message(id: &str, event: &str, kind: &str, data: &str) -> Incoming {
    build::incoming(&build::queue("acme", QueueRole::Intake), id, build::body(event, kind, data))
}

fn webhooks(world: &World) -> Vec<Incoming> {
    world.queues.messages(&build::queue("acme", QueueRole::Sink(SinkKind::Webhook)))
}

#[tokio::test]
async fn an_event_becomes_one_delivery_per_matching_sink_with_its_bytes_unchanged() {
    let world = world();
    let event = fixture("intake");
    assert!(world.handle(event.clone()).await.is_empty());
    for (kind, sink) in [(SinkKind::Webhook, "crm"), (SinkKind::Forward, "analytics")] {
        let sent = world.queues.messages(&local(QueueRole::Sink(kind), false));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].attributes[SINK].as_text(), Some(sink));
        assert_eq!(Some(sent[0].body.as_str()), event["Records"][0]["body"].as_str());
    }
}

#[tokio::test]
async fn every_bad_body_is_quarantined_with_its_reason_and_its_neighbours_are_routed() {
    let world = world();
    assert!(world.handle(fixture("intake-bad-bodies")).await.is_empty());
    assert_eq!(world.queues.messages(&local(QueueRole::Sink(SinkKind::Webhook), false)).len(), 2);
    let dead = world.queues.messages(&local(QueueRole::Intake, true));
    assert_eq!(dead.len(), 9);
    for message in dead {
        assert_eq!(message.attributes[REASON], message.attributes["expected-reason"], "{}", message.body);
    }
}

#[tokio::test]
async fn an_event_that_breaks_a_rule_of_cloud_events_is_taken_only_where_the_tenant_does_without_the_rule() {
    let world = world();
    let odd = || {
        let mut odd = message("m1", "1", "action.signed", "{}");
        odd.body = odd.body.replace("\"data\"", "\"myExtension\":1.5,\"data\"");
        lambda_event(&[odd, message("m2", "2", "action.signed", "{}")])
    };
    assert!(world.handle(odd()).await.is_empty());
    assert_eq!(webhooks(&world).len(), 1, "its neighbour is routed");
    let dead = world.queues.messages(&build::dead_letter_queue("acme", QueueRole::Intake));
    assert_eq!(dead[0].attributes[REASON].as_text(), Some("bad-attribute"));
    assert!(dead[0].attributes[DETAIL].as_text().unwrap().contains("\"myExtension\""));

    world.tenants.put(&build::tenant_id("acme"), DOCUMENT.replacen('{', r#"{"intake":{"strict":false},"#, 1));
    world.clock.advance(Duration::from_mins(1));
    assert!(world.handle(odd()).await.is_empty());
    assert_eq!(webhooks(&world).len(), 3);
}

#[tokio::test]
async fn a_producer_that_marks_its_message_as_ours_can_send_no_event_of_ours() {
    let world = world();
    // Even where the tenant takes odd events.
    world.tenants.put(&build::tenant_id("acme"), DOCUMENT.replacen('{', r#"{"intake":{"strict":false},"#, 1));
    let mut forged = message("m1", "5f0c-9a31-3-rejected", "acequia.consent.rejected", "{}");
    forged.body = forged.body.replace(build::SOURCE, "/acequia/consent");
    for name in [SINK, ACCEPTED_AT, RETURNED, REDRIVEN] {
        forged.attributes.insert(name.to_owned(), Attribute::text("1"));
    }
    let mut proca = message("m2", "17:deliver:5", "proca.action.deliver", "{}");
    proca.body = proca.body.replace(build::SOURCE, "/proca");
    assert!(world.handle(lambda_event(&[forged, proca])).await.is_empty());
    assert!(world.queues.messages(&build::queue("acme", QueueRole::Sink(SinkKind::Forward))).is_empty());
    assert!(world.ledger.records(&build::tenant_id("acme")).is_empty(), "what is known of the true one stays");
    let dead = world.queues.messages(&build::dead_letter_queue("acme", QueueRole::Intake));
    assert_eq!(dead.len(), 2);
    for message in dead {
        assert_eq!(message.attributes[REASON].as_text(), Some("bad-attribute"));
        assert!(message.attributes[DETAIL].as_text().unwrap().contains("\"source\""));
    }
}

#[tokio::test]
async fn an_event_that_no_sink_takes_is_recorded_as_unmatched() {
    let world = world();
    assert!(
        world.handle(lambda_event(&[message("m1", "1", "newsletter.opened", r#"{"country":"DE"}"#)])).await.is_empty()
    );
    let records = world.ledger.records(&build::tenant_id("acme"));
    let [Record::Route(route)] = records.as_slice() else { panic!("one routing record was expected: {records:?}") };
    assert!(route.unmatched);
    assert_eq!(route.filtered.len(), 2);
    assert_eq!(route.clauses, ["types", "pattern.data.country"]);
    assert_eq!(route.via, None);
}

#[tokio::test]
async fn where_an_event_was_routed_goes_with_its_deliveries_and_costs_no_row() {
    let world = world();
    let event = message("m1", "1", "action.signed", "{}");
    let by_a_door = [(VIA.to_owned(), Attribute::text("http acq_dev_acme_k1"))].into();
    let by_sqs = Incoming { sender: Some("AROA:shop".to_owned()), ..message("m2", "2", "action.signed", "{}") };
    let events = [Incoming { attributes: by_a_door, ..event }, by_sqs];
    assert!(world.handle(lambda_event(&events)).await.is_empty());
    assert!(world.ledger.records(&build::tenant_id("acme")).is_empty());
    let routed = |message: &Incoming| Routed::read(message.attributes[ROUTE].as_text().unwrap()).unwrap();
    let sent = webhooks(&world);
    let sent = sent.iter().map(routed).map(|routed| (routed.taken.len(), routed.via.unwrap()));
    let wanted = ["http acq_dev_acme_k1", "sqs AROA:shop"].map(|via| (1, via.to_owned()));
    assert_eq!(sent.collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn an_event_whose_delivery_one_queue_does_not_take_comes_back_and_its_neighbour_does_not() {
    let world = world();
    world.queues.sends.fail_entry(1);
    let events = [message("m1", "1", "action.signed", "{}"), message("m2", "2", "action.signed", "{}")];
    assert_eq!(world.handle(lambda_event(&events)).await, ["m2"]);
    assert_eq!(webhooks(&world).len(), 1);
    // It comes back, and nothing is lost.
    assert!(world.handle(lambda_event(&events[1..])).await.is_empty());
    assert_eq!(webhooks(&world).len(), 2);
}

#[tokio::test]
async fn with_the_store_of_tenants_down_events_come_back() {
    let world = world();
    world.tenants.reads.go_down();
    assert_eq!(world.handle(lambda_event(&[message("m1", "1", "action.signed", "{}")])).await, ["m1"]);
    world.tenants.reads.mend();
    assert!(world.handle(lambda_event(&[message("m1", "1", "action.signed", "{}")])).await.is_empty());
    assert_eq!(world.lines.stalled(), BTreeMap::from([("tenants at router".to_owned(), 1)]));
}

#[tokio::test]
async fn each_store_that_holds_events_up_is_named_with_how_many_it_holds_up() {
    let events = [message("m1", "1", "action.signed", "{}"), message("m2", "2", "action.signed", "{}")];
    let world = world();
    assert!(world.handle(lambda_event(&events)).await.is_empty());
    assert_eq!(world.lines.stalled(), BTreeMap::new(), "all is well");
    world.ledger.writes.go_down();
    // What a sink takes is recorded by its delivery.
    let unmatched = ["m1", "m2"].map(|id| message(id, id, "newsletter.opened", r#"{"country":"DE"}"#));
    assert!(
        world.handle(lambda_event(&unmatched)).await.is_empty(),
        "nobody waits for them, and they are not recorded"
    );
    world.ledger.writes.mend();
    world.queues.sends.go_down();
    assert_eq!(world.handle(lambda_event(&events)).await, ["m1", "m2"]);
    let no_event = build::incoming(&build::queue("acme", QueueRole::Intake), "m3", "no event");
    assert_eq!(world.handle(lambda_event(&[no_event])).await, ["m3"], "its dead-letter queue is down too");
    let stalled = [("ledger at router".to_owned(), 2), ("queues at router".to_owned(), 3)];
    assert_eq!(world.lines.stalled(), BTreeMap::from(stalled));
}

#[tokio::test]
async fn a_stored_configuration_that_this_version_cannot_read_delays_events_and_loses_none() {
    let world = world();
    world.tenants.put(&build::tenant_id("acme"), r#"{"tenant":"acme","name":"Acme","from_the_future":1}"#);
    assert_eq!(world.handle(lambda_event(&[message("m1", "1", "action.signed", "{}")])).await, ["m1"]);
}

#[tokio::test]
async fn with_the_ledger_down_events_are_routed_all_the_same() {
    let world = world();
    world.ledger.writes.go_down();
    assert!(world.handle(lambda_event(&[message("m1", "1", "action.signed", "{}")])).await.is_empty());
    assert_eq!(webhooks(&world).len(), 1);
}

#[tokio::test]
async fn the_events_of_a_tenant_without_configuration_are_quarantined() {
    let world = world();
    let event = build::incoming(&build::queue("nobody", QueueRole::Intake), "m1", build::body("1", "t", "{}"));
    assert!(world.handle(lambda_event(&[event])).await.is_empty());
    let dead = world.queues.messages(&build::dead_letter_queue("nobody", QueueRole::Intake));
    assert_eq!(dead[0].attributes[REASON].as_text(), Some("unknown-tenant"));
}

#[tokio::test]
async fn a_tenant_that_records_failures_only_keeps_no_record_of_what_was_routed() {
    let world = world();
    world.tenants.put(&build::tenant_id("acme"), DOCUMENT.replace("\"name\"", "\"record\":\"failures\",\"name\""));
    world.handle(lambda_event(&[message("m1", "1", "action.signed", "{}"), message("m2", "2", "x", "{}")])).await;
    assert_eq!(world.ledger.records(&build::tenant_id("acme")).len(), 1, "the unmatched one alone");
}

#[tokio::test]
async fn a_batch_is_one_line_of_metrics() {
    let mut world = world();
    let lines = InMemoryLines::new();
    world.router.common.telemetry = Telemetry::new(Reporting::default(), lines.clone());
    let bad = build::incoming(&build::queue("acme", QueueRole::Intake), "m4", "not json");
    let events = [
        message("m1", "1", "action.signed", r#"{"country":"FR"}"#),
        message("m2", "2", "action.signed", "{}"),
        message("m3", "3", "x", "{}"),
        bad,
    ];
    world.handle(lambda_event(&events)).await;
    let lines: Vec<serde_json::Value> =
        lines.written().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut expected = serde_json::json!({
        "timestamp": "2026-01-01T00:00:00Z", "level": "INFO", "stage": "test", "function": "router", "tenant.id": "acme",
        "received": 4, "routed": 2, "unmatched": 1, "filtered": 3, "quarantined": 1, "quarantined.not-json": 1,
        "latency_ms": {"Values": [0], "Counts": [2]},
    });
    expected["_aws"] = lines[0]["_aws"].clone();
    assert_eq!(lines, [expected]);
}

const ASKING: &str = r#"{"tenant":"acme","name":"Acme",
    "consent":{"types":["action.*"],"subject":"{{ data.email }}","supporter_confirm":true,"keys":["links"]},
    "mail":{"from":"a@acme.example","to":"{{ data.email }}","default_locale":"en"},
    "templates":{"confirm":{"en":{"subject":"x","text":"{{ links.accept }}"}}},
    "sinks":[{"id":"crm","kind":"webhook","types":["*"],"url":"https://crm.example.org/","secrets":["crm"]}]}"#;

#[tokio::test]
async fn an_event_that_needs_consent_reaches_no_sink_and_another_does() {
    let world = world();
    world.tenants.put(&build::tenant_id("acme"), ASKING);
    let messages = [
        message("m1", "1", "action.signed", r#"{"email":"ana@example.org"}"#),
        message("m2", "2", "action.signed", r#"{"email":"ana@example.org"}"#),
        message("m3", "3", "supporter.updated", "{}"),
    ];
    assert!(world.handle(lambda_event(&messages)).await.is_empty());
    assert_eq!(webhooks(&world).len(), 1, "only what needs no consent");
    assert_eq!(world.consents.outbox().len(), 1, "one question for the two of them");
}

#[tokio::test]
async fn an_event_that_does_not_say_whose_consent_it_needs_is_quarantined_and_recorded() {
    let world = world();
    world.tenants.put(&build::tenant_id("acme"), ASKING);
    assert!(world.handle(lambda_event(&[message("m1", "1", "action.signed", "{}")])).await.is_empty());
    let dead = world.queues.messages(&build::dead_letter_queue("acme", QueueRole::Intake));
    assert_eq!(dead[0].attributes[REASON].as_text(), Some("template-variable"));
}

#[tokio::test]
async fn with_the_store_of_consents_down_events_come_back_and_their_neighbours_are_routed() {
    let world = world();
    world.tenants.put(&build::tenant_id("acme"), ASKING);
    world.consents.writes.go_down();
    let messages = [
        message("m1", "1", "action.signed", r#"{"email":"ana@example.org"}"#),
        message("m2", "2", "supporter.updated", "{}"),
    ];
    assert_eq!(world.handle(lambda_event(&messages)).await, ["m1"]);
    assert_eq!(webhooks(&world).len(), 1);
}

#[tokio::test]
async fn a_tenant_that_asks_for_no_consent_never_touches_its_store() {
    let world = world();
    world.consents.reads.go_down();
    world.consents.writes.go_down();
    assert!(world.handle(fixture("intake")).await.is_empty());
    assert_eq!((world.consents.reads.calls(), world.consents.writes.calls()), (0, 0));
}

#[tokio::test]
async fn events_whose_deliveries_are_not_taken_in_time_come_back_before_the_process_is_ended() {
    let world = world();
    world.queues.sends.hang();
    let passes = async { world.clock.advance(TIMEOUT) };
    let (failed, ()) = futures::join!(world.handle(fixture("intake")), passes);
    assert_eq!(failed.len(), 1);
    assert!(world.ledger.marked(&build::tenant_id("acme")).is_empty());
}

#[tokio::test]
async fn where_the_time_ends_too_early_the_events_whose_deliveries_are_in_their_queues_are_done_and_the_others_come_back()
 {
    let world = world();
    world.queues.sends.hang_from(3);
    let ids: Vec<String> = (0..30).map(|number| format!("m{number:02}")).collect();
    let events: Vec<Incoming> = ids.iter().map(|id| message(id, id, "action.signed", "{}")).collect();
    let passes = async { world.clock.advance(TIMEOUT) };
    let (failed, ()) = futures::join!(world.handle(lambda_event(&events)), passes);
    assert_eq!(failed, ids[20..]);
    assert_eq!(webhooks(&world).len(), 20);
}
