//! The email function over the in-memory ports and a mailer that remembers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::Status;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::outcome::stall::MailHold;
use acequia_core::port::{Clock as _, Mail, MailError};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::time::after;
use acequia_core::wire::{DETAIL, REASON};
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, RateLimiter, Reporting, SinkLoop, Telemetry, Widths};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryConsents, InMemoryDelays, InMemoryGrants, InMemoryLedger, InMemoryLines,
    InMemoryMailStore, InMemoryMailer, InMemoryQueues, InMemoryRates, InMemorySecrets, InMemoryTenants, SeededChance,
    build,
};
use email::EmailSink;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Email);

type Sink = EmailSink<InMemoryMailer, InMemorySecrets, InMemoryGrants, InMemoryMailStore, InMemoryConsents>;

struct World {
    clock: FixedClock,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    mailer: InMemoryMailer,
    lines: InMemoryLines,
    grants: InMemoryGrants,
    sink_loop: SinkLoop<InMemory, Sink>,
}

fn world(extra: &str) -> World {
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"thanks","kind":"email","types":["*"],"from":"Acme <hello@acme.example>",
        "to":"{{{{ data.email }}}}","subject":"Thank you","text":"Dear {{{{ data.first_name }}}}","retry":["10s"]{extra}}}]}}"#
    );
    let clock = FixedClock::at(build::start());
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
    let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let mailer = InMemoryMailer::default();
    let lines = InMemoryLines::new();
    let grants = InMemoryGrants::new().with(&build::tenant_id("acme"), "acme.example", "");
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants, Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink: EmailSink {
            mailer: mailer.clone(),
            secrets: InMemorySecrets::new(),
            grants: grants.clone(),
            mail_store: InMemoryMailStore::new(),
            consents: InMemoryConsents::new(),
            clock: Arc::new(clock.clone()),
            link_base: "https://confirm.example.org".to_owned(),
        },
    };
    World { clock, ledger, queues, mailer, lines, grants, sink_loop }
}

impl World {
    async fn handle(&self, event: serde_json::Value) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let response = self.sink_loop.handle(serde_json::from_value(event).unwrap(), deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    fn sent(&self) -> Vec<Mail> {
        self.mailer.sent()
    }

    fn fail_with(&self, error: &MailError) {
        self.mailer.fail_next(1, error);
    }

    fn status(&self) -> Status {
        self.ledger.record(&build::tenant_id("acme"), &build::delivery_key("1", "thanks")).unwrap().status
    }

    fn reasons(&self) -> Vec<String> {
        let dead = self.queues.messages(&build::dead_letter_queue("acme", QUEUE));
        dead.iter().map(|message| message.attributes[REASON].as_text().unwrap().to_owned()).collect()
    }
}

fn message(id: &str, receive_count: u32) -> Incoming {
    let envelope = build::envelope("acme", "1", "action.signed", r#"{"email":"ana@example.org","first_name":"Ana"}"#);
    Incoming { receive_count, ..build::incoming_delivery(&build::queue("acme", QUEUE), id, "thanks", &envelope) }
}

#[tokio::test]
async fn of_the_fixture_the_complete_mail_is_sent_and_the_one_with_a_hole_is_quarantined() {
    let world = world("");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/events/email.json");
    let fixture = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(world.handle(fixture).await.is_empty());
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].to.as_str(), sent[0].text.as_str()), ("ana@example.org", "Dear Ana"));
    let stage = "local".parse().unwrap();
    let dlq = QueueName::new(&stage, &build::tenant_id("acme"), QUEUE).dead_letter();
    let arn = format!("arn:aws:sqs:eu-west-1:000000000000:{dlq}").parse().unwrap();
    let dead = world.queues.messages(&arn);
    assert_eq!(dead[0].attributes[REASON].as_text(), Some("template-variable"));
    assert!(dead[0].attributes[DETAIL].as_text().unwrap().contains("text"), "the field is named");
}

#[tokio::test]
async fn two_equal_messages_make_one_mail_in_one_batch_and_in_two() {
    let world = world("");
    assert!(world.handle(lambda_event(&[message("m1", 1), message("m2", 1)])).await.is_empty());
    assert!(world.handle(lambda_event(&[message("m3", 1)])).await.is_empty());
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn two_concurrent_batches_make_one_mail() {
    let world = world("");
    let events = (lambda_event(&[message("m1", 1)]), lambda_event(&[message("m2", 1)]));
    let (first, second) = tokio::join!(world.handle(events.0), world.handle(events.1));
    assert_eq!(world.sent().len(), 1);
    // One was acknowledged; the other too if it came after the record, or else it comes back.
    assert!(first.len() + second.len() <= 1, "{first:?} {second:?}");
}

#[tokio::test]
async fn a_throttled_mail_waits_and_spends_no_attempt() {
    let world = world("");
    world.fail_with(&MailError::Throttled("TooManyRequestsException".to_owned()));
    assert_eq!(world.handle(lambda_event(&[message("m1", 1)])).await, ["m1"]);
    world.clock.advance(Duration::from_mins(1));
    assert!(world.handle(lambda_event(&[message("m1", 2)])).await.is_empty());
    let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("1", "thanks")).unwrap();
    assert_eq!((world.sent().len(), record.attempts_used), (1, 1));
    assert_eq!(world.lines.stalled(), BTreeMap::from([("ses at email".to_owned(), 1)]));
}

#[tokio::test]
async fn in_the_sandbox_a_mail_waits_without_an_attempt_and_its_record_says_why_once() {
    let world = world("");
    for receive_count in 1..4 {
        world.fail_with(&MailError::Held(MailHold::Sandbox));
        assert_eq!(world.handle(lambda_event(&[message("m1", receive_count)])).await, ["m1"]);
        world.clock.advance(Duration::from_mins(5));
    }
    let record = || world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("1", "thanks")).unwrap();
    let held = record();
    assert_eq!((held.status, held.attempts_used, held.attempts.len()), (Status::Retry, 0, 1));
    assert!(held.attempts[0].detail.contains("sandbox") && held.attempts[0].detail.contains("aws sesv2 get-account"));
    assert!(world.reasons().is_empty(), "nothing is quarantined for the standing of an account");
    assert_eq!(world.lines.stalled(), BTreeMap::from([("ses at email".to_owned(), 3)]));
    assert!(world.handle(lambda_event(&[message("m1", 4)])).await.is_empty(), "the account has left the sandbox");
    let sent = record();
    assert_eq!((sent.status, sent.attempts_used, world.sent().len()), (Status::Delivered, 1, 1));
}

#[tokio::test]
async fn a_refused_mail_is_quarantined_at_once() {
    let world = world("");
    world.fail_with(&MailError::Refused("MessageRejected".to_owned()));
    assert!(world.handle(lambda_event(&[message("m1", 1)])).await.is_empty());
    assert_eq!((world.reasons(), world.status()), (vec!["rejected".to_owned()], Status::Quarantined));
}

#[tokio::test]
async fn a_mail_without_an_answer_is_sent_again_or_quarantined_as_the_tenant_wants() {
    let resend = world("");
    resend.fail_with(&MailError::NoAnswer);
    assert_eq!(resend.handle(lambda_event(&[message("m1", 1)])).await, ["m1"]);
    resend.clock.advance(Duration::from_secs(75));
    assert!(resend.handle(lambda_event(&[message("m1", 2)])).await.is_empty());
    assert_eq!(resend.sent().len(), 2);

    let quarantine = world(r#","ambiguous":"quarantine""#);
    quarantine.fail_with(&MailError::NoAnswer);
    assert!(quarantine.handle(lambda_event(&[message("m1", 1)])).await.is_empty());
    assert_eq!((quarantine.sent().len(), quarantine.reasons()), (1, vec!["ambiguous".to_owned()]));
}

#[tokio::test]
async fn a_quarantined_mail_is_not_sent_again_while_the_dead_letter_queue_is_down() {
    let world = world(r#","ambiguous":"quarantine""#);
    world.fail_with(&MailError::NoAnswer);
    world.queues.sends.go_down();
    assert_eq!(world.handle(lambda_event(&[message("m1", 1)])).await, ["m1"]);
    world.queues.sends.mend();
    world.clock.advance(Duration::from_secs(75));
    assert!(world.handle(lambda_event(&[message("m1", 2)])).await.is_empty());
    assert_eq!((world.sent().len(), world.reasons()), (1, vec!["ambiguous".to_owned()]));
}

#[tokio::test]
async fn with_the_ledger_down_no_mail_is_sent() {
    let world = world("");
    world.ledger.claims.go_down();
    assert_eq!(world.handle(lambda_event(&[message("m1", 1)])).await, ["m1"]);
    assert!(world.sent().is_empty());
    assert_eq!(world.lines.stalled(), BTreeMap::from([("ledger at email".to_owned(), 1)]));
}

#[tokio::test]
async fn a_mail_from_a_domain_that_the_tenants_stack_does_not_allow_is_refused_before_ses_hears_of_it() {
    for senders in ["", "bona.example,other@acme.example"] {
        let world = world("");
        world.grants.put(&build::tenant_id("acme"), senders, "");
        assert!(world.handle(lambda_event(&[message("m1", 1)])).await.is_empty());
        assert!(world.sent().is_empty());
        assert_eq!((world.reasons(), world.status()), (vec!["not-granted".to_owned()], Status::Quarantined));
        let dead = world.queues.messages(&build::dead_letter_queue("acme", QUEUE));
        let detail = dead[0].attributes[DETAIL].as_text().unwrap();
        assert!(detail.contains("acme.example") && detail.contains("SenderDomains"), "{detail}");
    }
    for senders in ["hello@acme.example", "acme.example"] {
        let world = world("");
        world.grants.put(&build::tenant_id("acme"), senders, "");
        assert!(world.handle(lambda_event(&[message("m1", 1)])).await.is_empty());
        assert_eq!(world.sent().len(), 1);
    }
}

#[tokio::test]
async fn while_what_a_tenant_may_send_as_cannot_be_read_its_mails_wait_without_an_attempt_spent() {
    let world = world("");
    world.grants.reads.go_down();
    assert_eq!(world.handle(lambda_event(&[message("m1", 1)])).await, ["m1"]);
    assert!(world.sent().is_empty());
    assert_eq!(world.lines.stalled(), BTreeMap::from([("secrets at email".to_owned(), 1)]));
    world.grants.reads.mend();
    world.clock.advance(Duration::from_mins(5));
    assert!(world.handle(lambda_event(&[message("m1", 2)])).await.is_empty());
    let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("1", "thanks")).unwrap();
    assert_eq!((world.sent().len(), record.attempts_used), (1, 1));
}
