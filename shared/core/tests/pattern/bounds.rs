//! The time of a judgement is linear in the event, whatever the pattern: counted in steps, which are parts of the event
//! looked at.

use acequia_core::routing::pattern::{MAX_FIELDS, Pattern, Reader, Steps};
use serde_json::value::RawValue;

/// A pattern, and an event of which a part comes `n` times.
type Case = (&'static str, fn(usize) -> String);

fn list(n: usize, element: &str) -> String {
    format!("[{}]", vec![element; n].join(","))
}

/// Lists of equal elements in place of texts, objects in lists in lists, names that come again: what a producer can
/// send.
const CASES: [Case; 9] = [
    (r#"{"d":{"a":["x"],"b":["x"]}}"#, |n| format!(r#"{{"d":{{"a":{0},"b":{0}}}}}"#, list(n, "\"y\""))),
    (r#"{"d":{"a":["x"],"b":["x"],"c":["z"]}}"#, |n| {
        format!(r#"{{"d":{{"a":{0},"b":{0},"c":{1}}}}}"#, list(n, "\"x\""), list(n, "\"y\""))
    }),
    (r#"{"t":["t"],"d":{"country":["FR"],"amount":[{"numeric":[">",10]}]}}"#, |n| {
        format!(r#"{{"t":{0},"d":{{"country":{0},"amount":{1}}}}}"#, list(n, "\"FR\""), list(n, "1"))
    }),
    (r#"{"d":{"a":[{"exists":true}],"b":[{"exists":true}],"c":[{"exists":true}],"e":["x"]}}"#, |n| {
        format!(r#"{{"d":{{"a":{0},"b":{0},"c":{0},"e":{0}}}}}"#, list(n, "1"))
    }),
    (r#"{"d":{"a":["x"],"b":["y"]}}"#, |n| format!(r#"{{"d":{}}}"#, list(n, r#"{"a":"x","b":"x"}"#))),
    (r#"{"d":{"a":[{"exists":false}],"b":{"c":["x"]}}}"#, |n| {
        format!(r#"{{"d":{}}}"#, list(n, r#"{"b":[{"c":"y"},{"c":["z","z"]}]}"#))
    }),
    (r#"{"d":{"a":[{"exists":false}],"b":[{"exists":false}]}}"#, |n| {
        // Lists in lists, sixty deep.
        format!(r#"{{"d":{}{}{}}}"#, "[".repeat(60), vec![r#"{"a":1}"#; n].join(","), "]".repeat(60))
    }),
    (r#"{"d":{"$or":[{"a":["x"]},{"b":["x"]}],"c":{"$or":[{"e":["x"]},{"f":["x"]}]}}}"#, |n| {
        format!(r#"{{"d":{}}}"#, list(n, r#"{"a":"x","c":[{"e":"y","f":"y"},{"g":1}]}"#))
    }),
    (r#"{"d":{"a":{"b":{"c":["x"]}}}}"#, |n| {
        format!(r#"{{"d":{{"a":{}}}}}"#, list(n, r#"{"b":[{"c":[["y"],["y"]]},{"c":"y"}]}"#))
    }),
];

fn steps(pattern: &str, event: &str) -> u64 {
    let mut reader = Reader::default();
    let pattern = Pattern::compile(pattern, &mut reader).unwrap();
    let raw: &RawValue = serde_json::from_str(event).unwrap();
    let mut steps = Steps::default();
    let _ = pattern.judge(&reader.read(raw).unwrap(), &mut steps);
    steps.0
}

#[test]
fn twice_the_event_takes_at_most_twice_the_steps() {
    for (pattern, event) in CASES {
        let (once, twice) = (steps(pattern, &event(1_000)), steps(pattern, &event(2_000)));
        assert!(once > 0 && twice <= 2 * once + 100, "{pattern}: {once} steps, and {twice} for twice as much");
    }
}

#[test]
fn an_event_takes_a_few_steps_per_byte_and_field_at_most() {
    for (pattern, event) in CASES {
        let event = event(2_000);
        let steps = steps(pattern, &event);
        // Lists in lists are gone through once for each level where `exists: false` is asked of them.
        let most = 64 * u64::try_from(event.len()).unwrap();
        assert!(steps <= most, "{pattern}: {steps} steps for {} bytes", event.len());
    }
}

#[test]
fn the_largest_pattern_on_the_worst_event_stays_linear() {
    let fields: Vec<String> = (0..MAX_FIELDS).map(|number| format!(r#""f{number}":["x"]"#)).collect();
    let pattern = format!(r#"{{"d":{{{}}}}}"#, fields.join(","));
    let element: Vec<String> = (0..MAX_FIELDS).map(|number| format!(r#""f{number}":"x""#)).collect();
    // All fields hold but the last, in each element.
    let element = format!("{{{}}}", element.join(",")).replace(r#""f63":"x""#, r#""f63":"y""#);
    let event = |n: usize| format!(r#"{{"d":{}}}"#, list(n, &element));
    let (once, twice) = (steps(&pattern, &event(100)), steps(&pattern, &event(200)));
    assert!(twice <= 2 * once + 100, "{once} steps, and {twice} for twice as much");
    assert!(once <= u64::try_from(event(100).len()).unwrap(), "{once} steps for {} bytes", event(100).len());
}
