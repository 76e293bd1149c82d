//! SQS: takes every message of a call within its limits, and hides and deletes what it is told to.

use std::collections::BTreeSet;

use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};

use super::{Refusal, Taken, entries, text};
use crate::count::{Tally, blocks, count};
use crate::latency::Latencies;

const ENTRIES: usize = 10;
/// The most that one message, and all of a call together, may have.
const BYTES: usize = 1024 * 1024;
/// A call is billed once per 64 KB begun.
const BILLED: usize = 64 * 1024;

pub(super) fn take(latencies: &Latencies, operation: &str, request: &Json) -> Result<Taken, Refusal> {
    let queue = request.get("QueueName").or(request.get("QueueUrl")).and_then(Json::as_str);
    let queue = queue.ok_or("QueueUrl is missing")?;
    let fifo = queue.rsplit('.').next() == Some("fifo");
    let (items, bytes, answer) = match operation {
        "GetQueueUrl" => {
            (1, 0, json!({"QueueUrl": format!("https://sqs.us-east-1.amazonaws.com/123456789012/{queue}")}))
        }
        // Every queue is there, and empty.
        "GetQueueAttributes" => {
            let names = ["", "NotVisible", "Delayed"].map(|kind| format!("ApproximateNumberOfMessages{kind}"));
            let mut found: serde_json::Map<String, Json> = names.into_iter().map(|name| (name, "0".into())).collect();
            let name = queue.rsplit('/').next().unwrap_or_default();
            found.insert("QueueArn".to_owned(), format!("arn:aws:sqs:us-east-1:123456789012:{name}").into());
            (1, 0, json!({"Attributes": found}))
        }
        "SendMessageBatch" => send(request, fifo)?,
        "SendMessage" => {
            let answer = json!({"MessageId": message_id(0), "MD5OfMessageBody": hex(text(request, "MessageBody")?)});
            (1, message_bytes(request), answer)
        }
        "ChangeMessageVisibilityBatch" | "DeleteMessageBatch" => {
            let entries = distinct(request)?;
            let ids: Vec<Json> = entries.iter().map(|entry| json!({"Id": entry.get("Id")})).collect();
            (entries.len(), 0, json!({"Successful": ids, "Failed": []}))
        }
        _ => return Err(format!("sqs:{operation}: an unknown operation")),
    };
    if bytes > BYTES {
        return Err(format!("sqs:{operation}: {bytes} bytes in one call"));
    }
    let tally = Tally { items: count(items), units: blocks(bytes, BILLED), ..Tally::default() };
    let kind = if fifo { "fifo" } else { "standard" };
    Ok(Taken { operation: format!("sqs:{operation}({kind})"), tally, latency: latencies.sqs, answer })
}

fn send(request: &Json, fifo: bool) -> Result<(usize, usize, Json), Refusal> {
    let entries = distinct(request)?;
    let mut taken = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        if fifo && (entry.get("MessageGroupId").is_none() || entry.get("MessageDeduplicationId").is_none()) {
            return Err("sqs:SendMessageBatch: a FIFO queue wants a group and a deduplication id".to_owned());
        }
        let mut one = json!({
            "Id": entry.get("Id"),
            "MessageId": message_id(index),
            "MD5OfMessageBody": hex(text(entry, "MessageBody")?),
        });
        if let (Some(sum), Some(one)) = (attributes_md5(entry), one.as_object_mut()) {
            one.insert("MD5OfMessageAttributes".to_owned(), sum.into());
        }
        taken.push(one);
    }
    let bytes = entries.iter().map(message_bytes).sum();
    Ok((entries.len(), bytes, json!({"Successful": taken, "Failed": []})))
}

/// The entries of a batch, whose ids must differ.
fn distinct(request: &Json) -> Result<&[Json], Refusal> {
    let entries = entries(request, "/Entries", ENTRIES)?;
    let ids: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.get("Id")?.as_str()).collect();
    if ids.len() == entries.len() { Ok(entries) } else { Err("/Entries: the ids are not distinct".to_owned()) }
}

fn message_id(index: usize) -> String {
    format!("00000000-0000-4000-8000-{index:012}")
}

fn attributes(message: &Json) -> impl Iterator<Item = (&str, &str, &str)> {
    let all = message.get("MessageAttributes").and_then(Json::as_object).into_iter().flatten();
    all.map(|(name, value)| {
        let part = |part: &str| value.get(part).and_then(Json::as_str).unwrap_or_default();
        (name.as_str(), part("DataType"), part("StringValue"))
    })
}

fn message_bytes(message: &Json) -> usize {
    let body = message.get("MessageBody").and_then(Json::as_str).unwrap_or_default();
    body.len() + attributes(message).map(|(name, kind, value)| name.len() + kind.len() + value.len()).sum::<usize>()
}

fn hex(text: &str) -> String {
    digits(Md5::digest(text.as_bytes()).as_slice())
}

fn digits(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// Each name, type and value by name, with its length before it; a text's value is announced by a 1.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
fn attributes_md5(message: &Json) -> Option<String> {
    let mut sorted: Vec<_> = attributes(message).collect();
    sorted.sort_unstable();
    let mut sum = Md5::new();
    for (name, kind, value) in &sorted {
        for (mark, part) in [(None, name), (None, kind), (Some([1_u8]), value)] {
            sum.update(mark.as_ref().map_or(&[][..], |mark| mark));
            sum.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            sum.update(part.as_bytes());
        }
    }
    (!sorted.is_empty()).then(|| digits(sum.finalize().as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send_all(url: &str, entries: &[Json]) -> Result<Taken, Refusal> {
        take(&Latencies::NONE, "SendMessageBatch", &json!({"QueueUrl": url, "Entries": entries}))
    }

    fn entry(id: usize, body: &str) -> Json {
        json!({"Id": id.to_string(), "MessageBody": body})
    }

    #[test]
    fn what_sqs_refuses_is_refused() {
        let many: Vec<Json> = (0..11).map(|id| entry(id, "x")).collect();
        assert!(send_all("https://sqs/1/q", &many).is_err());
        assert!(send_all("https://sqs/1/q", &[entry(1, "x"), entry(1, "y")]).is_err());
        assert!(send_all("https://sqs/1/q.fifo", &[entry(1, "x")]).is_err());
        assert!(send_all("https://sqs/1/q", &[entry(1, &"x".repeat(BYTES + 1))]).is_err());
    }

    #[test]
    fn a_call_is_billed_once_per_64_kilobytes_begun() {
        let taken = send_all("https://sqs/1/q", &[entry(1, &"x".repeat(BILLED)), entry(2, "y")]).unwrap();
        assert_eq!(
            (taken.operation.as_str(), taken.tally.items, taken.tally.units),
            ("sqs:SendMessageBatch(standard)", 2, 2)
        );
    }

    #[test]
    fn the_digest_of_a_body_is_the_one_of_md5() {
        assert_eq!(hex("This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
    }
}
