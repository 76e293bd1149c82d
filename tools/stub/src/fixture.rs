//! The tenant, the events and the messages that everything is measured with.

use std::sync::{Arc, Mutex, OnceLock};

use acequia_core::delivery::Delivery;
use acequia_core::delivery::route::Routed;
use acequia_core::event::envelope::Envelope;
use acequia_core::id::{Stage, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::message::{Attribute, Outgoing};
use acequia_core::queue::{QueueName, QueueRole};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::store::Store;
use crate::{StubError, clock};

/// The one tenant.
pub const TENANT: &str = "acme";
/// The stage: `local` is the one in which endpoints on loopback may be called.
pub(crate) const STAGE: &str = "local";
/// The tenants' table.
pub const TENANTS_TABLE: &str = "bench-tenants";
/// The ledger's table.
pub const LEDGER_TABLE: &str = "bench-ledger";
/// The bucket that is the archive.
pub(crate) const ARCHIVE: &str = "bench-archive";
/// The password of every database.
pub(crate) const PASSWORD: &str = "s3cret-of-a-test";
/// Which database table sinks write into, where a test has one: `database` and `authorities` of the sink.
pub static DATABASE: OnceLock<Json> = OnceLock::new();
/// The path at which the stub is the endpoint of webhooks.
pub(crate) const ENDPOINT_PATH: &str = "/endpoint/";
/// A signing secret of no worth, in the form of Standard Webhooks: what every webhook is signed with.
pub const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The region.
pub(crate) const REGION: &str = "us-east-1";

/// What the stub knows: the tenant's configuration, or tables that keep what is written.
#[derive(Debug, Clone, Default)]
pub struct World {
    document: String,
    keys: String,
    pub(crate) store: Option<Arc<Mutex<Store>>>,
}

impl World {
    /// One in which the tenant has these sinks and keeps this record; webhooks go to the stub at `address`.
    pub fn new(record: &str, sinks: &[Json], address: &str) -> Self {
        let document = json!({"tenant": TENANT, "name": "Acme Foundation", "record": record, "sinks": sinks});
        let document = document.to_string().replace("http://endpoint/", &format!("{address}{ENDPOINT_PATH}"));
        Self { document, keys: String::new(), store: None }
    }

    /// The same in which the tenant's intake takes events by these rules, and a producer has an API key
    /// ([`crate::door::request`]).
    ///
    /// # Errors
    /// [`StubError::Fixture`] where the key is not valid.
    pub fn with_intake(self, intake: &Json) -> Result<Self, StubError> {
        let invalid = |error: serde_json::Error| StubError::Fixture(error.to_string());
        let mut document: Map<String, Json> = serde_json::from_str(&self.document).map_err(invalid)?;
        document.insert("intake".to_owned(), intake.clone());
        Ok(Self { document: Json::Object(document).to_string(), keys: crate::door::key_ring(TENANT)?, ..self })
    }

    /// One whose tables are these.
    pub fn keeping(store: Arc<Mutex<Store>>) -> Self {
        Self { store: Some(store), ..Self::default() }
    }

    /// A row of the tenants table, as `shared/aws` stores it.
    pub(crate) fn row(&self, pk: &str, sk: &str) -> Option<Json> {
        let version = json!({"N": "1"});
        let key = |rest: Json| {
            let mut row = json!({"pk": {"S": pk}, "sk": {"S": sk}, "version": version});
            if let (Some(row), Json::Object(rest)) = (row.as_object_mut(), rest) {
                row.extend(rest);
            }
            row
        };
        match sk {
            _ if pk != TENANT => None,
            "current" => Some(key(json!({"audit_hash": {"S": "0".repeat(64)}}))),
            "latest" => Some(key(json!({"document": {"S": self.document}}))),
            "keys" if !self.keys.is_empty() => Some(key(json!({"doc": {"S": self.keys}, "revision": {"N": "1"}}))),
            _ if sk.starts_with("config#") => Some(key(json!({"document": {"S": self.document}}))),
            _ => None,
        }
    }

    /// The tenant's configuration as it is stored.
    pub fn document(&self) -> &str {
        &self.document
    }
}

/// A sink that takes every event, with these keys besides or in the place of the usual ones. Of an endpoint at
/// `http://endpoint/500ms/crm` the stub makes one of its own that takes half a second.
pub fn sink(id: &str, kind: SinkKind, more: &Json) -> Json {
    let mut sink = json!({"id": id, "kind": kind.to_string(), "types": ["*"]});
    let own = match kind {
        SinkKind::Webhook => json!({"url": "http://endpoint/crm", "secrets": ["crm"]}),
        SinkKind::Email => json!({
            "from": "Acme Foundation <hello@acme.example>",
            "to": "{{ data.email }}",
            "subject": "Thank you, {{ data.first_name }}",
            "text": "Dear {{ data.first_name }},\n\nthank you for your signature for {{ data.campaign }}.\n\n{{ tenant.name }}\n",
            "html": "<p>Dear {{ data.first_name }},</p><p>thank you for your signature for {{ data.campaign }}.</p><p>{{ tenant.name }}</p>",
        }),
        SinkKind::Forward => json!({"queue": "out"}),
        SinkKind::Eventbridge => json!({"bus": "arn:aws:events:us-east-1:123456789012:event-bus/partners"}),
        SinkKind::Archive => json!({}),
        SinkKind::Table => json!({
            "database": "postgresql://acequia@localhost:1/bench",
            "password": "db",
            "table": "bench",
            "columns": {"event": "$event", "id": "id", "email": "data.email"},
        }),
    };
    let of_test = if kind == SinkKind::Table { DATABASE.get().cloned().unwrap_or_default() } else { Json::Null };
    for part in [own, of_test, more.clone()] {
        if let (Some(sink), Json::Object(part)) = (sink.as_object_mut(), part) {
            sink.extend(part);
        }
    }
    sink
}

/// Where the messages of a batch come from, and what they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// The intake: events.
    Events,
    /// The queue of a kind of sink: deliveries to this sink of that kind.
    Deliveries(SinkKind, &'static str),
    /// The front door: one request with all events, whose `Idempotency-Key` says which it is where this says so.
    Request {
        /// Whether it has one.
        keyed: bool,
    },
}

impl Messages {
    /// The event of Lambda's event source mapping with `count` first-time messages. Messages of another `serial` are of
    /// other events.
    ///
    /// # Errors
    /// [`StubError::Fixture`] where an event or a name is not valid.
    pub fn batch(self, serial: u64, count: usize) -> Result<String, StubError> {
        self.batch_of(serial, count, |id| event(id, &"Water is a common good. ".repeat(20)))
    }

    /// The same with bodies of the caller's own making, from the id of each event.
    ///
    /// # Errors
    /// As [`Messages::batch`].
    pub(crate) fn batch_of(
        self,
        serial: u64,
        count: usize,
        body: impl Fn(&str) -> String,
    ) -> Result<String, StubError> {
        let (role, sinks) = match self {
            Self::Request { keyed } => {
                let events: Vec<String> = (0..count).map(|number| body(&format!("{serial:08}-{number:08}"))).collect();
                let key = keyed.then(|| format!("request-{serial:08}"));
                return crate::door::request(TENANT, &events, key.as_deref());
            }
            Self::Events => (QueueRole::Intake, Vec::new()),
            Self::Deliveries(kind, sink) => (QueueRole::Sink(kind), vec![sink]),
        };
        records(role, &sinks, serial, count, body)
    }
}

/// A batch as [`Messages::batch`] makes it, of deliveries to sinks of one kind that take turns.
///
/// # Errors
/// As [`Messages::batch`].
pub fn deliveries(kind: SinkKind, sinks: &[&str], serial: u64, count: usize) -> Result<String, StubError> {
    records(QueueRole::Sink(kind), sinks, serial, count, |id| event(id, &"Water is a common good. ".repeat(20)))
}

/// Deliveries to the sinks in turn, or events where there is none.
fn records(
    role: QueueRole,
    sinks: &[&str],
    serial: u64,
    count: usize,
    body: impl Fn(&str) -> String,
) -> Result<String, StubError> {
    let invalid = |error: &dyn std::fmt::Display| StubError::Fixture(error.to_string());
    let stage: Stage = STAGE.parse().map_err(|error| invalid(&error))?;
    let tenant: TenantId = TENANT.parse().map_err(|error| invalid(&error))?;
    let queue = format!("arn:aws:sqs:{REGION}:000000000000:{}", QueueName::new(&stage, &tenant, role));
    let now = i64::try_from(clock::since_epoch().as_millis()).unwrap_or(0);
    let at = Timestamp::from_millisecond(now).map_err(|error| invalid(&error))?;
    let mut turns = sinks.iter().cycle();
    let route: Arc<str> = longest_route(sinks, at)?.into();
    let mut records = Vec::with_capacity(count);
    for number in 0..count {
        let id = format!("{serial:08}-{number:08}");
        let body = body(&id);
        let message = match turns.next() {
            None => Outgoing { body, ..Outgoing::default() },
            Some(sink) => {
                let envelope = Envelope::parse(&tenant, at, body.as_bytes()).map_err(|error| invalid(&error))?;
                let delivery = Delivery::new(sink.parse().map_err(|error| invalid(&error))?, envelope);
                delivery.routed(Some(&route)).to_message()
            }
        };
        records.push(record(&id, &queue, now, &message));
    }
    Ok(json!({"Records": records}).to_string())
}

/// The longest text about a routing that deliveries carry: what a row of the ledger costs is counted with it.
fn longest_route(sinks: &[&str], at: Timestamp) -> Result<String, StubError> {
    let invalid = |error: &dyn std::fmt::Display| StubError::Fixture(error.to_string());
    let id = |id: &str| id.parse().map_err(|error| invalid(&error));
    let mut routed = Routed {
        event_type: "action.signed".to_owned(),
        routed_at: at,
        config_version: 1,
        taken: sinks.iter().take(1).map(|sink| id(sink)).collect::<Result<_, _>>()?,
        filtered: Vec::new(),
        clauses: Vec::new(),
        via: Some("http acq_bench_acme_abcdefgh".to_owned()),
    };
    let mut longest = None;
    while let Some(text) = routed.to_text() {
        routed.filtered.push(id(&format!("sink-{}", routed.filtered.len()))?);
        routed.clauses.push("types".to_owned());
        longest = Some(text);
    }
    longest.ok_or_else(|| StubError::Fixture("no routing is short enough to travel".to_owned()))
}

/// An event of so many bytes, most of them its comment: this text, again and again. `filler` needs no escapes in JSON.
pub(crate) fn event_of(id: &str, bytes: usize, filler: &str) -> String {
    let rest = bytes.saturating_sub(event(id, "").len());
    let mut comment = filler.repeat(rest.div_ceil(filler.len().max(1)));
    comment.truncate(rest);
    event(id, &comment)
}

/// An event with a comment, as a petition's signature is: of about a kilobyte where the comment has half of one.
pub(crate) fn event(id: &str, comment: &str) -> String {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "https://actions.acme.example",
        "type": "action.signed",
        "subject": format!("contact-{id}"),
        "time": "2026-01-01T00:00:00Z",
        "data": {
            "email": format!("ana-{id}@example.org"),
            "first_name": "Ana",
            "last_name": "Example",
            "country": "FR",
            "postcode": "75011",
            "campaign": "Clean rivers for everyone",
            "consent": {"email": true, "at": "2026-01-01T00:00:00Z", "wording": "I want to hear how the campaign goes on."},
            "comment": comment,
            "page": "https://actions.acme.example/clean-rivers?utm_source=newsletter&utm_medium=email",
            "tags": ["rivers", "signature", "newsletter"],
        },
    })
    .to_string()
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event>
fn record(id: &str, queue: &str, sent_at: i64, message: &Outgoing) -> Json {
    let text = |attribute: &Attribute| {
        json!({
            "stringValue": attribute.as_text(),
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": attribute.data_type,
        })
    };
    let attributes: Map<String, Json> =
        message.attributes.iter().map(|(name, attribute)| (name.clone(), text(attribute))).collect();
    json!({
        "messageId": id,
        "receiptHandle": format!("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a-{id}"),
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": sent_at.to_string(),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": sent_at.to_string(),
        },
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue,
        "awsRegion": REGION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_as_many_different_messages_as_were_asked_for() {
        let event: Json =
            serde_json::from_str(&Messages::Deliveries(SinkKind::Email, "mail").batch(1, 3).unwrap()).unwrap();
        let records = event["Records"].as_array().unwrap();
        assert_eq!(records.len(), 3);
        assert_ne!(records[0]["messageId"], records[1]["messageId"]);
        assert_eq!(records[0]["messageAttributes"]["acequia-sink"]["stringValue"], "mail");
        assert!((900..1200).contains(&records[0]["body"].as_str().unwrap().len()), "an event has about a kilobyte");
    }

    #[test]
    fn deliveries_take_turns_at_their_sinks() {
        let event: Json = serde_json::from_str(&deliveries(SinkKind::Webhook, &["one", "two"], 1, 3).unwrap()).unwrap();
        let sinks: Vec<_> = event["Records"].as_array().unwrap().iter().map(sink_of).collect();
        assert_eq!(sinks, ["one", "two", "one"]);
    }

    fn sink_of(record: &Json) -> &str {
        record["messageAttributes"]["acequia-sink"]["stringValue"].as_str().unwrap()
    }

    #[test]
    fn an_event_has_as_many_bytes_as_were_asked_for() {
        assert_eq!([2_000, 1_032_192].map(|bytes| event_of("1", bytes, "drop ").len()), [2_000, 1_032_192]);
    }

    #[test]
    fn webhooks_go_to_the_stub_itself() {
        let world = World::new("all", &[sink("crm", SinkKind::Webhook, &json!({}))], "http://127.0.0.1:9");
        assert!(world.document().contains("\"http://127.0.0.1:9/endpoint/crm\""));
        assert!(world.row(TENANT, "config#1").is_some() && world.row("bona", "current").is_none());
    }
}
