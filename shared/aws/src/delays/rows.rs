//! A delayed message as items of the table, and back.

use acequia_core::delivery::delay::{Delayed, DelayedKey};
use acequia_core::id::digest;
use acequia_core::message::{Attribute, AttributeValue as Value, Outgoing};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::ItemError;
use crate::keys::{self, Item, PK, SK, number, text, text_of};

/// An item may have 400 KB; this much of a message goes into one, and leaves room for the rest of it.
const PART_BYTES: usize = 350 * 1024;

pub(super) const SHARD: &str = "shard";
pub(super) const DUE_AT: &str = "due_at";
pub(super) const EXPEDITED: &str = "expedited";
pub(super) const DELAYED_AT: &str = "delayed_at";
const QUEUE: &str = "queue";
const MESSAGE: &str = "message";
const DIGEST: &str = "digest";
const PARTS: &str = "parts";
const EXPIRES_AT: &str = "expires_at";

/// The form in which a message is stored.
#[derive(Serialize, Deserialize)]
struct Packed {
    body: String,
    attributes: Vec<PackedAttribute>,
}

#[derive(Serialize, Deserialize)]
struct PackedAttribute {
    name: String,
    data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

fn pack(message: &Outgoing) -> Vec<u8> {
    let attribute = |(name, attribute): (&String, &Attribute)| {
        let (text, base64) = match &attribute.value {
            Value::Text(text) => (Some(text.clone()), None),
            Value::Binary(bytes) => (None, Some(STANDARD.encode(bytes))),
        };
        PackedAttribute { name: name.clone(), data_type: attribute.data_type.clone(), text, base64 }
    };
    let packed = Packed { body: message.body.clone(), attributes: message.attributes.iter().map(attribute).collect() };
    // Texts always have a JSON form.
    serde_json::to_vec(&packed).unwrap_or_default()
}

fn unpack(bytes: &[u8]) -> Option<Outgoing> {
    let packed: Packed = serde_json::from_slice(bytes).ok()?;
    let mut attributes = acequia_core::message::Attributes::new();
    for PackedAttribute { name, data_type, text, base64 } in packed.attributes {
        let value = match (text, base64) {
            (Some(text), _) => Value::Text(text),
            (None, Some(base64)) => Value::Binary(STANDARD.decode(base64).ok()?),
            (None, None) => return None,
        };
        attributes.insert(name, Attribute { data_type, value });
    }
    Some(Outgoing { body: packed.body, attributes, ..Outgoing::default() })
}

/// The primary key of a message's first item.
pub(super) fn key(key: &DelayedKey) -> Item {
    keys::key(key.tenant.as_str(), key.below_tenant())
}

/// The primary key of the item with part `number` (1-based) of what did not fit.
pub(super) fn part_key(key: &DelayedKey, number: usize) -> Item {
    keys::key(key.tenant.as_str(), format!("{}#part#{number}", key.below_tenant()))
}

/// The items of a message: the first, then the parts.
pub(super) fn items(row: &Delayed) -> Vec<Item> {
    let packed = pack(&row.message);
    let mut chunks = packed.chunks(PART_BYTES);
    let blob = |bytes: &[u8]| AttributeValue::B(Blob::new(bytes));
    let expires_at = number(row.expires_at.as_second());
    let mut first = key(&row.key);
    first.insert(QUEUE.to_owned(), text(row.queue.to_string()));
    first.insert(MESSAGE.to_owned(), blob(chunks.next().unwrap_or_default()));
    first.insert(DIGEST.to_owned(), text(digest(&packed)));
    first.insert(DELAYED_AT.to_owned(), number(row.delayed_at.as_millisecond()));
    first.insert(DUE_AT.to_owned(), number(row.due_at.as_millisecond()));
    first.insert(SHARD.to_owned(), number(i64::from(row.key.shard())));
    first.insert(EXPIRES_AT.to_owned(), expires_at.clone());
    if row.expedited {
        first.insert(EXPEDITED.to_owned(), AttributeValue::Bool(true));
    }
    let mut items = vec![first];
    for (index, chunk) in chunks.enumerate() {
        let mut part = part_key(&row.key, index + 1);
        part.insert(MESSAGE.to_owned(), blob(chunk));
        part.insert(EXPIRES_AT.to_owned(), expires_at.clone());
        items.push(part);
    }
    if let (parts @ 1.., Some(first)) = (items.len() - 1, items.first_mut()) {
        first.insert(PARTS.to_owned(), AttributeValue::N(parts.to_string()));
    }
    items
}

/// How many parts belong to a first item.
pub(super) fn parts(first: &Item) -> usize {
    first.get(PARTS).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The key of an item; `None` for an item that is a part, or none of ours.
pub(super) fn key_of(item: &Item) -> Option<DelayedKey> {
    DelayedKey::read(text_of(item, PK)?.parse().ok()?, text_of(item, SK)?)
}

/// A time of an item, kept in milliseconds.
pub(super) fn time_of(item: &Item, name: &'static str) -> Result<Timestamp, ItemError> {
    let millis = item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<i64>().ok());
    millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()).ok_or(ItemError::Attribute(name))
}

/// Puts a message together from its first item and its parts, in order.
pub(super) fn delayed(first: &Item, parts: &[Item]) -> Result<Delayed, ItemError> {
    let mut packed = Vec::new();
    for item in std::iter::once(first).chain(parts) {
        let bytes = item.get(MESSAGE).and_then(|value| value.as_b().ok()).ok_or(ItemError::Attribute(MESSAGE))?;
        packed.extend_from_slice(bytes.as_ref());
    }
    // Parts that are just being written anew do not fit together: then it is read again at the next sweep.
    if text_of(first, DIGEST) != Some(digest(&packed).as_str()) {
        return Err(ItemError::Attribute(DIGEST));
    }
    let seconds = first.get(EXPIRES_AT).and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<i64>().ok());
    Ok(Delayed {
        key: key_of(first).ok_or(ItemError::Keyless)?,
        queue: text_of(first, QUEUE).and_then(|text| text.parse().ok()).ok_or(ItemError::Attribute(QUEUE))?,
        message: unpack(&packed).ok_or(ItemError::Attribute(MESSAGE))?,
        delayed_at: time_of(first, DELAYED_AT)?,
        due_at: time_of(first, DUE_AT)?,
        expires_at: seconds
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .ok_or(ItemError::Attribute(EXPIRES_AT))?,
        expedited: first.contains_key(EXPEDITED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: String) -> Delayed {
        let mut row = acequia_testkit::build::delayed("acme", Some("crm"), "m-1", 60);
        row.message.body = body;
        let bytes = Attribute { data_type: "Binary.x".to_owned(), value: Value::Binary(vec![0, 255]) };
        row.message.attributes.insert("raw".to_owned(), bytes);
        row
    }

    #[test]
    fn a_message_is_one_item_and_comes_back_from_it() {
        let row = message("{\"a\":\"\u{e9}\"}".to_owned());
        let items = items(&row);
        assert_eq!((items.len(), parts(&items[0])), (1, 0));
        assert_eq!(delayed(&items[0], &[]).unwrap(), row);
    }

    #[test]
    fn a_message_of_a_mebibyte_is_parts_that_fit_and_comes_back_from_them() {
        let row = message("\u{e9}".repeat(500 * 1024));
        let items = items(&row);
        assert_eq!((items.len(), parts(&items[0])), (3, 2));
        assert_eq!(delayed(&items[0], &items[1..]).unwrap(), row);
        assert!(delayed(&items[0], &items[1..2]).is_err(), "a part is missing");
        assert!(items[1..].iter().all(|item| key_of(item).is_none() && !item.contains_key(DUE_AT)));
    }
}
