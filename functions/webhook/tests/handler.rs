//! The webhook function against a real receiver that checks each signature with the public library of Standard
//! Webhooks.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::breaker::EndpointState;
use acequia_core::delivery::ledger::DeliveryRecord;
use acequia_core::egress::{Authorities, Egress};
use acequia_core::event::envelope::Envelope;
use acequia_core::id::DeliveryId;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::port::{Clock as _, EndpointStore as _};
use acequia_core::queue::QueueRole;
use acequia_core::secret::SecretPurpose::{Header, Webhook};
use acequia_core::time::after;
use acequia_core::wire::REASON;
use acequia_lambda::{
    BatchLoop, Breakers, CachedTenants, Deadline, RateLimiter, Reporting, SinkLoop, Telemetry, Widths,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryAlerts, InMemoryDelays, InMemoryEndpoints, InMemoryLedger, InMemoryLines,
    InMemoryQueues, InMemoryRates, InMemorySecrets, InMemoryTenants, SeededChance, build,
};
use receiver::{Endpoint, Endpoints, Mode, Request};
use webhook::WebhookSink;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Webhook);

struct World {
    receiver: Arc<Endpoints>,
    url: String,
    clock: FixedClock,
    tenants: InMemoryTenants,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    secrets: InMemorySecrets,
    states: InMemoryEndpoints,
    alerts: InMemoryAlerts,
    delays: InMemoryDelays,
    lines: InMemoryLines,
    sink_loop: SinkLoop<InMemory, WebhookSink<InMemorySecrets>>,
}

/// A receiver with the endpoint `crm`, and the function configured for it. The clock stands at the present, because
/// signatures are checked against it.
async fn world(egress: Egress, extra: &str) -> World {
    let (old, new) = (receiver::new_secret(), receiver::new_secret());
    let endpoints = Arc::new(Endpoints::default());
    endpoints.lock().insert("crm".to_owned(), Endpoint::new(vec![old.clone()], true).unwrap());
    let listener = receiver::bind(0).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(receiver::serve(listener, Arc::clone(&endpoints)));

    let tenant = build::tenant_id("acme");
    let clock = FixedClock::at(jiff::Timestamp::from_second(acequia_lambda::SystemClock.now().as_second()).unwrap());
    let tenants = InMemoryTenants::new().with(&tenant, document(&url, extra));
    let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let secrets = InMemorySecrets::new()
        .with(&tenant, Webhook, &build::secret_name("crm"), old)
        .with(&tenant, Webhook, &build::secret_name("crm-next"), new)
        .with(&tenant, Header, &build::secret_name("crm-auth"), "Bearer t0ken");
    let (states, alerts) = (InMemoryEndpoints::new(), InMemoryAlerts::new());
    let (time, chance) = (Arc::new(clock.clone()), Arc::new(SeededChance::new(2)));
    let breakers = Breakers::new(states.clone(), alerts.clone(), time.clone(), chance);
    let sink = WebhookSink::new(secrets.clone(), egress, Authorities::Built, time).unwrap();
    let (delays, lines) = (InMemoryDelays::new(), InMemoryLines::new());
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: delays.clone(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: Some(breakers),
        sink,
    };
    World {
        receiver: endpoints,
        url,
        clock,
        tenants,
        ledger,
        queues,
        secrets,
        states,
        alerts,
        delays,
        lines,
        sink_loop,
    }
}

fn document(url: &str, extra: &str) -> String {
    format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"crm","kind":"webhook","types":["*"],"url":"{url}/crm",
        "secrets":["crm"],"timeout":"1s","retry":["10s"]{extra}}}]}}"#
    )
}

impl World {
    fn switch(&self, mode: &str) {
        self.receiver.lock().get_mut("crm").unwrap().switch(mode.parse::<Mode>().unwrap());
    }

    /// Delivers events; answers the ids of the messages that come back.
    async fn deliver(&self, events: &[&str], receive_count: u32) -> Vec<String> {
        let event = serde_json::from_value(lambda_event(&Self::messages(events, receive_count))).unwrap();
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    fn messages(events: &[&str], receive_count: u32) -> Vec<Incoming> {
        let message = |id: &&str| {
            let envelope = build::envelope("acme", id, "action.signed", r#"{ "z": 1.10, "a": "é" }"#);
            Incoming { receive_count, ..build::incoming_delivery(&build::queue("acme", QUEUE), id, "crm", &envelope) }
        };
        events.iter().map(message).collect()
    }

    fn requests(&self) -> Vec<Request> {
        self.receiver.lock()["crm"].requests(None).into_iter().cloned().collect()
    }

    fn reasons(&self) -> Vec<String> {
        let dead = self.queues.messages(&build::dead_letter_queue("acme", QUEUE));
        dead.iter().map(|message| message.attributes[REASON].as_text().unwrap().to_owned()).collect()
    }

    fn record(&self, event: &str) -> DeliveryRecord {
        self.ledger.record(&build::tenant_id("acme"), &build::delivery_key(event, "crm")).unwrap()
    }
}

#[tokio::test]
async fn the_receiver_gets_the_events_bytes_signed_under_the_delivery_id() {
    let world = world(Egress::Local, "").await;
    assert!(world.deliver(&["1"], 1).await.is_empty());
    let requests = world.requests();
    let id = DeliveryId::derive(&build::tenant_id("acme"), &build::sink_id("crm"), &build::event_id("1"));
    assert_eq!(requests.len(), 1);
    assert!(requests[0].verified, "the public library refuses the signature");
    assert_eq!(requests[0].headers["webhook-id"], id.as_str());
    assert_eq!(requests[0].headers["content-type"], "application/cloudevents+json; charset=utf-8");
    assert_eq!(requests[0].body, build::body("1", "action.signed", r#"{ "z": 1.10, "a": "é" }"#));
}

#[tokio::test]
async fn in_procas_format_the_receiver_gets_its_message_byte_for_byte_and_any_2xx_is_success() {
    let world = world(Egress::Local, r#","format":"proca","headers":{"authorization":{"secret":"crm-auth"}}"#).await;
    let fixture = include_str!("../../../tests/fixtures/events/proca.json");
    let bodies: Vec<serde_json::Value> = serde_json::from_str(fixture).unwrap();
    let queue = build::queue("acme", QUEUE);
    let message = |(number, body): (usize, &serde_json::Value)| {
        let body = body.as_str().unwrap();
        let envelope = Envelope::parse(&build::tenant_id("acme"), build::start(), body.as_bytes()).unwrap();
        build::incoming_delivery(&queue, &format!("m{number}"), "crm", &envelope)
    };
    let messages: Vec<Incoming> = bodies.iter().enumerate().map(message).collect();
    world.switch("202");
    let deadline = Deadline::at(after(world.clock.now(), Duration::from_mins(1)));
    let event = serde_json::from_value(lambda_event(&messages)).unwrap();
    let response = world.sink_loop.handle(event, deadline).await.unwrap();
    assert!(response.batch_item_failures.is_empty());
    let requests = world.requests();
    assert_eq!(requests.len(), bodies.len());
    for request in requests {
        assert!(bodies.iter().any(|body| body.as_str() == Some(&*request.body)), "{}", request.body);
        for header in ["content-type", "accept"] {
            assert_eq!(request.headers[header], "application/json");
        }
        assert_eq!(request.headers["authorization"], "Bearer t0ken");
    }
}

#[tokio::test]
async fn every_attempt_has_the_same_id() {
    let world = world(Egress::Local, "").await;
    world.switch("503");
    assert_eq!(world.deliver(&["1"], 1).await, ["1"]);
    world.switch("204");
    world.clock.advance(Duration::from_secs(13));
    assert!(world.deliver(&["1"], 2).await.is_empty());
    let ids: Vec<String> = world.requests().iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    assert_eq!(world.record("1").attempts_used, 2);
}

#[tokio::test]
async fn while_a_secret_rotates_receivers_of_either_secret_accept() {
    let world = world(Egress::Local, "").await;
    let rotating = document(&world.url, "").replace(r#""secrets":["crm"]"#, r#""secrets":["crm-next","crm"]"#);
    world.tenants.put(&build::tenant_id("acme"), rotating);
    assert!(world.deliver(&["1"], 1).await.is_empty());
    let requests = world.requests();
    assert!(requests[0].verified);
    assert_eq!(requests[0].headers["webhook-signature"].split(' ').count(), 2);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_called_no_more_until_its_url_changes() {
    let world = world(Egress::Local, "").await;
    world.switch("410");
    assert!(world.deliver(&["1"], 1).await.is_empty());
    assert!(world.deliver(&["2"], 1).await.is_empty());
    assert_eq!(world.requests().len(), 1, "the second was not sent");
    assert_eq!(world.reasons(), ["endpoint-gone", "sink-disabled"]);
    let told = world.alerts.told();
    assert!(told.len() == 1 && told[0].2.contains("answered 410 Gone"), "{told:?}");
    world.switch("200");
    world.tenants.put(&build::tenant_id("acme"), document(&world.url, "").replace("/crm\"", "/crm?v=2\""));
    world.clock.advance(Duration::from_secs(6));
    assert!(world.deliver(&["3"], 1).await.is_empty());
    assert_eq!(world.requests().len(), 2);
}

#[tokio::test]
async fn a_silent_endpoint_costs_its_timeout_and_its_neighbours_nothing() {
    let world = world(Egress::Local, "").await;
    world.switch("hang");
    assert_eq!(world.deliver(&["1", "2"], 1).await, ["1", "2"]);
    let record = world.record("1");
    assert!(record.attempts[0].detail.contains("no answer within 1000 ms"), "{}", record.attempts[0].detail);
}

#[tokio::test]
async fn custom_headers_are_sent_and_their_values_stay_out_of_the_ledger() {
    let extra =
        r#","headers":{"x-team":"r3d","authorization":{"secret":"crm-auth"},"content-type":"application/json"}"#;
    let world = world(Egress::Local, extra).await;
    assert!(world.deliver(&["1"], 1).await.is_empty());
    let headers = &world.requests()[0].headers;
    assert_eq!((headers["x-team"].as_str(), headers["authorization"].as_str()), ("r3d", "Bearer t0ken"));
    assert_eq!(headers["content-type"], "application/json");
    let ledger = format!("{:?}", world.ledger.records(&build::tenant_id("acme")));
    assert!(!ledger.contains("t0ken") && !ledger.contains("r3d"));
}

#[tokio::test]
async fn an_address_that_may_not_be_called_is_not_called() {
    let world = world(Egress::Public, "").await;
    assert!(world.deliver(&["1"], 1).await.is_empty());
    let by_name = document("https://localhost:1", "");
    world.tenants.put(&build::tenant_id("acme"), by_name);
    world.clock.advance(Duration::from_secs(6));
    assert!(world.deliver(&["2"], 1).await.is_empty());
    assert_eq!(world.reasons(), ["egress-refused", "egress-refused"]);
    assert!(world.requests().is_empty());
}

#[tokio::test]
async fn with_the_store_of_secrets_down_deliveries_come_back_and_spend_nothing() {
    let world = world(Egress::Local, "").await;
    world.secrets.reads.go_down();
    assert_eq!(world.deliver(&["1"], 1).await, ["1"]);
    world.secrets.reads.mend();
    assert!(world.deliver(&["1"], 2).await.is_empty());
    assert_eq!(world.record("1").attempts_used, 1);
    assert_eq!(world.lines.stalled(), [("secrets at webhook".to_owned(), 1)].into());
}

#[tokio::test]
async fn a_store_of_secrets_that_is_down_is_asked_once_for_a_batch_and_all_of_it_comes_back() {
    let world = world(Egress::Local, "").await;
    world.secrets.reads.go_down();
    assert_eq!(world.send(1, 20).await, 0);
    assert_eq!(world.secrets.reads.calls(), 1);
    world.secrets.reads.mend();
    let ids = events(1, 20);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert!(world.deliver(&ids, 2).await.is_empty());
    assert!(ids.iter().all(|id| world.record(id).attempts_used == 1));
}

#[tokio::test]
async fn a_secret_that_does_not_exist_or_is_none_is_named_in_the_dead_letter_queue() {
    let world = world(Egress::Local, "").await;
    world.secrets.put(&build::tenant_id("acme"), Webhook, &build::secret_name("crm"), "no signing secret");
    assert!(world.deliver(&["1"], 1).await.is_empty());
    let missing = document(&world.url, "").replace(r#""secrets":["crm"]"#, r#""secrets":["nowhere"]"#);
    world.tenants.put(&build::tenant_id("acme"), missing);
    world.clock.advance(Duration::from_secs(6));
    assert!(world.deliver(&["2"], 1).await.is_empty());
    assert_eq!(world.reasons(), ["secret-unusable", "secret-unusable"]);
    assert!(world.requests().is_empty());
}

/// The ids of so many events.
fn events(from: u32, count: u32) -> Vec<String> {
    (from..from + count).map(|number| number.to_string()).collect()
}

impl World {
    /// Delivers so many events; answers how many requests that made.
    async fn send(&self, from: u32, count: u32) -> usize {
        let before = self.requests().len();
        let ids = events(from, count);
        self.deliver(&ids.iter().map(String::as_str).collect::<Vec<_>>(), 1).await;
        self.requests().len() - before
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_called_no_more_until_one_probe_finds_it_well() {
    let world = world(Egress::Local, "").await;
    world.switch("503");
    assert_eq!(world.send(0, 10).await, 10);
    assert_eq!(world.deliver(&["a", "b"], 1).await, ["a", "b"], "they come back");
    assert_eq!(world.requests().len(), 10, "and nothing was sent");
    assert!(world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("a", "crm")).is_none(), "nor spent");
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(world.send(20, 5).await, 1, "one probe, which fails");
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(world.send(30, 5).await, 0, "the second time is twice as long");
    world.switch("204");
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(world.send(40, 5).await, 1, "one probe, which goes well");
    assert_eq!(world.send(50, 5).await, 5);
    assert!(world.reasons().is_empty());
}

#[tokio::test]
async fn while_a_circuit_is_open_held_deliveries_spend_no_attempt_and_no_receive_dooms_them() {
    let world = world(Egress::Local, r#","strict":true"#).await;
    world.switch("503");
    world.send(0, 10).await;
    for receive_count in 1..50 {
        world.deliver(&["held"], receive_count).await;
    }
    assert_eq!(world.record("held").attempts_used, 0);
    assert!(world.reasons().is_empty());
}

#[tokio::test]
async fn what_an_open_circuit_holds_for_a_minute_is_delayed_at_once_and_spends_no_attempt() {
    let world = world(Egress::Local, r#","strict":true,"breaker":{"cool_down":"2m"}"#).await;
    world.switch("503");
    world.send(0, 10).await;
    assert!(world.deliver(&["a", "b"], 1).await.is_empty(), "they left the queue");
    let delayed: Vec<String> = world.delays.rows().into_iter().map(|row| row.key.message_id).collect();
    assert_eq!(delayed, ["a", "b"]);
    assert_eq!((world.requests().len(), world.record("a").attempts_used), (10, 0));
    world.clock.advance(Duration::from_secs(90));
    assert_eq!(world.deliver(&["c"], 1).await, ["c"], "for less than a minute it is hidden");
}

#[tokio::test]
async fn an_answer_that_refuses_a_delivery_for_good_opens_no_circuit() {
    let world = world(Egress::Local, "").await;
    world.switch("422");
    assert_eq!(world.send(0, 20).await, 20);
    assert_eq!(world.send(20, 20).await, 20);
}

#[tokio::test]
async fn without_a_breaker_every_attempt_is_made() {
    let world = world(Egress::Local, r#","breaker":false"#).await;
    world.switch("503");
    assert_eq!(world.send(0, 20).await + world.send(20, 20).await, 40);
}

#[tokio::test]
async fn the_operators_are_told_four_times_before_an_endpoint_is_disabled_and_then_its_deliveries_are_kept() {
    let world = world(Egress::Local, r#","breaker":{"of":1000,"disable_after":"1h"}"#).await;
    world.switch("500");
    for minute in (0..=60).step_by(3) {
        assert_eq!(world.send(minute, 1).await, 1, "minute {minute}");
        world.clock.advance(Duration::from_mins(3));
    }
    let subjects: Vec<String> = world.alerts.told().into_iter().map(|(_, subject, _)| subject).collect();
    assert_eq!(subjects.len(), 4, "{subjects:?}");
    for (subject, percent) in subjects.iter().zip(["50 %", "70 %", "90 %", "is disabled"]) {
        assert!(subject.contains("crm of acme") && subject.contains(percent), "{subject}");
    }
    assert_eq!(world.send(99, 1).await, 0);
    assert_eq!(world.reasons(), ["sink-disabled"]);
}

#[tokio::test]
async fn operators_who_could_not_be_told_are_told_once_they_can_and_once_only() {
    let world = world(Egress::Local, r#","breaker":{"of":1000,"disable_after":"1h"}"#).await;
    world.switch("500");
    world.alerts.faults.go_down();
    for minute in (0..=60).step_by(3) {
        world.send(minute, 1).await;
        world.clock.advance(Duration::from_mins(3));
    }
    assert!(world.alerts.told().is_empty());
    world.alerts.faults.mend();
    for event in 70..75 {
        assert_eq!(world.send(event, 1).await, 0, "it is disabled");
        world.clock.advance(Duration::from_mins(3));
    }
    let told = world.alerts.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("is disabled") && told[0].2.contains("without a success"), "{told:?}");
}

#[tokio::test]
async fn a_notice_that_the_row_does_not_know_to_be_told_is_told_again_and_then_no_more() {
    let world = world(Egress::Local, "").await;
    world.switch("410");
    // The second change of the row says that the alert was told.
    world.states.writes.fail_call(2);
    for event in 1..5 {
        world.send(event, 1).await;
        world.clock.advance(Duration::from_secs(61));
    }
    let told = world.alerts.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|(_, subject, text)| subject.contains("is disabled") && text.contains("410")), "{told:?}");
}

#[tokio::test]
async fn operators_who_do_not_answer_cost_the_batch_nothing_and_are_told_later() {
    let world = world(Egress::Local, "").await;
    world.switch("410");
    world.alerts.faults.hang();
    let (tenant, sink) = (build::tenant_id("acme"), build::sink_id("crm"));
    let begins = async {
        while world.states.state(&tenant, &sink).await.unwrap().is_none_or(|state| state.pending_alert.is_none()) {
            tokio::task::yield_now().await;
        }
        world.clock.advance(Duration::from_secs(58));
    };
    let (failures, ()) = futures::join!(world.deliver(&["1"], 1), begins);
    assert!(failures.is_empty(), "it is quarantined");
    assert_eq!(world.reasons(), ["endpoint-gone"]);
    assert!(world.alerts.told().is_empty());
    world.alerts.faults.mend();
    world.clock.advance(Duration::from_mins(3));
    world.send(2, 1).await;
    assert_eq!(world.alerts.told().len(), 1);
}

#[tokio::test]
async fn with_the_states_of_endpoints_down_nothing_is_sent_and_all_comes_back() {
    let world = world(Egress::Local, "").await;
    world.states.reads.go_down();
    assert_eq!(world.deliver(&["1"], 1).await, ["1"]);
    world.states.reads.mend();
    world.states.writes.go_down();
    world.switch("410");
    world.deliver(&["1"], 2).await;
    assert_eq!((world.requests().len(), world.reasons()), (1, vec!["endpoint-gone".to_owned()]));
    assert_eq!(world.lines.stalled()["ledger at webhook"], 2, "one waited, and one state was not written");
    world.states.writes.mend();
    world.deliver(&["2"], 1).await;
    assert_eq!(world.deliver(&["3"], 1).await.len() + world.requests().len(), 2, "the next 410 disabled it");
}

#[tokio::test]
async fn of_an_endpoint_whose_state_cannot_be_read_the_deliveries_wait_and_no_others() {
    let world = world(Egress::Local, "").await;
    let (tenant, other) = (build::tenant_id("acme"), build::sink_id("other"));
    let sink = |id: &str| {
        format!(r#"{{"id":"{id}","kind":"webhook","types":["*"],"url":"{}/crm","secrets":["crm"]}}"#, world.url)
    };
    let sinks = [sink("crm"), sink("other")].join(",");
    world.tenants.put(&tenant, format!(r#"{{"tenant":"acme","name":"Acme","sinks":[{sinks}]}}"#));
    assert!(world.states.change(&tenant, &other, &EndpointState::healthy("known", None)).await.unwrap());
    world.states.garble(&other);
    let envelope = build::envelope("acme", "1", "action.signed", "{}");
    let message = |sink: &str| build::incoming_delivery(&build::queue("acme", QUEUE), sink, sink, &envelope);
    let event = serde_json::from_value(lambda_event(&[message("crm"), message("other")])).unwrap();
    let deadline = Deadline::at(after(world.clock.now(), Duration::from_mins(1)));
    let response = world.sink_loop.handle(event, deadline).await.unwrap();
    let back: Vec<String> = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    assert_eq!((back, world.requests().len()), (vec!["other".to_owned()], 1));
}
