//! The bounds of a request, on the deployed function: the API before it checks none of them here.

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::json;

use crate::door::{BATCH, LINES, key, post, zipped};

const MIB: usize = 1024 * 1024;
const GZIP: (&str, &str) = ("Content-Encoding", "gzip");

#[test]
fn what_is_too_large_is_refused_as_a_whole_and_an_event_that_is_too_large_alone() {
    let world = world();
    let key = key("alder", &[]);
    let many = |count: usize| (0..count).map(|n| event("none", &format!("bounds-{n}"), &json!({}))).collect::<Vec<_>>();
    let padded = |bytes: usize| {
        let mut body = event("none", "bounds-padded", &json!({}));
        body.extend(std::iter::repeat_n(' ', bytes - body.len()));
        body
    };
    let bomb = || zipped(&format!("[{}]", " ".repeat(64 * MIB)));
    assert!(bomb().len() < 128 * 1024, "it is small on the wire");
    for (what, headers, body, status) in [
        ("1,001 events", &[LINES][..], many(1001).join("\n").into_bytes(), 413),
        ("1,001 events of a batch", &[BATCH], format!("[{}]", many(1001).join(",")).into_bytes(), 413),
        ("4 MiB on the wire", &[LINES], padded(4 * MIB).into_bytes(), 202),
        ("4 MiB + 1 on the wire", &[LINES], padded(4 * MIB + 1).into_bytes(), 413),
        ("a bomb", &[BATCH, GZIP], bomb(), 413),
        ("a bomb that is cut off", &[BATCH, GZIP], bomb()[..bomb().len() / 2].to_vec(), 413),
        ("gzip that is cut off", &[LINES, GZIP], zipped(&padded(1000))[..60].to_vec(), 400),
    ] {
        let answer = post("alder", &key, headers, body);
        assert_eq!(answer.status, status, "{what}: {:?} {:?}", answer.headers, answer.body["detail"]);
    }

    let large = event("out", "bounds-large", &json!({"text": "x".repeat(MIB + 1)}));
    let (one, two) = (event("out", "bounds-one", &json!({})), event("out", "bounds-two", &json!({})));
    let answer = post("alder", &key, &[LINES], [&*one, &large, &two].join("\n"));
    let results = &answer.body["results"];
    assert_eq!((answer.status, &results[1]["reason"]), (207, &json!("too-large")), "{answer:?}");
    for good in [one, two] {
        eventually("the good ones arrive", || {
            world.peek("alder", "out").iter().any(|message| message["Body"] == *good).then_some(())
        });
    }
}
