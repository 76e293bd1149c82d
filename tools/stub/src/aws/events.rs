//! `EventBridge`: takes every entry of a call within its limits
//! (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>).

use serde_json::{Value as Json, json};

use super::{Refusal, Taken, entries, text};
use crate::count::{Tally, blocks, count};
use crate::latency::Latencies;

const ENTRIES: usize = 10;
/// The most that all entries of a call may have together.
const BYTES: usize = 1024 * 1024;
/// What an entry's time counts.
const TIME_BYTES: usize = 14;
/// An event is billed once per 64 KB begun (<https://aws.amazon.com/eventbridge/pricing/>).
const BILLED: usize = 64 * 1024;
/// The longest `DetailType`, in characters.
const LONGEST_TYPE: usize = 128;

pub(super) fn take(latencies: &Latencies, operation: &str, request: &Json) -> Result<Taken, Refusal> {
    if operation != "PutEvents" {
        return Err(format!("events:{operation}: an unknown operation"));
    }
    let entries = entries(request, "/Entries", ENTRIES)?;
    let sizes = entries.iter().map(entry_bytes).collect::<Result<Vec<_>, _>>()?;
    if sizes.iter().sum::<usize>() > BYTES {
        return Err(format!("events:PutEvents: {} bytes in one call", sizes.iter().sum::<usize>()));
    }
    let taken: Vec<Json> = (0..entries.len()).map(|index| json!({"EventId": format!("event-{index}")})).collect();
    let units = sizes.iter().map(|bytes| blocks(*bytes, BILLED)).sum();
    let tally = Tally { items: count(entries.len()), units, ..Tally::default() };
    let answer = json!({"FailedEntryCount": 0, "Entries": taken});
    // It takes as long as a batch of messages.
    Ok(Taken { operation: "events:PutEvents".to_owned(), tally, latency: latencies.sqs, answer })
}

/// What an entry counts; an error for one that would fail, so that a test sees what was asked wrongly.
fn entry_bytes(entry: &Json) -> Result<usize, Refusal> {
    let (source, kind, detail) = (text(entry, "Source")?, text(entry, "DetailType")?, text(entry, "Detail")?);
    text(entry, "EventBusName")?;
    if source.starts_with("aws.") || kind.chars().count() > LONGEST_TYPE {
        return Err("events:PutEvents: NotAuthorizedForSourceException or InvalidArgument".to_owned());
    }
    if !serde_json::from_str::<Json>(detail).is_ok_and(|detail| detail.is_object()) {
        return Err("events:PutEvents: MalformedDetail".to_owned());
    }
    Ok(source.len() + kind.len() + detail.len() + if entry.get("Time").is_some() { TIME_BYTES } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(entries: &[Json]) -> Result<Taken, Refusal> {
        take(&Latencies::NONE, "PutEvents", &json!({"Entries": entries}))
    }

    fn entry(kind: &str, detail: &str) -> Json {
        json!({"EventBusName": "b", "Source": "/a", "DetailType": kind, "Detail": detail, "Time": 0})
    }

    #[test]
    fn what_eventbridge_refuses_is_refused() {
        let large = format!(r#"{{"note":"{}"}}"#, "x".repeat(BYTES / 2));
        assert!(put(&vec![entry("t", "{}"); 11]).is_err());
        assert!(put(&[entry("t", &large), entry("t", &large)]).is_err());
        assert!(put(&[entry("t", "[]")]).is_err() && put(&[entry("t", "{")]).is_err());
        assert!(put(&[entry(&"t".repeat(129), "{}")]).is_err());
        assert!(put(&[]).is_err());
    }

    #[test]
    fn an_event_is_billed_once_per_64_kilobytes_begun() {
        let large = format!(r#"{{"note":"{}"}}"#, "x".repeat(BILLED));
        let taken = put(&[entry("t", &large), entry("t", "{}")]).unwrap();
        assert_eq!((taken.tally.items, taken.tally.units), (2, 3));
    }
}
