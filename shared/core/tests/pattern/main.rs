//! Event patterns against what `EventBridge`'s own matcher answered (<https://github.com/aws/event-ruler>): each line
//! of `pattern/*.ndjson` is a pattern, an event, and `yes`, `no` or `refused`.
#![expect(clippy::unwrap_used, reason = "a test program")]

mod bounds;
mod neighbours;
mod refused;

use std::path::Path;

use acequia_core::routing::pattern::{Pattern, Reader, Steps};
use serde_json::value::RawValue;

fn answer(pattern: &str, event: Option<&str>) -> String {
    let mut reader = Reader::default();
    let pattern = match Pattern::compile(pattern, &mut reader) {
        Ok(pattern) => pattern,
        Err(error) => return format!("refused ({error})"),
    };
    let Some(event) = event else { return "valid".to_owned() };
    let raw: &RawValue = serde_json::from_str(event).unwrap();
    let seen = reader.read(raw).unwrap();
    match pattern.judge(&seen, &mut Steps::default()) {
        Ok(()) => "yes".to_owned(),
        Err(_) => "no".to_owned(),
    }
}

#[test]
fn every_answer_is_eventbridges() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pattern/cases.ndjson");
    let text = std::fs::read_to_string(file).unwrap();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let (pattern, event, wanted): (String, Option<String>, String) = serde_json::from_str(line).unwrap();
        let got = answer(&pattern, event.as_deref());
        if !got.starts_with(&wanted) {
            wrong.push(format!("{pattern} on {}: {wanted}, and not {got}", event.unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), text.lines().count(), wrong.join("\n"));
}
