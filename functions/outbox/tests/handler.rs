//! The outbox over the in-memory ports: rows as the table's stream shows them, and deliveries as the queues take them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::consent::{ActionId, ConsentKey, ListId, Origin, SubjectAction, SubjectId};
use acequia_core::delivery::route::Routed;
use acequia_core::egress::Egress;
use acequia_core::flow::consent::ConsentCommands;
use acequia_core::kind::SinkKind;
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::secret::SecretPurpose;
use acequia_core::template::Context;
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::time::after;
use acequia_core::wire::{ROUTE, SINK};
use acequia_lambda::{CachedTenants, Deadline, Reporting, Telemetry};
use acequia_testkit::{
    FixedClock, InMemoryConsents, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemorySecrets, InMemoryTenants,
    build,
};
use outbox::{Batch, Outbox, Relayed, Swept};

const DOCUMENT: &str = r#"{"tenant":"acme","name":"Acme",
    "consent":{"types":["action.*"],"subject":"{{ data.email }}","list":"{{ data.list }}","supporter_confirm":true,"keys":["links"],
        "reminders":{"after":"2days","most":1},"lists":{"moderated":{"action_confirm":true}}},
    "mail":{"from":"a@acme.example","to":"{{ data.email }}","default_locale":"en"},
    "templates":{"confirm":{"en":{"subject":"x","text":"{{ links.accept }}"}},"thanks":{"en":{"subject":"x","text":"thanks"}}},
    "sinks":[{"id":"crm","kind":"webhook","types":["*","acequia.*"],"url":"https://crm.example.org/","secrets":["crm"]}]}"#;
const KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

struct World {
    settings: Tenant,
    clock: FixedClock,
    consents: InMemoryConsents,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    secrets: InMemorySecrets,
    tenants: InMemoryTenants,
    lines: InMemoryLines,
    outbox: Outbox<InMemoryTenants, InMemoryLedger, InMemoryQueues, InMemoryConsents, InMemorySecrets>,
}

fn world() -> World {
    let tenant = build::tenant_id("acme");
    let clock = FixedClock::default();
    let (consents, ledger, queues) =
        (InMemoryConsents::new(), InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let tenants = InMemoryTenants::new().with(&tenant, DOCUMENT);
    let secrets = InMemorySecrets::new().with(&tenant, SecretPurpose::Link, &build::secret_name("links"), KEY);
    let lines = InMemoryLines::new();
    let outbox = Outbox {
        tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
        ledger: ledger.clone(),
        queues: queues.clone(),
        consents: consents.clone(),
        secrets: secrets.clone(),
        clock: Arc::new(clock.clone()),
        stage: build::stage(),
        queue_arns: "arn:aws:sqs:us-east-1:000000000000:".to_owned(),
        link_base: "https://confirm.example.org".to_owned(),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    };
    let settings = Tenant::validate(&RawTenant::from_json(DOCUMENT).unwrap(), Egress::Public).unwrap();
    World { settings, clock, consents, ledger, queues, secrets, tenants, lines, outbox }
}

impl World {
    fn commands(&self) -> ConsentCommands<'_, InMemoryConsents> {
        let settings = self.settings.consent.as_ref().unwrap();
        ConsentCommands {
            consents: &self.consents,
            tenant: &self.settings.summary.id,
            settings,
            config_version: 1,
            now: self.clock.now(),
        }
    }

    async fn sign(&self, event: &str, list: &str) {
        let data = format!(r#"{{"email":"ana@example.org","list":"{list}"}}"#);
        let envelope = build::envelope("acme", event, "action.signed", &data);
        let need =
            self.settings.consent.as_ref().unwrap().need(&Context::new(&self.settings.summary, &envelope)).unwrap();
        self.commands().submit(&need, &envelope).await.unwrap();
    }

    async fn act(&self, event: &str, list: &str, subject_action: SubjectAction) {
        let tenant = &self.settings.summary.id;
        let key =
            ConsentKey { subject: SubjectId::derive(tenant, "ana@example.org"), list: ListId::derive(tenant, list) };
        let id = ActionId::derive(tenant, &build::event_id(event));
        self.commands().act(key, id, &subject_action, &Origin { by: "link", key: None }).await.unwrap().unwrap();
    }

    /// All rows that were ever written, as the stream shows them, with rows of other kinds between.
    fn stream(&self) -> Batch {
        let mut records = vec![serde_json::json!({"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "0"}})];
        for (number, (tenant, row)) in self.consents.stream().into_iter().enumerate() {
            let pk = format!("{tenant}#{}", row.key.subject);
            let image = serde_json::json!({
                "pk": {"S": pk}, "sk": {"S": format!("outbox#{}#{}", row.key.list, row.id)},
                "doc": {"S": serde_json::to_string(&row).unwrap()}, "due_at": {"N": "1"},
            });
            let other = serde_json::json!({"pk": {"S": pk}, "sk": {"S": "consent#x"}, "doc": {"S": "{}"}, "version": {"N": "1"}});
            records.push(serde_json::json!({"dynamodb": {"SequenceNumber": "x", "NewImage": other}}));
            records.push(serde_json::json!({"eventName": "INSERT",
                "dynamodb": {"SequenceNumber": format!("{}", number + 1), "NewImage": image}}));
        }
        serde_json::from_value(serde_json::json!({ "Records": records })).unwrap()
    }

    async fn relay(&self) -> Relayed {
        self.outbox.handle(self.stream(), self.deadline()).await.unwrap()
    }

    fn deadline(&self) -> Deadline {
        Deadline::at(after(self.clock.now(), Duration::from_mins(1)))
    }

    async fn sweep(&self) -> Swept {
        self.outbox.sweep(self.deadline()).await.unwrap()
    }

    /// The sinks of the deliveries in a queue.
    fn sinks(&self, kind: SinkKind) -> Vec<String> {
        let messages = self.queues.messages(&build::queue("acme", QueueRole::Sink(kind)));
        messages.iter().map(|message| message.attributes[SINK].as_text().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_question_goes_to_the_email_queue_and_to_no_sink() {
    let world = world();
    world.sign("1", "trees").await;
    assert_eq!(world.relay().await.left, 0);
    assert_eq!(world.sinks(SinkKind::Email), ["acequia-confirm-1"]);
    assert!(world.sinks(SinkKind::Webhook).is_empty());
    assert!(world.consents.outbox().is_empty(), "the row is deleted when it is carried out");
}

#[tokio::test]
async fn a_released_action_reaches_its_sinks_byte_for_byte_with_thanks_and_is_recorded() {
    let world = world();
    world.sign("1", "trees").await;
    world.act("1", "trees", SubjectAction::Accept { opt_in: false }).await;
    assert_eq!(world.relay().await.left, 0);
    assert_eq!(world.sinks(SinkKind::Email), ["acequia-confirm-1", "acequia-thanks-1"]);
    let sent = world.queues.messages(&build::queue("acme", QueueRole::Sink(SinkKind::Webhook)));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].body, build::body("1", "action.signed", r#"{"email":"ana@example.org","list":"trees"}"#));
    let routed = Routed::read(sent[0].attributes[ROUTE].as_text().unwrap()).unwrap();
    assert_eq!((routed.taken, routed.event_type.as_str()), (vec![build::sink_id("crm")], "action.signed"));
    assert!(world.ledger.records(&build::tenant_id("acme")).is_empty(), "the delivery's row will say it");
}

#[tokio::test]
async fn a_released_action_of_an_ordered_tenant_goes_to_its_fifo_forward_queue() {
    let world = world();
    let forward = r#""sinks":[{"id":"out","kind":"forward","types":["*"],"queue":"out.fifo"},"#;
    world.tenants.put(&build::tenant_id("acme"), DOCUMENT.replace(r#""sinks":["#, forward));
    let role = QueueRole::Sink(SinkKind::Forward);
    world.queues.remove(&build::queue("acme", role));
    world.sign("1", "trees").await;
    world.act("1", "trees", SubjectAction::Accept { opt_in: false }).await;
    assert_eq!(world.relay().await.left, 0);
    let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), role);
    let sent = world.queues.messages(&build::named_queue(&QueueName { fifo: true, ..name }));
    assert_eq!(sent.len(), 1);
    assert!(world.consents.outbox().is_empty(), "the row is deleted when it is carried out");
}

#[tokio::test]
async fn a_notice_tells_the_sinks_without_an_address() {
    let world = world();
    world.sign("1", "trees").await;
    world.act("1", "trees", SubjectAction::Reject).await;
    world.relay().await;
    let sent = world.queues.messages(&build::queue("acme", QueueRole::Sink(SinkKind::Webhook)));
    let notice: serde_json::Value = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!((&notice["type"], &notice["data"]["state"]), (&"acequia.consent.rejected".into(), &"rejected".into()));
    assert_eq!((&notice["data"]["list"], &notice["data"]["action"]["event"]), (&"trees".into(), &"/tests|1".into()));
    assert!(!sent[0].body.contains("ana@"));
}

#[tokio::test]
async fn a_moderator_gets_the_action_with_the_links_of_both_answers() {
    let world = world();
    world.sign("1", "moderated").await;
    world.act("1", "moderated", SubjectAction::Accept { opt_in: false }).await;
    world.relay().await;
    let sent = world.queues.messages(&build::queue("acme", QueueRole::Sink(SinkKind::Webhook)));
    let notice: serde_json::Value = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!(notice["type"], "acequia.action.confirming");
    assert_eq!(notice["data"]["event"]["data"]["email"], "ana@example.org");
    for link in ["approve", "decline"] {
        let link = notice["data"]["links"][link].as_str().unwrap();
        assert!(link.starts_with("https://confirm.example.org/c/acme/links."), "{link}");
    }
}

#[tokio::test]
async fn a_sink_of_every_type_gets_no_links_of_a_moderator() {
    let world = world();
    world.tenants.put(&build::tenant_id("acme"), DOCUMENT.replace(r#"["*","acequia.*"]"#, r#"["*"]"#));
    world.sign("1", "moderated").await;
    world.act("1", "moderated", SubjectAction::Accept { opt_in: false }).await;
    world.act("1", "moderated", SubjectAction::Reject).await;
    assert_eq!(world.relay().await.left, 0);
    assert!(world.sinks(SinkKind::Webhook).is_empty());
    assert!(world.consents.outbox().is_empty());
}

#[tokio::test]
async fn what_the_stream_shows_again_is_carried_out_once() {
    let world = world();
    world.sign("1", "trees").await;
    world.act("1", "trees", SubjectAction::Accept { opt_in: false }).await;
    assert_eq!(world.relay().await, Relayed { published: 2, ..Relayed::default() });
    for _ in 0..20 {
        assert_eq!(world.relay().await, Relayed { passed_over: 2, ..Relayed::default() });
    }
    assert_eq!((world.sinks(SinkKind::Webhook).len(), world.sinks(SinkKind::Email).len()), (1, 2));
}

#[tokio::test]
async fn a_row_that_could_not_be_deleted_makes_the_same_delivery_again() {
    let world = world();
    world.sign("1", "trees").await;
    world.act("1", "trees", SubjectAction::Accept { opt_in: false }).await;
    world.consents.writes.go_down();
    assert_eq!(world.relay().await, Relayed { left: 2, ..Relayed::default() });
    world.consents.writes.mend();
    world.clock.advance(Duration::from_mins(3));
    assert_eq!(world.sweep().await, Swept { published: 2, ..Swept::default() });
    let sent = world.queues.messages(&build::queue("acme", QueueRole::Sink(SinkKind::Webhook)));
    assert_eq!((sent.len(), &sent[0].body, &sent[0].attributes), (2, &sent[1].body, &sent[1].attributes));
}

#[tokio::test]
async fn with_a_queue_or_a_store_down_a_row_is_left_and_the_sweep_takes_it_up() {
    let world = world();
    let left = Relayed { left: 1, ..Relayed::default() };
    world.sign("1", "trees").await;
    for faults in [&world.consents.reads, &world.tenants.reads, &world.queues.sends] {
        faults.go_down();
        assert_eq!(world.relay().await, left);
        faults.mend();
    }
    assert_eq!(world.sweep().await, Swept::default(), "it may still be on its way");
    world.clock.advance(Duration::from_mins(3));
    assert_eq!(world.sweep().await, Swept { published: 1, ..Swept::default() });
    assert_eq!(world.sinks(SinkKind::Email), ["acequia-confirm-1"]);
    assert!(world.consents.outbox().is_empty());
    let stalled = ["consents at outbox", "queues at outbox", "tenants at outbox"].map(|what| (what.to_owned(), 1));
    assert_eq!(world.lines.stalled(), BTreeMap::from(stalled));
}

#[tokio::test]
async fn the_stream_is_answered_with_success_whatever_failed() {
    let world = world();
    world.sign("1", "trees").await;
    world.queues.sends.go_down();
    let image = serde_json::json!({"pk": {"S": "acme#x"}, "sk": {"S": "outbox#x"}});
    let mut records = vec![serde_json::json!({"dynamodb": {"SequenceNumber": "1", "NewImage": image}})];
    for (tenant, row) in world.consents.stream() {
        let image = serde_json::json!({"pk": {"S": format!("{tenant}#{}", row.key.subject)},
            "sk": {"S": format!("outbox#{}#{}", row.key.list, row.id)}});
        records.push(serde_json::json!({"dynamodb": {"SequenceNumber": "2", "NewImage": image}}));
    }
    let answer = world.outbox.serve(serde_json::json!({ "Records": records }), world.deadline()).await.unwrap();
    assert_eq!(answer, serde_json::json!({"batchItemFailures": []}));
    assert_eq!(world.consents.outbox().len(), 1);
}

#[tokio::test]
async fn the_sweep_sends_the_reminders_that_are_due_once() {
    let world = world();
    world.sign("1", "trees").await;
    world.relay().await;
    world.clock.advance(Duration::from_hours(49));
    assert_eq!(world.sweep().await.reminded, 1);
    assert_eq!(world.sweep().await.reminded, 0);
    world.relay().await;
    let mails = world.sinks(SinkKind::Email);
    assert_eq!(mails.iter().filter(|sink| *sink == "acequia-reminder-1").count(), 1, "{mails:?}");
}

#[tokio::test]
async fn without_the_key_a_moderator_is_asked_later() {
    let world = world();
    world.secrets.reads.go_down();
    world.sign("1", "moderated").await;
    world.act("1", "moderated", SubjectAction::Accept { opt_in: false }).await;
    assert_eq!(world.relay().await, Relayed { published: 1, left: 1, ..Relayed::default() });
    world.secrets.reads.mend();
    world.clock.advance(Duration::from_mins(3));
    assert_eq!(world.sweep().await.published, 1);
    assert_eq!(world.lines.stalled(), BTreeMap::from([("secrets at outbox".to_owned(), 1)]));
}

#[tokio::test]
async fn a_sweep_that_cannot_read_the_store_of_consents_says_so() {
    let world = world();
    world.consents.reads.go_down();
    assert!(world.outbox.sweep(world.deadline()).await.is_err());
    assert_eq!(world.lines.stalled(), BTreeMap::from([("consents at outbox".to_owned(), 1)]));
}
