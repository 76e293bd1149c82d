//! Browsers at the door: pages of the origins that the platform names may send, and read what is answered.

use e2e::http::call;
use e2e::world::event;
use serde_json::json;
use ureq::http::Request;

use crate::door::{LINES, address, key, post};

/// What `cargo xtask test` names in the platform's parameter `ApiOrigins`.
const NAMED: &str = "https://forms.example";
const OTHER: &str = "https://forms.example.evil.example";
const ALLOWED: &str = "access-control-allow-origin";

#[test]
fn a_page_of_a_named_origin_may_send_events_and_read_the_answer_and_a_page_of_another_may_not() {
    let preflight = |origin: &str| {
        let request = Request::options(address("/v1/tenants/alder/events")).header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "POST");
        call(request.header("Access-Control-Request-Headers", "authorization,content-type").body(Vec::new()).unwrap())
    };
    let asked = preflight(NAMED);
    assert!(asked.status < 300, "{asked:?}");
    assert_eq!(asked.headers[ALLOWED], NAMED);
    let listed = |name: &str| asked.headers[name].to_str().unwrap().to_ascii_lowercase();
    assert_eq!(listed("access-control-allow-methods"), "post");
    for header in ["authorization", "content-type", "idempotency-key"] {
        assert!(listed("access-control-allow-headers").contains(header), "{asked:?}");
    }
    assert!(asked.headers.get("access-control-allow-credentials").is_none(), "no cookies: {asked:?}");

    let key = key("alder", &[]);
    let from = |origin| post("alder", &key, &[LINES, ("Origin", origin)], event("none", "origin", &json!({})));
    let answer = from(NAMED);
    assert_eq!((answer.status, answer.headers[ALLOWED].to_str().unwrap()), (202, NAMED));
    assert!(answer.headers["access-control-expose-headers"].to_str().unwrap().contains("retry-after"));
    // A problem is read by the page, too.
    let refused = post("alder", "acq_nonsense", &[LINES, ("Origin", NAMED)], "{}");
    assert_eq!((refused.status, refused.headers[ALLOWED].to_str().unwrap()), (401, NAMED));

    for origin in [OTHER, "http://forms.example", "null"] {
        let asked = preflight(origin);
        assert!(asked.headers.get(ALLOWED).is_none(), "{origin}: {asked:?}");
        assert!(from(origin).headers.get(ALLOWED).is_none(), "{origin}");
    }
}
