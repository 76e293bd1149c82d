//! The bridge's reader of records: the real bridge over the in-memory ports.
//!
//! Of the bytes the first says how the record is made (a key, binary or structured mode, a tenant that wraps values, no
//! value, a FIFO intake), the second how long its key is.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::event::envelope::Envelope;
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::time::after;
use acequia_lambda::{CachedTenants, Deadline, Reporting, Telemetry};
use acequia_testkit::{FixedClock, InMemoryLines, InMemoryQueues, InMemoryTenants, InMemoryTopics, build};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafka::Bridge;
use serde_json::{Value as Json, json};

/// Hands bytes in as a record of a partition, between two good ones; and as the call of a mapping itself.
///
/// # Panics
/// Where a promise of the reader is broken.
pub fn kafka(bytes: &[u8]) -> bool {
    let ([form, length], rest) = match bytes.split_first_chunk::<2>() {
        Some((head, rest)) => (*head, rest),
        None => ([0, 0], bytes),
    };
    let is = |bit: u8| form >> bit & 1 == 1;
    let (key, value) = rest.split_at(usize::from(length).min(rest.len()));
    let headers = match (is(1), is(2)) {
        (true, _) => vec![("ce_specversion", &b"1.0"[..]), ("ce_id", b"1"), ("ce_source", b"/a"), ("ce_type", value)],
        (false, true) => vec![("content-type", &b"application/cloudevents+json"[..])],
        (false, false) => Vec::new(),
    };
    let value = if is(4) { None } else { Some(value) };
    let record = record(1, is(0).then_some(key), value, &headers);
    let Some(world) = World::new(is(3), is(5)) else { return false };
    let good = |offset: i64| {
        let event = format!(r#"{{"specversion":"1.0","id":"good-{offset}","source":"/a","type":"t"}}"#);
        self::record(offset, None, Some(event.as_bytes()), &[("content-type", b"application/cloudevents+json")])
    };
    let call = json!({"eventSource": "SelfManagedKafka", "records": {"orders-0": [good(0), record, good(2)]}});
    let answer = world.call(call);
    assert_eq!(answer, Some(json!({"batchItemFailures": []})), "a record held its partition up");
    let (taken, dead) = (world.bodies(false), world.bodies(true));
    assert_eq!(taken.len() + dead.len(), 3, "{taken:?} {dead:?}");
    assert!(dead.len() <= 1, "a good record was quarantined: {dead:?}");
    for text in &taken {
        let read = Envelope::parse_text(&world.tenant, build::start(), text);
        assert!(read.is_ok(), "the router could not read it: {text}");
    }
    // Whatever a call is, it ends.
    if let (Ok(call), Some(world)) = (serde_json::from_slice::<Json>(bytes), World::new(is(3), is(5))) {
        world.call(call);
    }
    taken.len() == 3
}

fn record(offset: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) -> Json {
    let header = |(name, value): &(&str, &[u8])| {
        let signed: Vec<i8> = value.iter().map(|byte| byte.cast_signed()).collect();
        json!({ *name: signed })
    };
    json!({
        "topic": "orders", "partition": 0, "offset": offset, "timestamp": 1_767_225_600_000_i64,
        "timestampType": "CREATE_TIME",
        "key": key.map(|key| STANDARD.encode(key)),
        "value": value.map(|value| STANDARD.encode(value)),
        "headers": headers.iter().map(header).collect::<Vec<_>>(),
    })
}

struct World {
    tenant: acequia_core::id::TenantId,
    intake: QueueArn,
    clock: FixedClock,
    queues: InMemoryQueues,
    bridge: Bridge<InMemoryTenants, InMemoryTopics, InMemoryQueues>,
}

impl World {
    fn new(wraps: bool, fifo: bool) -> Option<Self> {
        let (tenant, stage) = (crate::tenant()?, crate::stage()?);
        let name = QueueName { fifo, ..QueueName::new(&stage, &tenant, QueueRole::Intake) };
        let intake: QueueArn = format!("arn:aws:sqs:us-east-1:000000000000:{name}").parse().ok()?;
        let clock = FixedClock::at(build::start());
        let queues = InMemoryQueues::new(clock.clone());
        let wrap = if wraps { r#","sources":{"kafka":{"wrap":{"type":"order.placed","source":"/shop"}}}"# } else { "" };
        let document = format!(
            r#"{{"tenant":"acme","name":"Acme"{wrap},"sinks":[{{"id":"out","kind":"forward","types":["*"],"queue":"out"}}]}}"#
        );
        let tenants = InMemoryTenants::new().with(&tenant, document);
        let bridge = Bridge {
            tenants: CachedTenants::new(tenants, Arc::new(clock.clone())),
            topics: InMemoryTopics::new().with("orders", intake.clone()),
            queues: queues.clone(),
            clock: Arc::new(clock.clone()),
            stage,
            telemetry: Telemetry::new(Reporting::default(), InMemoryLines::new()),
        };
        Some(Self { tenant, intake, clock, queues, bridge })
    }

    fn call(&self, call: Json) -> Option<Json> {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        crate::finish(self.bridge.serve(call, deadline))?.ok()
    }

    /// The bodies of the intake's messages, or of its dead letters.
    fn bodies(&self, dead: bool) -> Vec<String> {
        let names = self.queues.names();
        let of = names.iter().filter(|queue| (**queue == self.intake) != dead);
        of.flat_map(|queue| self.queues.messages(queue)).map(|message| message.body).collect()
    }
}
