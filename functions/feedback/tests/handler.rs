//! The feedback function over the in-memory ports: SES's events as its queue hands them over.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::consent::{ActionId, ConsentKey, EmailStatus, ListId, SubjectId, SubjectState, SuppressionReason};
use acequia_core::delivery::ledger::{Record, Status};
use acequia_core::egress::Egress;
use acequia_core::flow::consent::ConsentCommands;
use acequia_core::message::Incoming;
use acequia_core::port::{Clock as _, Ledger as _, SuppressionList as _};
use acequia_core::template::Context;
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::time::after;
use acequia_lambda::{CachedTenants, Reporting, Telemetry};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemoryConsents, InMemoryLedger, InMemoryLines, InMemoryMailStore, InMemoryTenants, build,
};
use feedback::Feedback;

const DOCUMENT: &str = r#"{"tenant":"acme","name":"Acme",
    "consent":{"types":["action.*"],"subject":"{{ data.email }}","supporter_confirm":true,"keys":["links"]},
    "mail":{"from":"a@acme.example","to":"{{ data.email }}","default_locale":"en"},
    "templates":{"confirm":{"en":{"subject":"x","text":"{{ links.accept }}"}}},
    "sinks":[{"id":"out","kind":"forward","types":["*"],"queue":"out"}]}"#;

struct World {
    consents: InMemoryConsents,
    mail_store: InMemoryMailStore,
    ledger: InMemoryLedger,
    clock: FixedClock,
    feedback: Feedback<InMemoryTenants, InMemoryConsents, InMemoryMailStore, InMemoryLedger>,
    key: ConsentKey,
    lines: InMemoryLines,
}

/// Acme, where ana has signed (event `1`) and is asked.
async fn world() -> World {
    let tenant = build::tenant_id("acme");
    let clock = FixedClock::default();
    let (consents, mail_store, ledger) = (InMemoryConsents::new(), InMemoryMailStore::new(), InMemoryLedger::new());
    let lines = InMemoryLines::new();
    let feedback = Feedback {
        tenants: CachedTenants::new(InMemoryTenants::new().with(&tenant, DOCUMENT), Arc::new(clock.clone())),
        consents: consents.clone(),
        mail_store: mail_store.clone(),
        ledger: ledger.clone(),
        clock: Arc::new(clock.clone()),
        configuration_set: "acequia-test".to_owned(),
        stage: build::stage(),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    };
    let settings = Tenant::validate(&RawTenant::from_json(DOCUMENT).unwrap(), Egress::Public).unwrap();
    let envelope = build::envelope("acme", "1", "action.signed", r#"{"email":"ana@example.org"}"#);
    let consent = settings.consent.as_ref().unwrap();
    let need = consent.need(&Context::new(&settings.summary, &envelope)).unwrap();
    let commands = ConsentCommands {
        consents: &consents,
        tenant: &tenant,
        settings: consent,
        config_version: 1,
        now: clock.now(),
    };
    commands.submit(&need, &envelope).await.unwrap();
    let key =
        ConsentKey { subject: SubjectId::derive(&tenant, "ana@example.org"), list: ListId::derive(&tenant, "all") };
    World { consents, mail_store, ledger, clock, feedback, key, lines }
}

impl World {
    fn notice(&self, set: &str, rest: &str) -> String {
        let action = ActionId::derive(&build::tenant_id("acme"), &build::event_id("1"));
        format!(
            r#"{{{rest},"mail":{{"destination":["ana@example.org"],"tags":{{"ses:configuration-set":["{set}"],"acequia-tenant":["acme"],
            "acequia-subject":["{}"],"acequia-list":["{}"],"acequia-action":["{action}"]}}}}}}"#,
            self.key.subject, self.key.list
        )
    }

    async fn tell(&self, bodies: &[String]) -> Vec<String> {
        let queue = "arn:aws:sqs:us-east-1:000000000000:acequia-test-feedback".parse().unwrap();
        let message = |(number, body): (usize, &String)| build::incoming(&queue, &format!("m{number}"), body.clone());
        let messages: Vec<Incoming> = bodies.iter().enumerate().map(message).collect();
        let event = serde_json::from_value(lambda_event(&messages)).unwrap();
        let response = self.feedback.handle(event).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    fn standing(&self) -> (SubjectState, EmailStatus) {
        let consent = self.consents.consent(&build::tenant_id("acme"), &self.key).unwrap();
        (consent.state, consent.email)
    }

    async fn suppressed(&self) -> Option<SuppressionReason> {
        let found = self.mail_store.suppressed(&build::tenant_id("acme"), &[self.key.subject]).await.unwrap();
        found[0].as_ref().map(|suppression| suppression.reason)
    }
}

const BOUNCE: &str = r#""eventType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"ana@example.org"}]}"#;
const SOFT: &str = r#""eventType":"Bounce","bounce":{"bounceType":"Transient","bouncedRecipients":[{"emailAddress":"ana@example.org"}]}"#;
const COMPLAINT: &str =
    r#""eventType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"ana@example.org"}]}"#;

#[tokio::test]
async fn a_hard_bounce_or_a_complaint_suppresses_the_address_rejects_what_is_pending_and_tells_the_sinks_once() {
    for (rest, status, reason) in [
        (BOUNCE, EmailStatus::Bounce, SuppressionReason::Bounce),
        (COMPLAINT, EmailStatus::Spam, SuppressionReason::Complaint),
    ] {
        let world = world().await;
        let body = world.notice("acequia-test", rest);
        for _ in 0..2 {
            assert!(world.tell(std::slice::from_ref(&body)).await.is_empty());
        }
        assert_eq!(world.standing(), (SubjectState::Rejected, status));
        assert_eq!(world.suppressed().await, Some(reason));
        assert_eq!(world.consents.stream().len(), 2, "the question, and one notice");
    }
}

/// SES says that it took the mail of event `1` to the sink `thanks`.
fn sent(event: &str) -> String {
    format!(
        r#"{{"eventType":"Send","mail":{{"messageId":"ses-1","destination":["ana@example.org"],"tags":{{
        "ses:configuration-set":["acequia-test"],"acequia-tenant":["acme"],"acequia-event":["{event}"],"acequia-sink":["thanks"]}}}}}}"#
    )
}

#[tokio::test]
async fn a_mail_of_unknown_fate_is_delivered_when_ses_says_that_it_took_it() {
    let (world, tenant) = (world().await, build::tenant_id("acme"));
    let tag = acequia_core::mail::event_tag(&build::event_id("1"));
    assert!(world.tell(&[sent(&tag), sent("AAAA"), sent("")]).await.is_empty(), "of these the ledger has nothing");
    let mut record = build::record("1", "thanks", Status::Claimed);
    record.lease_until = Some(after(world.clock.now(), Duration::from_mins(1)));
    let write = world.ledger.write(&tenant, &[Record::Delivery(Box::new(record.clone()))]).await;
    assert!(write[0].is_ok());
    assert_eq!(world.tell(&[sent(&tag)]).await, ["m0"], "an invocation is at it: later");
    world.clock.advance(Duration::from_secs(61));
    for _ in 0..2 {
        assert!(world.tell(&[sent(&tag)]).await.is_empty());
        let settled = world.ledger.record(&tenant, &record.key()).unwrap();
        assert_eq!((settled.status, settled.attempts.len()), (Status::Delivered, 1));
        assert_eq!(settled.receipt.unwrap().id.unwrap(), "ses-1");
    }
    world.ledger.reads.go_down();
    assert_eq!(world.tell(&[sent(&tag)]).await, ["m0"], "it comes again");
    assert_eq!(world.lines.stalled(), BTreeMap::from([("ledger at feedback".to_owned(), 1)]));
}

#[tokio::test]
async fn a_bounce_that_may_pass_is_counted_and_rejects_nothing() {
    let world = world().await;
    assert!(world.tell(&[world.notice("acequia-test", SOFT)]).await.is_empty());
    assert_eq!((world.standing().0, world.suppressed().await), (SubjectState::Confirming, None));
    let address = world.key.subject;
    assert_eq!(world.mail_store.count_failure(&build::tenant_id("acme"), &address, build::start()).await.unwrap(), 2);
}

#[tokio::test]
async fn what_does_not_come_from_our_configuration_sets_is_refused_and_its_neighbours_are_taken_in() {
    let world = world().await;
    let bodies = [
        world.notice("somebody-elses", BOUNCE),
        "no json".to_owned(),
        world.notice("acequia-test", r#""eventType":"Delivery""#),
        world.notice("acequia-test", r#""eventType":"Send""#),
    ];
    assert_eq!(world.tell(&bodies).await, ["m0", "m1"]);
    assert_eq!((world.standing().0, world.suppressed().await), (SubjectState::Confirming, None));
}

#[tokio::test]
async fn the_greeting_that_ses_sends_to_a_new_topic_is_done_with_and_what_only_resembles_it_is_refused() {
    let world = world().await;
    let greeting = "Successfully validated SNS topic for Amazon SES event publishing.";
    let wrapped = serde_json::json!({ "Type": "Notification", "Message": greeting }).to_string();
    let bodies = [greeting.to_owned(), wrapped, format!("{greeting} And more."), greeting.to_lowercase()];
    assert_eq!(world.tell(&bodies).await, ["m2", "m3"]);
    assert_eq!(world.lines.written(), [""; 0]);
}

#[tokio::test]
async fn with_a_store_down_a_notice_comes_again() {
    let world = world().await;
    let body = world.notice("acequia-test", BOUNCE);
    world.mail_store.calls.go_down();
    assert_eq!(world.tell(std::slice::from_ref(&body)).await, ["m0"]);
    world.mail_store.calls.mend();
    world.consents.writes.go_down();
    assert_eq!(world.tell(std::slice::from_ref(&body)).await, ["m0"]);
    world.consents.writes.mend();
    assert!(world.tell(&[body]).await.is_empty());
    assert_eq!(world.standing().0, SubjectState::Rejected);
    assert_eq!(world.lines.stalled(), BTreeMap::from([("consents at feedback".to_owned(), 2)]));
}
