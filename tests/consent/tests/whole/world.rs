//! One tenant, its queues, and all functions that have to do with consent, wired as their `main.rs` wires them to AWS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::consent::{ConsentKey, ListId, SubjectId};
use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::port::{Clock as _, Mail, Queues as _};
use acequia_core::queue::QueueRole;
use acequia_core::secret::SecretPurpose;
use acequia_core::time::after;
use acequia_core::wire::REASON;
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, RateLimiter, Sink, SinkLoop, Telemetry, Widths};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryConsents, InMemoryDelays, InMemoryGrants, InMemoryLedger, InMemoryMailStore,
    InMemoryMailer, InMemoryQueues, InMemoryRates, InMemorySecrets, InMemoryTenants, SeededChance, build,
};
use confirm::{Confirm, Request, Response};
use email::EmailSink;
use feedback::Feedback;
use forward::ForwardSink;
use outbox::{Batch, Outbox};
use router::Router;
use serde_json::Value as Json;

const KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const BASE: &str = "https://confirm.example.org";
const DOCUMENT: &str = r#"{"tenant":"acme","name":"Acme",
    "consent":{"types":["action.*"],"subject":"{{ data.email }}","supporter_confirm":true,"keys":["links"],
        "reminders":{"after":"2days","most":3}},
    "mail":{"from":"a@acme.example","to":"{{ data.email }}","default_locale":"en","daily_cap":100000},
    "templates":{"confirm":{"en":{"subject":"Confirm","text":"{{ links.accept }} {{ links.reject }}"}},
        "thanks":{"en":{"subject":"Thanks","text":"{{ links.accept }} {{ links.reject }}"}}},
    "sinks":[{"id":"out","kind":"forward","types":["*","acequia.*"],"queue":"out"}]}"#;

/// A mail as it arrived: whose, from which sink, and its links.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) to: String,
    pub(crate) sink: String,
    pub(crate) accept: String,
    pub(crate) reject: String,
    tags: serde_json::Map<String, Json>,
}

impl From<Mail> for Arrived {
    fn from(mail: Mail) -> Self {
        let mut links = mail.text.split_whitespace().map(str::to_owned);
        let (accept, reject) = (links.next().unwrap(), links.next().unwrap());
        let tags: serde_json::Map<String, Json> =
            mail.tags().into_iter().map(|(name, value)| (name.to_owned(), serde_json::json!([value]))).collect();
        Self { to: mail.to, sink: mail.key.sink.to_string(), accept, reject, tags }
    }
}

type Loop<S> = SinkLoop<InMemory, S>;

pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) tenants: InMemoryTenants,
    pub(crate) consents: InMemoryConsents,
    pub(crate) mail_store: InMemoryMailStore,
    pub(crate) secrets: InMemorySecrets,
    pub(crate) ledger: InMemoryLedger,
    pub(crate) queues: InMemoryQueues,
    mailer: InMemoryMailer,
    router: Router<InMemory>,
    outbox: Outbox<InMemoryTenants, InMemoryLedger, InMemoryQueues, InMemoryConsents, InMemorySecrets>,
    email: Loop<EmailSink<InMemoryMailer, InMemorySecrets, InMemoryGrants, InMemoryMailStore, InMemoryConsents>>,
    forward: Loop<ForwardSink<InMemoryQueues, InMemoryGrants>>,
    confirm: Confirm<InMemoryTenants, InMemoryConsents, InMemoryMailStore, InMemorySecrets>,
    feedback: Feedback<InMemoryTenants, InMemoryConsents, InMemoryMailStore, InMemoryLedger>,
    /// How much of the stream the outbox has been through.
    read: Mutex<usize>,
}

impl World {
    pub(crate) fn new() -> Self {
        let tenant = build::tenant_id("acme");
        let clock = FixedClock::default();
        let tenants = InMemoryTenants::new().with(&tenant, DOCUMENT);
        let secrets = InMemorySecrets::new().with(&tenant, SecretPurpose::Link, &build::secret_name("links"), KEY);
        let (consents, mail_store) = (InMemoryConsents::new(), InMemoryMailStore::new());
        let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
        let mailer = InMemoryMailer::new();
        let time = || Arc::new(clock.clone());
        let cached = || CachedTenants::new(tenants.clone(), time());
        let router = Router {
            common: BatchLoop {
                tenants: cached(),
                ledger: ledger.clone(),
                queues: queues.clone(),
                delays: InMemoryDelays::new(),
                clock: time(),
                chance: Arc::new(SeededChance::new(1)),
                telemetry: Telemetry::silent(),
            },
            consents: consents.clone(),
        };
        let outbox = Outbox {
            tenants: cached(),
            ledger: ledger.clone(),
            queues: queues.clone(),
            consents: consents.clone(),
            secrets: secrets.clone(),
            clock: time(),
            stage: build::stage(),
            queue_arns: "arn:aws:sqs:us-east-1:000000000000:".to_owned(),
            link_base: BASE.to_owned(),
            telemetry: Telemetry::silent(),
        };
        let email = EmailSink {
            mailer: mailer.clone(),
            secrets: secrets.clone(),
            grants: InMemoryGrants::new().with(&tenant, "acme.example", ""),
            mail_store: mail_store.clone(),
            consents: consents.clone(),
            clock: time(),
            link_base: BASE.to_owned(),
        };
        let forward = ForwardSink { queues: queues.clone(), grants: InMemoryGrants::new(), clock: time() };
        let confirm = Confirm {
            tenants: cached(),
            consents: consents.clone(),
            mail_store: mail_store.clone(),
            secrets: secrets.clone(),
            clock: time(),
            stage: build::stage(),
            telemetry: Telemetry::silent(),
        };
        let feedback = Feedback {
            tenants: cached(),
            consents: consents.clone(),
            mail_store: mail_store.clone(),
            ledger: ledger.clone(),
            clock: time(),
            configuration_set: "acequia-test".to_owned(),
            stage: build::stage(),
            telemetry: Telemetry::silent(),
        };
        let email = sink_loop(&tenants, &ledger, &queues, &clock, email);
        let forward = sink_loop(&tenants, &ledger, &queues, &clock, forward);
        let read = Mutex::default();
        Self {
            clock,
            tenants,
            consents,
            mail_store,
            secrets,
            ledger,
            queues,
            mailer,
            router,
            outbox,
            email,
            forward,
            confirm,
            feedback,
            read,
        }
    }

    /// A producer sends events, each with its id and address, until the queue has taken them.
    pub(crate) async fn sign(&self, events: &[(String, String)]) {
        let intake = build::queue("acme", QueueRole::Intake);
        for (id, address) in events {
            let body = build::body(id, "action.signed", &format!(r#"{{"email":"{address}"}}"#));
            let message = Outgoing { body, ..Outgoing::default() };
            while self.queues.send(&intake, std::slice::from_ref(&message)).await.remove(0).is_err() {}
        }
    }

    /// Lets all functions work until nothing is left to do; what waits is let wait, and what the stream gives up on is
    /// swept.
    pub(crate) async fn settle(&self) {
        for _ in 0..500 {
            let mut busy = self.relay().await;
            for role in [QueueRole::Intake, QueueRole::Sink(SinkKind::Email), QueueRole::Sink(SinkKind::Forward)] {
                busy |= self.work(role).await;
            }
            if busy {
                continue;
            }
            let queues = [QueueRole::Intake, QueueRole::Sink(SinkKind::Email), QueueRole::Sink(SinkKind::Forward)];
            let next =
                queues.into_iter().filter_map(|role| self.queues.next_visible(&build::queue("acme", role))).min();
            match next {
                Some(next) => self.clock.set(next.max(self.clock.now())),
                None if !self.consents.outbox().is_empty() => {
                    self.clock.advance(Duration::from_mins(3));
                    let _ = self.outbox.sweep(self.deadline()).await;
                }
                None => return,
            }
        }
        unreachable!("there is work without an end");
    }

    /// Hands a queue's messages to its function; false where there is none.
    async fn work(&self, role: QueueRole) -> bool {
        let queue = build::queue("acme", role);
        let messages = self.queues.receive(&queue, 10, Duration::from_mins(7));
        if messages.is_empty() {
            return false;
        }
        let event = serde_json::from_value(lambda_event(&messages)).unwrap();
        let deadline = self.deadline();
        let response = match role {
            QueueRole::Sink(SinkKind::Email) => self.email.handle(event, deadline).await,
            QueueRole::Sink(_) => self.forward.handle(event, deadline).await,
            QueueRole::Intake | QueueRole::Out => self.router.handle(event, deadline).await,
        };
        let failed: Vec<String> =
            response.unwrap().batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        for message in messages.iter().filter(|message| !failed.contains(&message.message_id)) {
            self.queues.delete(&queue, &message.receipt_handle);
        }
        true
    }

    /// Hands the stream's next rows to the outbox, once: what fails is left to the sweep, as after the last retry.
    async fn relay(&self) -> bool {
        let stream = self.consents.stream();
        let start = std::mem::replace(&mut *self.read.lock().unwrap(), stream.len());
        let records: Vec<Json> = stream
            .iter()
            .enumerate()
            .skip(start)
            .map(|(number, (tenant, row))| {
                let image = serde_json::json!({"pk": {"S": format!("{tenant}#{}", row.key.subject)},
                    "sk": {"S": format!("outbox#{}#{}", row.key.list, row.id)}, "doc": {"S": serde_json::to_string(row).unwrap()}});
                serde_json::json!({"dynamodb": {"SequenceNumber": number.to_string(), "NewImage": image}})
            })
            .collect();
        let busy = !records.is_empty();
        let batch: Batch = serde_json::from_value(serde_json::json!({ "Records": records })).unwrap();
        self.outbox.handle(batch, self.deadline()).await.unwrap();
        busy
    }

    /// When an invocation ends that begins now.
    fn deadline(&self) -> Deadline {
        Deadline::at(after(self.clock.now(), Duration::from_mins(1)))
    }

    /// One run of the schedule; answers how many reminders it sent. A run that cannot begin is followed by the next.
    pub(crate) async fn sweep(&self) -> usize {
        loop {
            if let Ok(swept) = self.outbox.sweep(self.deadline()).await {
                return swept.reminded;
            }
        }
    }

    pub(crate) async fn request(&self, method: &str, link: &str, body: &str) -> Response {
        let path = link.strip_prefix(BASE).unwrap();
        let event = serde_json::json!({"rawPath": path, "requestContext": {"stage": "$default", "http": {"method": method}},
            "headers": {}, "body": body});
        self.confirm.answer(&Request::read(event).unwrap()).await
    }

    /// Presses a link's button, and again while the page says to try again.
    pub(crate) async fn press(&self, link: &str) {
        while self.request("POST", link, "do=act").await.status_code == 503 {}
    }

    /// SES tells that a mail's address does not exist; false where it is to tell again.
    pub(crate) async fn bounce(&self, mail: &Arrived) -> bool {
        let mut tags = mail.tags.clone();
        tags.insert("ses:configuration-set".to_owned(), serde_json::json!(["acequia-test"]));
        let notice = serde_json::json!({
            "eventType": "Bounce",
            "mail": {"tags": tags},
            "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": mail.to}]}
        });
        let queue = "arn:aws:sqs:us-east-1:000000000000:acequia-test-feedback".parse().unwrap();
        let event = serde_json::from_value(lambda_event(&[build::incoming(&queue, "m1", notice.to_string())])).unwrap();
        self.feedback.handle(event).await.unwrap().batch_item_failures.is_empty()
    }

    /// The mails that arrived, in order.
    pub(crate) fn mails(&self) -> Vec<Arrived> {
        self.mailer.sent().into_iter().map(Arrived::from).collect()
    }

    pub(crate) fn mail_to(&self, address: &str, sink: &str) -> Option<Arrived> {
        self.mails().into_iter().find(|mail| mail.to == address && mail.sink == sink)
    }

    /// The events in the tenant's own queue.
    pub(crate) fn out(&self) -> Vec<Json> {
        let messages = self.queues.messages(&build::queue("acme", QueueRole::Out));
        messages.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
    }

    /// Where a subject stands, in words.
    pub(crate) fn state(&self, address: &str) -> String {
        let tenant = build::tenant_id("acme");
        let key = ConsentKey { subject: SubjectId::derive(&tenant, address), list: ListId::derive(&tenant, "all") };
        let consent = self.consents.consent(&tenant, &key).unwrap();
        format!("{} {}", consent.state.as_str(), consent.email.as_str())
    }

    /// Why anything was quarantined.
    pub(crate) fn dead_letters(&self) -> Vec<String> {
        QueueRole::ALL
            .into_iter()
            .flat_map(|role| self.queues.messages(&build::dead_letter_queue("acme", role)))
            .filter_map(|message| Some(message.attributes.get(REASON)?.as_text()?.to_owned()))
            .collect()
    }
}

fn sink_loop<S: Sink>(
    tenants: &InMemoryTenants,
    ledger: &InMemoryLedger,
    queues: &InMemoryQueues,
    clock: &FixedClock,
    sink: S,
) -> Loop<S> {
    SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(2)),
            telemetry: Telemetry::silent(),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink,
    }
}
