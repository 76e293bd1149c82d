//! Mails about consent, and what a tenant's mail settings do to every mail: over the in-memory ports.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::consent::token::{self, LinkKey, Purpose};
use acequia_core::consent::{
    ActionId, ConsentKey, ListId, Origin, SubjectAction, SubjectId, Suppression, SuppressionReason,
};
use acequia_core::egress::Egress;
use acequia_core::event::envelope::Envelope;
use acequia_core::flow::consent::ConsentCommands;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::port::{Clock as _, Mail, MailError, SuppressionList as _};
use acequia_core::queue::QueueRole;
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_core::template::Context;
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::time::after;
use acequia_core::wire::REASON;
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, RateLimiter, SinkLoop, Telemetry, Widths};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryConsents, InMemoryDelays, InMemoryGrants, InMemoryLedger, InMemoryMailStore,
    InMemoryMailer, InMemoryQueues, InMemoryRates, InMemorySecrets, InMemoryTenants, SeededChance, build,
};
use email::EmailSink;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Email);
const KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const DOCUMENT: &str = r#"{"tenant":"acme","name":"Acme",
    "consent":{"types":["action.*"],"subject":"{{ data.email }}","supporter_confirm":true,"keys":["links"],"valid_for":"2days"},
    "mail":{"from":"Acme <a@acme.example>","to":"{{ data.email }}","default_locale":"en","locale":"{{ data.locale | default('en') }}","daily_cap":2,
        "ses_tenant":true},
    "templates":{"confirm":{"en":{"subject":"Confirm","text":"Yes {{ links.accept }} No {{ links.reject }}"},
        "fr":{"subject":"Confirmez","text":"Oui {{ confirmLink }}"}}},
    "sinks":[{"id":"news","kind":"email","types":["*"],"subject":"News","text":"Dear reader"}]}"#;

type Sink = EmailSink<InMemoryMailer, InMemorySecrets, InMemoryGrants, InMemoryMailStore, InMemoryConsents>;

struct World {
    settings: Tenant,
    clock: FixedClock,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    delays: InMemoryDelays,
    mailer: InMemoryMailer,
    secrets: InMemorySecrets,
    grants: InMemoryGrants,
    mail_store: InMemoryMailStore,
    consents: InMemoryConsents,
    sink_loop: SinkLoop<InMemory, Sink>,
}

fn world_of(document: &str) -> World {
    let tenant = build::tenant_id("acme");
    let clock = FixedClock::default();
    let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let delays = InMemoryDelays::new();
    let secrets = InMemorySecrets::new().with(&tenant, SecretPurpose::Link, &build::secret_name("links"), KEY);
    let grants = InMemoryGrants::new().with(&tenant, "acme.example", "");
    let (mailer, mail_store, consents) = (InMemoryMailer::default(), InMemoryMailStore::new(), InMemoryConsents::new());
    let sink = EmailSink {
        mailer: mailer.clone(),
        secrets: secrets.clone(),
        grants: grants.clone(),
        mail_store: mail_store.clone(),
        consents: consents.clone(),
        clock: Arc::new(clock.clone()),
        link_base: "https://confirm.example.org/".to_owned(),
    };
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(InMemoryTenants::new().with(&tenant, document), Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: delays.clone(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::silent(),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink,
    };
    let settings = Tenant::validate(&RawTenant::from_json(document).unwrap(), Egress::Public).unwrap();
    World { settings, clock, ledger, queues, delays, mailer, secrets, grants, mail_store, consents, sink_loop }
}

fn world() -> World {
    world_of(DOCUMENT)
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

    async fn sign(&self, event: &str, data: &str) -> Envelope {
        let envelope = build::envelope("acme", event, "action.signed", data);
        let need =
            self.settings.consent.as_ref().unwrap().need(&Context::new(&self.settings.summary, &envelope)).unwrap();
        self.commands().submit(&need, &envelope).await.unwrap();
        envelope
    }

    fn key(&self, address: &str) -> ConsentKey {
        let tenant = &self.settings.summary.id;
        ConsentKey { subject: SubjectId::derive(tenant, address), list: ListId::derive(tenant, "all") }
    }

    async fn handle(&self, messages: &[Incoming]) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    async fn deliver(&self, sink: &str, envelope: &Envelope) -> bool {
        self.handle(&[message(sink, envelope, 1)]).await.is_empty()
    }

    fn sent(&self) -> Vec<Mail> {
        self.mailer.sent()
    }

    /// SES has too much to do for this many mails.
    fn throttle(&self, mails: usize) {
        self.mailer.fail_next(mails, &MailError::Throttled("TooManyRequestsException".to_owned()));
    }

    fn reasons(&self) -> Vec<String> {
        let dead = self.queues.messages(&build::dead_letter_queue("acme", QUEUE));
        dead.iter().map(|message| message.attributes[REASON].as_text().unwrap().to_owned()).collect()
    }
}

fn message(sink: &str, envelope: &Envelope, receive_count: u32) -> Incoming {
    let id = format!("{sink} {}", envelope.event);
    Incoming { receive_count, ..build::incoming_delivery(&build::queue("acme", QUEUE), &id, sink, envelope) }
}

const ANA: &str = r#"{"email":"ana@example.org"}"#;

#[tokio::test]
async fn the_mail_that_asks_has_links_that_work_and_a_button_to_end_the_mails() {
    let world = world();
    let envelope = world.sign("1", ANA).await;
    assert!(world.deliver("acequia-confirm-1", &envelope).await);
    let mail = &world.sent()[0];
    let link = mail.text.split_whitespace().nth(1).unwrap();
    let tenant = &world.settings.summary.id;
    let token = link.strip_prefix("https://confirm.example.org/c/acme/").unwrap();
    let keys = [LinkKey::new(build::secret_name("links"), &Secret::new(KEY)).unwrap()];
    let read = token::read(tenant, &keys, token, &[Purpose::Accept], world.clock.now()).unwrap();
    let action = ActionId::derive(tenant, &build::event_id("1"));
    assert_eq!((read.key, read.action, mail.about), (world.key("ana@example.org"), action, Some((read.key, action))));
    assert!(mail.headers[0].1.starts_with("<https://confirm.example.org/c/acme/links."), "{:?}", mail.headers);
    assert!(mail.headers[0].1.ends_with(", <mailto:a@acme.example?subject=unsubscribe>"), "{:?}", mail.headers);
    assert_eq!(mail.headers[1], ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    assert_eq!(mail.ses_tenant.as_deref(), Some("acequia-test-acme"));
}

#[tokio::test]
async fn a_mail_speaks_the_readers_language_or_falls_back() {
    let world = world_of(&DOCUMENT.replace(r#""daily_cap":2,"#, ""));
    for (event, locale, subject) in
        [("1", "fr_CA", "Confirmez"), ("2", "de", "Confirm"), ("3", "no language", "Confirm")]
    {
        let data = format!(r#"{{"email":"{event}@example.org","locale":"{locale}"}}"#);
        let envelope = world.sign(event, &data).await;
        assert!(world.deliver("acequia-confirm-1", &envelope).await);
        assert_eq!(world.sent().last().unwrap().subject, subject, "{locale}");
    }
}

#[tokio::test]
async fn who_has_answered_is_asked_no_more_and_the_message_is_done_with() {
    let world = world();
    let envelope = world.sign("1", ANA).await;
    let action = ActionId::derive(&world.settings.summary.id, &build::event_id("1"));
    let origin = Origin { by: "link", key: None };
    world.commands().act(world.key("ana@example.org"), action, &SubjectAction::Reject, &origin).await.unwrap();
    for sink in ["acequia-confirm-1", "acequia-reminder-1"] {
        assert!(world.deliver(sink, &envelope).await);
    }
    assert!(world.sent().is_empty() && world.reasons().is_empty());
}

#[tokio::test]
async fn a_suppressed_address_gets_no_mail_of_any_sink() {
    let world = world();
    let envelope = world.sign("1", ANA).await;
    let suppression = Suppression { reason: SuppressionReason::Complaint, since: build::start() };
    let tenant = &world.settings.summary.id;
    world.mail_store.suppress(tenant, &SubjectId::derive(tenant, "ana@example.org"), &suppression).await.unwrap();
    for sink in ["acequia-confirm-1", "news"] {
        assert!(world.deliver(sink, &envelope).await);
    }
    assert!(world.sent().is_empty() && world.reasons().is_empty());
    let key = acequia_core::delivery::ledger::DeliveryKey {
        event: build::event_id("1"),
        sink: build::sink_id("news"),
        replay: None,
    };
    let record = world.ledger.record(tenant, &key).unwrap();
    let note = &record.attempts[0];
    assert_eq!((&*note.outcome, &*note.detail, record.receipt), ("filtered", "not wanted: its owner complained", None));
}

/// The tenant names its subjects by a number of its own, and not by the address.
fn numbered() -> String {
    DOCUMENT.replace(r#""subject":"{{ data.email }}""#, r#""subject":"{{ data.person }}""#)
}

#[tokio::test]
async fn who_wants_no_more_mails_gets_none_of_any_sink_whatever_the_tenant_calls_people() {
    let world = world_of(&numbered());
    let tenant = world.settings.summary.id.clone();
    let suppression = Suppression { reason: SuppressionReason::Unsubscribed, since: build::start() };
    // What the link in a mail ends is the mails of the subject.
    world.mail_store.suppress(&tenant, &SubjectId::derive(&tenant, "p-1"), &suppression).await.unwrap();
    let ana = world.sign("1", r#"{"email":"ana@example.org","person":"p-1"}"#).await;
    for sink in ["acequia-confirm-1", "news"] {
        assert!(world.deliver(sink, &ana).await);
    }
    assert!(world.sent().is_empty() && world.reasons().is_empty());
    // An event that names no subject, and another person's.
    let nobody = build::envelope("acme", "2", "t", ANA);
    let other = world.sign("3", r#"{"email":"ben@example.org","person":"p-2"}"#).await;
    assert!(world.deliver("news", &nobody).await && world.deliver("news", &other).await);
    assert_eq!(world.sent().len(), 2);
}

#[tokio::test]
async fn one_mailbox_is_asked_ten_times_a_day_over_all_lists_and_under_all_its_names() {
    let document = DOCUMENT
        .replace(r#""supporter_confirm":true"#, r#""list":"{{ data.list }}","supporter_confirm":true"#)
        .replace(r#""daily_cap":2,"#, "");
    let world = world_of(&document);
    let ask = async |event: String, address: &str| {
        let data = format!(r#"{{"email":"{address}","list":"list {event}"}}"#);
        let envelope = world.sign(&event, &data).await;
        assert!(world.deliver("acequia-confirm-1", &envelope).await);
        envelope
    };
    for number in 0..15 {
        ask(number.to_string(), &format!("victim+{number}@example.org")).await;
    }
    assert_eq!(world.sent().len(), 10);
    ask("other".to_owned(), "other@example.org").await;
    assert_eq!(world.sent().len(), 11, "nobody else is asked the less for it");
    let key = build::delivery_key("14", "acequia-confirm-1");
    let note = &world.ledger.record(&world.settings.summary.id, &key).unwrap().attempts[0];
    assert_eq!(&*note.outcome, "filtered");
    assert!(note.detail.contains("consent.asks_per_day"), "{}", note.detail);
    world.clock.advance(Duration::from_hours(24));
    ask("tomorrow".to_owned(), "victim@example.org").await;
    assert_eq!(world.sent().len(), 12);
}

#[tokio::test]
async fn an_ask_that_was_not_sent_does_not_count_and_neither_does_the_tenants_day() {
    let world = world_of(&DOCUMENT.replace(r#""valid_for":"2days""#, r#""asks_per_day":1"#));
    let envelope = world.sign("1", ANA).await;
    world.throttle(3);
    for receive_count in 1..=4 {
        let answer = world.handle(&[message("acequia-confirm-1", &envelope, receive_count)]).await;
        assert_eq!(answer.is_empty(), receive_count == 4);
        world.clock.advance(Duration::from_mins(30));
    }
    assert_eq!(world.sent().len(), 1);
    // Of the day's two mails the refused question of today takes none.
    let again = world.sign("2", r#"{"email":"ana@example.org","locale":"fr"}"#).await;
    assert!(world.deliver("acequia-duplicate-1", &again).await);
    assert_eq!(world.sent().len(), 1, "one question a day");
    assert!(world.deliver("news", &build::envelope("acme", "3", "t", ANA)).await);
    assert_eq!(world.sent().len(), 2);
}

#[tokio::test]
async fn thanks_count_as_asking_only_on_a_list_that_asks_nobody() {
    for (asks, sent) in [("true", 3), ("false", 1)] {
        let document = DOCUMENT
            .replace(r#""supporter_confirm":true"#, &format!(r#""supporter_confirm":{asks},"asks_per_day":1"#))
            .replace(r#""daily_cap":2,"#, "")
            .replace(r#""templates":{"#, r#""templates":{"thanks":{"en":{"subject":"Thanks","text":"thanks"}},"#);
        let world = world_of(&document);
        for event in ["1", "2", "3"] {
            let envelope = world.sign(event, ANA).await;
            assert!(world.deliver("acequia-thanks-1", &envelope).await);
        }
        assert_eq!(world.sent().len(), sent, "supporter_confirm = {asks}");
    }
}

#[tokio::test]
async fn with_a_look_up_down_mails_wait_and_none_is_lost() {
    let world = world();
    let envelope = world.sign("1", ANA).await;
    for faults in [&world.consents.reads, &world.secrets.reads, &world.mail_store.calls] {
        faults.go_down();
        assert!(!world.deliver("acequia-confirm-1", &envelope).await);
        faults.mend();
        world.clock.advance(Duration::from_mins(20));
    }
    assert!(world.deliver("acequia-confirm-1", &envelope).await);
    let key = acequia_core::delivery::ledger::DeliveryKey {
        event: build::event_id("1"),
        sink: build::sink_id("acequia-confirm-1"),
        replay: None,
    };
    let record = world.ledger.record(&world.settings.summary.id, &key).unwrap();
    assert_eq!((world.sent().len(), record.attempts_used), (1, 1), "and no attempt is spent");
}

#[tokio::test]
async fn beyond_the_days_cap_mails_wait_for_tomorrow_and_spend_no_attempt() {
    let world = world();
    let envelopes: Vec<Envelope> = ["1", "2", "3"].map(|id| build::envelope("acme", id, "t", ANA)).into();
    let messages: Vec<Incoming> = envelopes.iter().map(|envelope| message("news", envelope, 1)).collect();
    assert!(world.handle(&messages).await.is_empty());
    assert_eq!(world.sent().len(), 2);
    assert_eq!(world.delays.rows().len(), 1, "tomorrow is too far away for a queue");
    world.clock.advance(Duration::from_hours(25));
    let again: Vec<Incoming> = envelopes.iter().map(|envelope| message("news", envelope, 2)).collect();
    assert!(world.handle(&again).await.is_empty());
    assert_eq!(world.sent().len(), 3);
}

#[tokio::test]
async fn a_throttled_mail_waits_and_counts_for_no_cap() {
    let world = world();
    world.throttle(4);
    let envelope = build::envelope("acme", "1", "t", ANA);
    for receive_count in 1..=4 {
        assert!(!world.handle(&[message("news", &envelope, receive_count)]).await.is_empty());
        world.clock.advance(Duration::from_mins(30));
    }
    assert!(world.handle(&[message("news", &envelope, 5)]).await.is_empty());
    assert_eq!(world.sent().len(), 1);
}

/// One of Proca's messages with a sealed address, and the tenant's private key.
fn sealed() -> (Envelope, String) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use crypto_box::aead::Aead as _;
    use crypto_box::{SalsaBox, SecretKey};
    let (sender, owner) = (SecretKey::from([1; 32]), SecretKey::from([2; 32]));
    let personal = SalsaBox::new(&owner.public_key(), &sender).encrypt(&[3; 24].into(), ANA.as_bytes()).unwrap();
    let body = format!(
        r#"{{"schema":"proca:action:2","stage":"deliver","actionId":1,"orgId":2,"contact":{{"contactRef":"c-1"}},"personalInfo":{{"payload":"{}",
        "nonce":"{}","encryptKey":{{"id":1,"public":"{}"}},"signKey":{{"id":2,"public":"{}"}}}}}}"#,
        BASE64.encode(personal),
        BASE64.encode([3; 24]),
        BASE64.encode(owner.public_key().as_bytes()),
        BASE64.encode(sender.public_key().as_bytes()),
    );
    let envelope = Envelope::parse(&build::tenant_id("acme"), build::start(), body.as_bytes()).unwrap();
    (envelope, BASE64.encode([2; 32]))
}

#[tokio::test]
async fn a_sealed_address_quarantines_the_mail_unless_the_tenant_lent_us_its_key() {
    let (envelope, key) = sealed();
    let document = DOCUMENT.replace("{{ data.email }}", "{{ data.contact.email }}");
    let closed = world_of(&document);
    assert!(closed.deliver("news", &envelope).await);
    assert_eq!((closed.sent().len(), closed.reasons()), (0, vec!["address-encrypted".to_owned()]));

    let open = world_of(&document.replace(r#""ses_tenant":true"#, r#""personal_key":"proca""#));
    open.secrets.put(&build::tenant_id("acme"), SecretPurpose::Personal, &build::secret_name("proca"), key);
    assert!(open.deliver("news", &envelope).await);
    assert_eq!(open.sent()[0].to, "ana@example.org");
}

#[tokio::test]
async fn who_a_sealed_event_is_of_is_the_same_before_and_after_it_is_opened() {
    let (envelope, key) = sealed();
    let document = DOCUMENT
        .replace(
            r#""types":["action.*"],"subject":"{{ data.email }}""#,
            r#""types":["proca.action.*"],"subject":"{{ data.contact.email | default(data.contact.contactRef) }}""#,
        )
        .replace(r#""to":"{{ data.email }}""#, r#""to":"{{ data.contact.email }}""#)
        .replace(r#""ses_tenant":true"#, r#""personal_key":"proca""#);
    let world = world_of(&document);
    world.secrets.put(&build::tenant_id("acme"), SecretPurpose::Personal, &build::secret_name("proca"), key);
    let settings = world.settings.consent.as_ref().unwrap();
    let need = settings.need(&Context::new(&world.settings.summary, &envelope)).unwrap();
    assert_eq!(need.subject, "c-1");
    world.commands().submit(&need, &envelope).await.unwrap();
    assert!(world.deliver("acequia-confirm-1", &envelope).await);
    let sent = world.sent();
    assert_eq!((sent[0].to.as_str(), sent[0].about.unwrap().0), ("ana@example.org", world.key("c-1")));
}

/// One invocation in which three seconds pass as soon as it waits for something.
async fn handle_while_time_passes(world: &World, envelope: &Envelope) -> Vec<String> {
    let messages = [message("acequia-confirm-1", envelope, 1)];
    let passes = async { world.clock.advance(Duration::from_secs(3)) };
    futures::join!(world.handle(&messages), passes).0
}

#[tokio::test]
async fn a_look_up_that_hangs_delays_the_mail_and_spends_no_attempt() {
    let world = world();
    let envelope = world.sign("1", ANA).await;
    world.mail_store.calls.hang();
    assert_eq!(handle_while_time_passes(&world, &envelope).await.len(), 1);
    assert!(world.sent().is_empty());
    let record =
        world.ledger.record(&world.settings.summary.id, &build::delivery_key("1", "acequia-confirm-1")).unwrap();
    assert_eq!((record.attempts_used, record.attempts.len()), (0, 0));
}

#[tokio::test]
async fn what_ses_answered_counts_though_the_note_after_it_hangs() {
    let world = world();
    let envelope = world.sign("1", ANA).await;
    world.throttle(1);
    // After the look at the address, at the cap and at how often it was asked, the mail is given back.
    world.mail_store.calls.hang_from(4);
    assert_eq!(handle_while_time_passes(&world, &envelope).await.len(), 1);
    let record =
        world.ledger.record(&world.settings.summary.id, &build::delivery_key("1", "acequia-confirm-1")).unwrap();
    assert_eq!((record.attempts_used, record.attempts.len()), (0, 0), "a throttle is no attempt, and no unknown fate");
}

#[tokio::test]
async fn a_mail_that_asks_goes_out_only_from_a_sender_that_the_tenants_stack_allows() {
    let world = world();
    world.grants.put(&build::tenant_id("acme"), "bona.example", "");
    let envelope = world.sign("1", ANA).await;
    assert!(world.deliver("acequia-confirm-1", &envelope).await);
    assert!(world.sent().is_empty());
    assert_eq!(world.reasons(), ["not-granted"]);
}
