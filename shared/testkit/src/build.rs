//! Builders: short ways to the values that tests need. They panic on names that are not valid, because a test wrote
//! them.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test's own mistake should stop the test where it was made"
)]

use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::delay::Delayed;
use acequia_core::delivery::ledger::{ClaimRequest, DeliveryKey, DeliveryRecord, Status, Verdict, judge};
use acequia_core::event::envelope::Envelope;
use acequia_core::id::{EventId, SecretName, SinkId, Stage, TenantId, digest};
use acequia_core::kind::SinkKind;
use acequia_core::message::{Attribute, Attributes, Incoming};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::time::after;
use acequia_core::wire::SINK;
use jiff::Timestamp;

/// The source of all events built here.
pub const SOURCE: &str = "/tests";

/// When time begins in tests: 2026-01-01T00:00:00Z.
pub fn start() -> Timestamp {
    Timestamp::from_second(1_767_225_600).expect("a time of this century")
}

/// A time so many seconds after [`start`].
pub fn at(seconds: u64) -> Timestamp {
    after(start(), Duration::from_secs(seconds))
}

/// A tenant's id.
pub fn tenant_id(text: &str) -> TenantId {
    text.parse().expect("a tenant id")
}

/// A sink's id.
pub fn sink_id(text: &str) -> SinkId {
    text.parse().expect("a sink id")
}

/// A secret's name.
pub fn secret_name(text: &str) -> SecretName {
    text.parse().expect("a secret name")
}

/// The event of this id from [`SOURCE`].
pub fn event_id(id: &str) -> EventId {
    EventId::new(SOURCE, id).expect("an event id")
}

/// A delayed message that is due so many seconds after [`start`], where it was delayed: one of a sink's webhook queue,
/// or of the intake queue where there is no sink.
pub fn delayed(tenant: &str, sink: Option<&str>, message_id: &str, due: u64) -> Delayed {
    let role = if sink.is_some() { QueueRole::Sink(SinkKind::Webhook) } else { QueueRole::Intake };
    let mut message = incoming(&queue(tenant, role), message_id, format!("body of {message_id}"));
    if let Some(sink) = sink {
        message.attributes.insert(SINK.to_owned(), Attribute::text(sink));
    }
    let delayed = Delayed::of(&tenant_id(tenant), &message, Duration::from_secs(due), start());
    delayed.expect("a message of a standard queue with few attributes")
}

/// The key of the delivery of event `event` to `sink`.
pub fn delivery_key(event: &str, sink: &str) -> DeliveryKey {
    DeliveryKey { event: event_id(event), sink: sink_id(sink), replay: None }
}

/// The ARN of a queue of stage `test`.
pub fn queue(tenant: &str, role: QueueRole) -> QueueArn {
    named_queue(&QueueName::new(&stage(), &tenant_id(tenant), role))
}

/// The ARN of the dead-letter queue behind [`queue`].
pub fn dead_letter_queue(tenant: &str, role: QueueRole) -> QueueArn {
    named_queue(&QueueName::new(&stage(), &tenant_id(tenant), role).dead_letter())
}

/// The ARN of a queue of this name.
pub fn named_queue(name: &QueueName) -> QueueArn {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}").parse().expect("an ARN")
}

/// The stage of tests.
pub fn stage() -> Stage {
    "test".parse().expect("a stage")
}

/// An event's JSON: id, type, and `data` as JSON.
pub fn body(id: &str, kind: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"{SOURCE}","type":"{kind}","data":{data}}}"#)
}

/// An envelope of that event, accepted at [`start`].
pub fn envelope(tenant: &str, id: &str, kind: &str, data: &str) -> Envelope {
    Envelope::parse(&tenant_id(tenant), start(), body(id, kind, data).as_bytes()).expect("an event")
}

/// A message as it comes from a queue for the first time, received at [`start`].
pub fn incoming(queue: &QueueArn, message_id: &str, body: impl Into<String>) -> Incoming {
    Incoming {
        message_id: message_id.to_owned(),
        receipt_handle: format!("receipt-of-{message_id}"),
        body: body.into(),
        attributes: Attributes::new(),
        receive_count: 1,
        sent_at: start(),
        queue: queue.clone(),
        group: None,
        sender: None,
    }
}

/// The message that brings an envelope to a sink, as it comes from the sink's queue.
pub fn incoming_delivery(queue: &QueueArn, message_id: &str, sink: &str, envelope: &Envelope) -> Incoming {
    let outgoing = Delivery::new(sink_id(sink), envelope.clone()).to_message();
    Incoming { attributes: outgoing.attributes, ..incoming(queue, message_id, outgoing.body) }
}

/// A request for a claim at [`start`], with a lease of a minute; the token is `me`.
pub fn claim(event: &str, sink: &str) -> ClaimRequest {
    ClaimRequest {
        key: delivery_key(event, sink),
        kind: SinkKind::Email,
        digest: digest(event.as_bytes()),
        config_version: 1,
        accepted_at: start(),
        trace_id: None,
        route: None,
        replay: None,
        redrives: Vec::new(),
        token: "me".to_owned(),
        expedited: false,
        now: start(),
        lease_until: at(60),
    }
}

/// The record of a delivery that was claimed by [`claim`] and then came to `status`.
pub fn record(event: &str, sink: &str, status: Status) -> DeliveryRecord {
    match judge(None, &claim(event, sink)) {
        Verdict::Claimed { record, .. } => DeliveryRecord { status, claim: None, lease_until: None, ..*record },
        _ => unreachable!("a first claim is granted"),
    }
}

/// A tenant's configuration with one webhook sink `crm` that takes every type, as the JSON that the store holds.
pub fn webhook_document(tenant: &str, url: &str) -> String {
    format!(
        r#"{{"tenant":"{tenant}","name":"{tenant}","sinks":[{{"id":"crm","kind":"webhook","types":["*"],"url":"{url}","secrets":["crm"]}}]}}"#
    )
}
