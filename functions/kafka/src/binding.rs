//! Records as events: the Kafka binding of `CloudEvents`
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>), in structured
//! and in binary mode, and any other JSON with what the tenant gives it.
//!
//! The value's own bytes stay as they are wherever they are JSON. An event without `partitionkey` gets the record's key
//! as one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use acequia_core::event::EnvelopeError;
use acequia_core::event::envelope::{Envelope, Format, Received, utf8};
use acequia_core::event::wrap::Wrap;
use acequia_core::id::{self, TenantId};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::Value as Json;

use crate::event::Record;

/// The header with the media type.
const CONTENT_TYPE: &str = "content-type";
/// What media types of whole events begin with.
const STRUCTURED: &str = "application/cloudevents";
/// What headers of attributes begin with.
const ATTRIBUTE: &str = "ce_";
/// The longest partition key, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// Reads a record as an event of a tenant's.
///
/// # Errors
/// What is wrong with it, which no repetition changes.
pub(crate) fn read(
    tenant: &TenantId,
    now: Timestamp,
    record: &Record,
    wrap: Option<&Wrap>,
) -> Result<Received, EnvelopeError> {
    let text = event_of(record, wrap)?;
    let received = Envelope::receive(tenant, now, &text)?;
    let lacks_key = received.envelope.format == Format::CloudEvents && received.envelope.partition_key.is_none();
    let key = record.key().filter(|key| lacks_key && !key.is_empty());
    let Some((key, (before, behind))) = key.zip(text.split_once('{')) else { return Ok(received) };
    let with_key = format!(r#"{before}{{"partitionkey":{},{behind}"#, Json::from(&*partition_key(&key)));
    // An event that says `null` of it could not have it twice.
    Ok(Envelope::receive(tenant, now, &with_key).unwrap_or(received))
}

/// The key as an attribute: itself where it is a text, else its base64, of a long one its digest.
fn partition_key(key: &[u8]) -> Cow<'_, str> {
    let is_plain = |text: &&str| text.chars().all(|c| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric());
    let text = str::from_utf8(key).ok().filter(is_plain).map(Cow::Borrowed);
    let text = text.unwrap_or_else(|| Cow::Owned(URL_SAFE_NO_PAD.encode(key)));
    if text.len() <= MAX_KEY_BYTES { text } else { Cow::Owned(id::digest(key)) }
}

/// The event's text.
fn event_of(record: &Record, wrap: Option<&Wrap>) -> Result<String, EnvelopeError> {
    let Some(value) = record.value() else {
        return Err(EnvelopeError::NotCloudEvents("the record has no value: it is a tombstone"));
    };
    let headers = record.headers();
    let content_type = headers.get(CONTENT_TYPE).map(|bytes| String::from_utf8_lossy(bytes).to_ascii_lowercase());
    let media_type = content_type.as_deref().map(|all| all.split(';').next().unwrap_or_default().trim());
    match media_type {
        Some("application/cloudevents+json") => return Ok(utf8(&value)?.to_owned()),
        Some(other) if other.starts_with(STRUCTURED) => {
            return Err(EnvelopeError::NotCloudEvents(
                "the record's content-type is a form of CloudEvents other than JSON",
            ));
        }
        _ => {}
    }
    if headers.contains_key("ce_specversion") {
        return binary(&headers, media_type, &value);
    }
    match wrap {
        None => Ok(utf8(&value)?.to_owned()),
        Some(wrap) => {
            let text = utf8(&value)?;
            is_json(text)?;
            let time = Timestamp::from_millisecond(record.timestamp).ok().filter(|_| record.timestamp > 0);
            Ok(wrap.event(&record.place().to_string(), time, text.trim()))
        }
    }
}

/// An event whose attributes are headers.
fn binary(headers: &BTreeMap<&str, Vec<u8>>, media_type: Option<&str>, value: &[u8]) -> Result<String, EnvelopeError> {
    let text = |bytes: &[u8]| -> Result<Json, EnvelopeError> {
        let text = str::from_utf8(bytes);
        text.map(Json::from).map_err(|_| EnvelopeError::NotCloudEvents("a header of the record is not UTF-8"))
    };
    // Writing to a String cannot fail.
    let mut event = String::from("{");
    for (name, bytes) in headers {
        if let Some(attribute) = name.strip_prefix(ATTRIBUTE) {
            let _ = write!(event, "{}:{},", Json::from(attribute), text(bytes)?);
        }
    }
    if let Some(bytes) = headers.get(CONTENT_TYPE) {
        let _ = write!(event, r#""datacontenttype":{},"#, text(bytes)?);
    }
    match (data_of(media_type, value)?, value.is_empty()) {
        (_, true) => _ = event.pop(),
        (Some(json), false) => _ = write!(event, r#""data":{json}"#),
        (None, false) => _ = write!(event, r#""data_base64":"{}""#, STANDARD.encode(value)),
    }
    event.push('}');
    Ok(event)
}

/// The value as JSON, where it is some: by its media type, or because it can be read so.
fn data_of<'v>(media_type: Option<&str>, value: &'v [u8]) -> Result<Option<&'v str>, EnvelopeError> {
    match media_type {
        Some(known) if known == "application/json" || known == "text/json" || known.ends_with("+json") => {
            if value.is_empty() {
                return Ok(None);
            }
            let text = utf8(value)?;
            is_json(text).map(|()| Some(text.trim()))
        }
        Some(_) => Ok(None),
        None => Ok(str::from_utf8(value).ok().filter(|text| is_json(text).is_ok()).map(str::trim)),
    }
}

/// Whether a text is JSON: only what is may be put into an event as it is.
fn is_json(text: &str) -> Result<(), EnvelopeError> {
    serde_json::from_str::<IgnoredAny>(text)
        .map(drop)
        .map_err(|error| EnvelopeError::NotJson { line: error.line(), column: error.column() })
}
