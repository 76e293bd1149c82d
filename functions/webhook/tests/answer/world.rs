//! A listener that answers as a test wants, and the function configured for it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::delivery::ledger::DeliveryRecord;
use acequia_core::egress::{Authorities, Egress};
use acequia_core::event::envelope::Envelope;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::port::Clock;
use acequia_core::queue::QueueRole;
use acequia_core::secret::SecretPurpose;
use acequia_core::time::after;
use acequia_core::wire::{DETAIL, REASON};
use acequia_lambda::{
    BatchLoop, Breakers, CachedTenants, Deadline, RateLimiter, Reporting, SinkLoop, Telemetry, Widths,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryAlerts, InMemoryDelays, InMemoryEndpoints, InMemoryLedger, InMemoryLines,
    InMemoryQueues, InMemoryRates, InMemorySecrets, InMemoryTenants, SeededChance, build,
};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use webhook::WebhookSink;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Webhook);

/// What a listener does with a connection, once it has read a request.
#[derive(Debug, Clone)]
pub(crate) enum Manners {
    /// It writes this and goes on.
    Writes(String),
    /// It closes the connection.
    Closes,
    /// It resets the connection.
    Resets,
    /// It says nothing.
    Silent,
}

impl Manners {
    /// An answer of this status, with other headers beside it, each with its line's end.
    pub(crate) fn answers(code: u16, headers: &str) -> Self {
        Self::Writes(format!("HTTP/1.1 {code} Reason\r\n{headers}content-length: 0\r\n\r\n"))
    }
}

/// A listener.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    manners: Arc<Mutex<Manners>>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            manners: Arc::new(Mutex::new(manners)),
            requests: Arc::default(),
        };
        let own = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().connection(stream));
            }
        });
        server
    }

    async fn connection(self, mut stream: TcpStream) {
        while read_request(&mut stream).await.is_some() {
            self.requests.fetch_add(1, Ordering::SeqCst);
            let manners = self.manners.lock().unwrap().clone();
            match manners {
                Manners::Writes(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                Manners::Closes => return,
                Manners::Resets => return stream.set_zero_linger().unwrap(),
                Manners::Silent => {}
            }
        }
    }

    pub(crate) fn switch(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }

    /// How many requests it has read.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?token=t0ken", self.address)
    }
}

/// Reads a request with all of its body; nothing where the other end has gone.
async fn read_request(stream: &mut TcpStream) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0_u8; 1]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await.ok().map(|_| ())
}

/// The function with one tenant and one sink.
pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) queues: InMemoryQueues,
    pub(crate) ledger: InMemoryLedger,
    pub(crate) alerts: InMemoryAlerts,
    pub(crate) delays: InMemoryDelays,
    pub(crate) states: InMemoryEndpoints,
    lines: InMemoryLines,
    time: Arc<dyn Clock>,
    sink_loop: SinkLoop<InMemory, WebhookSink<InMemorySecrets>>,
}

/// The function that delivers to `url`, with other fields of its sink; its clock stands.
pub(crate) fn world(url: &str, extra: &str) -> World {
    let clock = FixedClock::at(build::start());
    world_at(url, extra, clock.clone(), Arc::new(clock))
}

/// The same by another clock.
pub(crate) fn world_at(url: &str, extra: &str, clock: FixedClock, time: Arc<dyn Clock>) -> World {
    let tenant = build::tenant_id("acme");
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"crm","kind":"webhook","types":["*"],"url":"{url}",
        "secrets":["crm"]{extra}}}]}}"#
    );
    let secret = format!("whsec_{}", "A".repeat(40));
    let secrets = InMemorySecrets::new().with(&tenant, SecretPurpose::Webhook, &build::secret_name("crm"), secret);
    let (states, alerts) = (InMemoryEndpoints::new(), InMemoryAlerts::new());
    let breakers = Breakers::new(states.clone(), alerts.clone(), Arc::clone(&time), Arc::new(SeededChance::new(2)));
    let sink = WebhookSink::new(secrets, Egress::Local, Authorities::Built, Arc::clone(&time)).unwrap();
    let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let (delays, lines) = (InMemoryDelays::new(), InMemoryLines::new());
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(InMemoryTenants::new().with(&tenant, document), Arc::clone(&time)),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: delays.clone(),
            clock: Arc::clone(&time),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::clone(&time)),
        breakers: Some(breakers),
        sink,
    };
    World { clock, queues, ledger, alerts, delays, states, lines, time, sink_loop }
}

impl World {
    /// Delivers events that are accepted now; answers the ids of the messages that come back.
    pub(crate) async fn deliver(&self, events: &[String], receive_count: u32) -> Vec<String> {
        self.deliver_accepted_at(events, receive_count, self.time.now()).await
    }

    /// The same of events that were accepted at a time.
    pub(crate) async fn deliver_accepted_at(
        &self,
        events: &[String],
        receive_count: u32,
        at: Timestamp,
    ) -> Vec<String> {
        let now = self.time.now();
        let message = |id: &String| {
            let body = build::body(id, "action.signed", "{}");
            let envelope = Envelope::parse(&build::tenant_id("acme"), at, body.as_bytes()).unwrap();
            let incoming = build::incoming_delivery(&build::queue("acme", QUEUE), id, "crm", &envelope);
            Incoming { receive_count, ..incoming }
        };
        let messages: Vec<_> = events.iter().map(message).collect();
        let deadline = Deadline::at(after(now, Duration::from_mins(1)));
        let event = serde_json::from_value(lambda_event(&messages)).unwrap();
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// Delivers one event for the first time.
    pub(crate) async fn deliver_one(&self, event: &str) -> Vec<String> {
        self.deliver(&[event.to_owned()], 1).await
    }

    pub(crate) fn record(&self, event: &str) -> DeliveryRecord {
        self.ledger.record(&build::tenant_id("acme"), &build::delivery_key(event, "crm")).unwrap()
    }

    /// What the record says of the last attempt.
    pub(crate) fn detail(&self, event: &str) -> String {
        self.record(event).attempts.last().unwrap().detail.clone()
    }

    /// The reasons and texts of the dead letters.
    pub(crate) fn dead_letters(&self) -> Vec<(String, String)> {
        let text = |message: &Incoming, name: &str| message.attributes[name].as_text().unwrap().to_owned();
        let dead = self.queues.messages(&build::dead_letter_queue("acme", QUEUE));
        dead.iter().map(|message| (text(message, REASON), text(message, DETAIL))).collect()
    }

    /// What the lines of metrics say failed, and how often.
    pub(crate) fn failed(&self) -> Vec<(String, u64)> {
        let lines = self.lines.written();
        let lines = lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let failed = lines.flat_map(|line| {
            let object = line.as_object().unwrap().clone();
            object
                .into_iter()
                .filter_map(|(name, count)| Some((name.strip_prefix("failed.")?.to_owned(), count.as_u64()?)))
        });
        failed.collect()
    }
}

/// The ids of so many events.
pub(crate) fn events(from: u32, count: u32) -> Vec<String> {
    (from..from + count).map(|number| number.to_string()).collect()
}
