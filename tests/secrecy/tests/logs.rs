//! All functions over the in-memory ports and a receiver on loopback, with events full of recognisable words that go
//! well, badly and wrong; then every line that they wrote is searched for those words.
#![expect(clippy::unwrap_used, reason = "a test program")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::egress::{Authorities, Egress};
use acequia_core::message::{Incoming, Outgoing};
use acequia_core::port::{Clock as _, DatabaseTokens, Mail, MailError, Mailer, Queues as _, Unavailable};
use acequia_core::queue::QueueRole;
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_core::table::{Authentication, Database, DatabaseAddress};
use acequia_core::tenant::BusArn;
use acequia_core::time::after;
use acequia_lambda::{
    BatchLoop, Breakers, CachedTenants, Deadline, Environment, RateLimiter, Reporting, Sink, SinkLoop, SystemClock,
    Telemetry, Widths, subscriber,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryAlerts, InMemoryArchive, InMemoryConsents, InMemoryDelays, InMemoryEndpoints,
    InMemoryGrants, InMemoryLedger, InMemoryLines, InMemoryMailStore, InMemoryQueues, InMemoryRates, InMemorySecrets,
    InMemoryTables, InMemoryTenants, SeededChance, build,
};
use archive::ArchiveSink;
use email::EmailSink;
use eventbridge::EventbridgeSink;
use eventbridge::bus::{Buses, Entry, PutError};
use forward::ForwardSink;
use receiver::{Endpoint, Endpoints, Mode};
use router::Router;
use table::TableSink;
use webhook::WebhookSink;

const ADDRESS: &str = "xanthippe@very-private.example";
const SENDER: &str = "campaign-team@sender-address.example";
const PAYLOAD: [&str; 3] = ["Xanthippe", "Rue-des-Secrets", "payloadword"];
const SUBJECT: &str = "subject-of-a-person";
const EVENT_ID: &str = "event-id-of-a-person";
const HEADER: &str = "Bearer header-value-t0ken";
const URL_WORD: &str = "capability-in-the-path";

/// Writes what is logged into a buffer.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Takes every second mail; SES's own words for a refusal are never passed on, only its code.
#[derive(Default)]
struct MoodyMailer(Mutex<u32>);

impl Mailer for MoodyMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        assert!(mail.to.contains(ADDRESS) && mail.text.contains(PAYLOAD[0]), "the mail is as it should be");
        let mut count = self.0.lock().unwrap();
        *count += 1;
        match *count % 4 {
            1 => Ok("ses-id".to_owned()),
            2 => Err(MailError::Refused("MessageRejected".to_owned())),
            3 => Err(MailError::Throttled("TooManyRequestsException".to_owned())),
            _ => Err(MailError::NoAnswer),
        }
    }
}

const DATABASE: &str = "postgresql://acequia@db.example:5432/crm";
const BUS: &str = "arn:aws:events:us-east-1:123456789012:event-bus/partners";

/// Buses of all moods.
#[derive(Debug, Default)]
struct MoodyBuses(Mutex<u32>);

/// No user of a database is IAM's here.
struct NoTokens;

impl DatabaseTokens for NoTokens {
    async fn token(&self, _: &DatabaseAddress) -> Result<Secret, Unavailable> {
        Err(Unavailable::new("make a token", "nobody asks for one"))
    }
}

impl Buses for MoodyBuses {
    async fn put(&self, _bus: &BusArn, entries: &[Entry<'_>]) -> Vec<Result<String, PutError>> {
        let mut count = self.0.lock().unwrap();
        let mut answer = |entry: &Entry<'_>| {
            *count += 1;
            tracing::debug!(entry = ?entry, "an entry is put");
            match *count % 3 {
                1 => Ok("event-id".to_owned()),
                2 => Err(PutError::Refused("MalformedDetail: Detail is malformed.".to_owned())),
                _ => Err(PutError::Later("ThrottlingException: Rate exceeded".to_owned())),
            }
        };
        entries.iter().map(&mut answer).collect()
    }
}

/// What all functions share.
struct World {
    clock: FixedClock,
    tenants: InMemoryTenants,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    lines: InMemoryLines,
}

impl World {
    /// What lies in a queue, as if it had been received.
    fn received(&self, role: QueueRole) -> Vec<Incoming> {
        let messages = self.queues.messages(&build::queue("acme", role)).into_iter();
        messages.map(|message| Incoming { receipt_handle: message.message_id.clone(), ..message }).collect()
    }

    fn telemetry(&self) -> Telemetry {
        Telemetry::new(Reporting::default().sampling(1.0), self.lines.clone())
    }

    fn tenants(&self) -> CachedTenants<InMemoryTenants> {
        CachedTenants::new(self.tenants.clone(), Arc::new(self.clock.clone()))
    }

    fn deadline(&self) -> Deadline {
        Deadline::at(after(self.clock.now(), Duration::from_mins(1)))
    }

    /// Runs a sink's function on what is in its queue: at once, and again with the ledger down.
    async fn work_off<S: Sink>(&self, sink: S) {
        let sink_loop = SinkLoop::<InMemory, _> {
            common: BatchLoop {
                tenants: self.tenants(),
                ledger: self.ledger.clone(),
                queues: self.queues.clone(),
                delays: InMemoryDelays::new(),
                clock: Arc::new(self.clock.clone()),
                chance: Arc::new(SeededChance::new(1)),
                telemetry: self.telemetry(),
            },
            widths: Widths::default(),
            rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(self.clock.clone())),
            breakers: Some(Breakers::new(
                InMemoryEndpoints::new(),
                InMemoryAlerts::new(),
                Arc::new(self.clock.clone()),
                Arc::new(SeededChance::new(2)),
            )),
            sink,
        };
        let mut messages = self.received(QueueRole::Sink(S::KIND));
        assert!(!messages.is_empty(), "{} has something to do", S::KIND);
        messages.push(build::incoming(&build::queue("acme", QueueRole::Sink(S::KIND)), "stray", PAYLOAD.join(" ")));
        for (receive_count, down) in [(1, false), (2, true), (3, false)] {
            if down {
                self.ledger.writes.go_down();
            } else {
                self.ledger.writes.mend();
            }
            self.clock.advance(Duration::from_mins(2));
            let batch: Vec<Incoming> = messages.iter().map(|m| Incoming { receive_count, ..m.clone() }).collect();
            let deadline = self.deadline();
            sink_loop.handle(serde_json::from_value(lambda_event(&batch)).unwrap(), deadline).await.unwrap();
        }
    }

    async fn route(&self) {
        let router = Router::<InMemory> {
            common: BatchLoop {
                tenants: self.tenants(),
                ledger: self.ledger.clone(),
                queues: self.queues.clone(),
                delays: InMemoryDelays::new(),
                clock: Arc::new(self.clock.clone()),
                chance: Arc::new(SeededChance::new(1)),
                telemetry: self.telemetry(),
            },
            consents: InMemoryConsents::new(),
        };
        let intake = build::queue("acme", QueueRole::Intake);
        let data = format!(
            r#"{{"email":"{ADDRESS}","first_name":"{}","street":"{}","note":"{}"}}"#,
            PAYLOAD[0], PAYLOAD[1], PAYLOAD[2]
        );
        let event = |id: &str, kind: &str, data: &str| {
            build::body(id, kind, data).replacen('{', &format!(r#"{{"subject":"{SUBJECT}","#), 1)
        };
        let bad = [
            format!("{ADDRESS} is not JSON"),
            event("b", "action.signed", &data).replace("\"1.0\"", &format!("\"{ADDRESS}\"")),
            event("b", "action.signed", &data).replace("\"data\"", "\"acequiatenant\":\"payloadword\",\"data\""),
            event("b", "action.signed", &data).replace("/tests", &format!("not a source {ADDRESS}")),
            event("b", "action.signed", "{").clone(),
            format!("{}{}", "[".repeat(500), PAYLOAD[2]),
        ];
        let mut bodies: Vec<String> =
            (0..8).map(|number| event(&format!("{EVENT_ID}-{number}"), "action.signed", &data)).collect();
        bodies.push(event(&format!("{EVENT_ID}-odd"), ADDRESS, &data));
        bodies.push(event(&format!("{EVENT_ID}-hole"), "mail.hole", &data));
        bodies.extend(bad);
        let messages: Vec<Outgoing> =
            bodies.iter().map(|body| Outgoing { body: body.clone(), ..Outgoing::default() }).collect();
        self.queues.send(&intake, &messages).await;
        let messages = self.received(QueueRole::Intake);
        router.handle(serde_json::from_value(lambda_event(&messages)).unwrap(), self.deadline()).await.unwrap();
        self.tenants.reads.go_down();
        self.clock.advance(Duration::from_mins(1));
        router.handle(serde_json::from_value(lambda_event(&messages)).unwrap(), self.deadline()).await.unwrap();
        self.tenants.reads.mend();
    }
}

fn document(url: &str) -> String {
    serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": [
        {"id": "thanks", "kind": "email", "types": ["*"], "from": format!("Acme <{SENDER}>"), "to": "{{ data.email }}",
         "subject": "Thank you, {{ data.first_name }}", "text": "Dear {{ data.first_name }} of {{ data.street }}"},
        {"id": "holed", "kind": "email", "types": ["mail.hole"], "from": format!("Acme <{SENDER}>"),
         "to": "{{ data.email }}", "subject": "{{ data.first_name }}", "text": "{{ data.payloadword_missing }}"},
        {"id": "crm", "kind": "webhook", "types": ["*"], "url": format!("{url}/crm?key={URL_WORD}"), "secrets": ["crm"],
         "headers": {"authorization": {"secret": "crm-auth"}}, "timeout": "1s"},
        {"id": "dead", "kind": "webhook", "types": ["*"], "url": format!("http://127.0.0.1:1/{URL_WORD}"),
         "secrets": ["crm"], "timeout": "1s"},
        {"id": "keyless", "kind": "webhook", "types": ["*"], "url": format!("{url}/crm"), "secrets": ["missing"]},
        {"id": "analytics", "kind": "forward", "types": ["*"], "queue": "out"},
        {"id": "partners", "kind": "eventbridge", "types": ["*"], "bus": BUS},
        {"id": "kept", "kind": "archive", "types": ["*"]},
        {"id": "rows", "kind": "table", "types": ["*"], "database": DATABASE, "password": "db", "table": "people",
            "columns": {"id": "id", "email": "data.email"}}]})
    .to_string()
}

/// Runs everything; answers the logs, the metrics, and the words that must not be in them.
async fn run(log_level: &str) -> (String, Vec<String>, Vec<String>) {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let environment = Environment::of(&[("AWS_LAMBDA_LOG_LEVEL", log_level)]);
    let _guard = tracing::subscriber::set_default(subscriber(&environment, move || writer.clone()));

    let secret = receiver::new_secret();
    let endpoints = Arc::new(Endpoints::default());
    endpoints.lock().insert("crm".to_owned(), Endpoint::new(vec![secret.clone()], true).unwrap());
    let listener = receiver::bind(0).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(receiver::serve(listener, Arc::clone(&endpoints)));

    let tenant = build::tenant_id("acme");
    let clock = FixedClock::at(SystemClock.now());
    let world = World {
        tenants: InMemoryTenants::new().with(&tenant, document(&url)),
        ledger: InMemoryLedger::new(),
        queues: InMemoryQueues::new(clock.clone()),
        lines: InMemoryLines::new(),
        clock,
    };
    let webhook = || WebhookSink {
        secrets: InMemorySecrets::new()
            .with(&tenant, SecretPurpose::Webhook, &build::secret_name("crm"), secret.clone())
            .with(&tenant, SecretPurpose::Header, &build::secret_name("crm-auth"), HEADER),
        caller: webhook::caller::Caller::new(Egress::Local, Authorities::Built, Arc::new(SystemClock)).unwrap(),
        egress: Egress::Local,
        clock: Arc::new(world.clock.clone()),
    };
    world.route().await;
    for mode in ["204", "503", "400", "410"] {
        endpoints.lock().get_mut("crm").unwrap().switch(mode.parse::<Mode>().unwrap());
        world.work_off(webhook()).await;
    }
    let grants = InMemoryGrants::new().with(&tenant, "sender-address.example", BUS);
    let email = EmailSink {
        mailer: MoodyMailer::default(),
        secrets: InMemorySecrets::new(),
        grants: grants.clone(),
        mail_store: InMemoryMailStore::new(),
        consents: InMemoryConsents::new(),
        clock: Arc::new(world.clock.clone()),
        link_base: "https://confirm.example.org".to_owned(),
    };
    world.work_off(email).await;
    let clock = || Arc::new(world.clock.clone());
    world.work_off(ForwardSink { queues: world.queues.clone(), grants: grants.clone(), clock: clock() }).await;
    world.work_off(EventbridgeSink { buses: MoodyBuses::default(), grants, clock: clock() }).await;
    let (tables, address) = (InMemoryTables::new(), DATABASE.parse().unwrap());
    let authentication = Authentication::Password(build::secret_name("db"));
    let database = Database { address, authentication, authorities: None };
    let rows = || TableSink {
        tables: tables.clone(),
        secrets: InMemorySecrets::new().with(&tenant, SecretPurpose::Database, &build::secret_name("db"), HEADER),
        grants: InMemoryGrants::new().with(&tenant, "", DATABASE),
        tokens: NoTokens,
        clock: clock(),
    };
    tables.calls.go_down();
    world.work_off(rows()).await;
    tables.calls.mend();
    world.work_off(rows()).await;
    // An address is no number: the row is refused.
    tables.create(&database, "public.people", &[("id", "text"), ("email", "integer")], &["id"]);
    world.work_off(rows()).await;
    let archive = InMemoryArchive::new();
    archive.writes.go_down();
    world.work_off(ArchiveSink { archive: archive.clone(), clock: clock() }).await;
    archive.writes.mend();
    world.work_off(ArchiveSink { archive, clock: clock() }).await;

    let words = PAYLOAD.into_iter().chain([ADDRESS, SENDER, SUBJECT, EVENT_ID, HEADER, URL_WORD]);
    let words =
        words.chain(["very-private", "t0ken", secret.trim_start_matches("whsec_")]).map(str::to_owned).collect();
    (buffer.text(), world.lines.written(), words)
}

#[tokio::test]
async fn logs_and_metrics_hold_no_address_secret_header_or_payload_of_a_busy_run() {
    for level in ["TRACE", "INFO"] {
        let (logs, lines, words) = run(level).await;
        // The run has told of everything that it should have: success, failure, quarantine, and what could not be
        // recorded.
        for told in [
            "\"sampled\"",
            "not delivered",
            "not routed",
            "http-status",
            "endpoint-gone",
            "secret-unusable",
            "template-variable",
            "not-json",
            "foreign-tenant",
            "rejected",
            "MalformedDetail",
            "connection failed",
            "after the effect",
            "the store of tenants does not answer",
            "(no name)",
            "action.signed",
        ] {
            assert!(logs.contains(told), "{level}: {told} is told\n{logs}");
        }
        assert!(lines.len() >= 15, "{lines:?}");
        for word in words {
            for line in logs.lines().chain(lines.iter().map(String::as_str)) {
                assert!(!line.to_lowercase().contains(&word.to_lowercase()), "{level}: {word} is in {line}");
            }
        }
    }
}

#[tokio::test]
async fn every_line_is_one_json_object_with_the_fields_that_lambda_reads() {
    let (logs, lines, _) = run("INFO").await;
    for line in logs.lines().chain(lines.iter().map(String::as_str)) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}
