//! What Lambda's mappings of Kafka send, of MSK and of clusters of one's own, and what they are answered
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-process.html>).
//!
//! Fields that are not needed are left alone: `eventSourceArn` is there for MSK only, and schema registries add some.

use std::collections::BTreeMap;
use std::fmt;

use acequia_core::event::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use acequia_core::topic::Topic;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Value as Json, json};

/// One call: records by partition, each partition's in the order of their offsets.
#[derive(Debug, Deserialize)]
pub(crate) struct KafkaEvent {
    #[serde(default)]
    pub(crate) records: BTreeMap<String, Vec<Record>>,
}

/// One record.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    #[serde(deserialize_with = "topic")]
    pub(crate) topic: Topic,
    pub(crate) partition: i64,
    pub(crate) offset: i64,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub(crate) timestamp: i64,
    /// In base64, as the value is.
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<String>,
    /// Whatever stands there: it is read by what needs it.
    #[serde(default)]
    headers: Json,
}

impl Record {
    /// What no other record of its cluster has.
    pub(crate) fn place(&self) -> Place<'_> {
        Place(self)
    }

    /// The value; `None` of a tombstone, and where Lambda's base64 is none.
    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.value.as_ref()?).ok()
    }

    /// The key, if it has one.
    pub(crate) fn key(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.key.as_ref()?).ok()
    }

    /// The trace that its headers name, as producers that are traced by `OpenTelemetry` write them.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        let headers = self.headers();
        let text = |name| headers.get(name).and_then(|bytes| str::from_utf8(bytes).ok());
        TraceContext::read(text(TRACEPARENT)?, text(TRACESTATE))
    }

    /// The headers by their names; of two with one name the last. Their bytes are numbers, signed or not.
    pub(crate) fn headers(&self) -> BTreeMap<&str, Vec<u8>> {
        let named = self.headers.as_array().into_iter().flatten().filter_map(Json::as_object).flatten();
        let bytes = |value: &Json| -> Option<Vec<u8>> {
            let byte = |number: &Json| u8::try_from(number.as_i64().filter(|n| (-128..=255).contains(n))? & 0xFF).ok();
            value.as_array()?.iter().map(byte).collect()
        };
        named.filter_map(|(name, value)| Some((name.as_str(), bytes(value)?))).collect()
    }
}

/// A record's `topic/partition/offset`.
#[derive(Clone, Copy)]
pub(crate) struct Place<'r>(&'r Record);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.0.topic, self.0.partition, self.0.offset)
    }
}

fn topic<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Topic, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// The answer: from which offset on each partition that failed is to be read again. A partition is named as it was in
/// the call.
pub(crate) fn answer<'p>(failed: impl IntoIterator<Item = (&'p str, i64)>) -> Json {
    let failed = failed.into_iter().map(|(partition, offset)| json!({"partition": partition, "offset": offset}));
    let failures: Vec<Json> = failed.map(|place| json!({ "itemIdentifier": place })).collect();
    json!({ "batchItemFailures": failures })
}
