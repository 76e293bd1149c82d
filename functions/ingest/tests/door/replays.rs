//! Replays over HTTP.

use std::time::Duration;

use acequia_core::port::ReplayStore as _;
use acequia_lambda::http::HttpResponse;
use acequia_testkit::build;
use serde_json::{Value as Json, json};

use crate::world::{World, world};

const REPLAYS: &str = "/v1/tenants/acme/replays";
const WANTED: &str = r#"{"from":"2025-12-01T00:00:00Z","to":"2025-12-02T00:00:00Z","ids":"same","types":["action.*"],
    "match":{"data":{"n":[1]}},"events":["/forms|1"],"sinks":["out"],"rate":5}"#;

impl World {
    async fn ask(&self, path: &str, key: Option<&str>, body: &str) -> (HttpResponse, Json) {
        let mut headers = vec![("content-type", "application/json"), ("Authorization", "acme replay *")];
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        self.request("POST", path, &headers, body).await
    }

    async fn look(&self, path: &str) -> (HttpResponse, Json) {
        self.request("GET", path, &[("Authorization", "acme replay *")], "").await
    }
}

#[tokio::test]
async fn a_replay_that_is_asked_for_waits_is_shown_and_stopped_and_goes_on() {
    let world = world("");
    let (response, asked) = world.ask(REPLAYS, None, WANTED).await;
    assert_eq!((response.status_code, &asked["state"]), (202, &json!("waiting")), "{}", response.body);
    let path = format!("{REPLAYS}/{}", asked["id"].as_str().unwrap());
    assert_eq!(response.headers["location"], path);
    let queued = world.replays.queued(9).await.unwrap();
    assert_eq!(queued.len(), 1);
    let stored = world.replays.load(&build::tenant_id("acme"), &queued[0].id).await.unwrap().unwrap();
    assert!(stored.platform && !stored.dry_run && stored.rate == 5);
    assert_eq!((stored.notes[0].actor.as_str(), stored.config_version), ("https://id.example", 1));
    assert_eq!(stored.query.pattern.as_deref(), Some(r#"{"data":{"n":[1]}}"#));
    assert_eq!(world.look(&path).await.1, asked, "what is shown is what was answered");
    assert_eq!(asked["notes"], json!([{"at": "2026-01-01T00:00:00.000Z", "did": "began"}]), "and names nobody");
    let (busy, problem) = world.ask(REPLAYS, None, WANTED).await;
    assert_eq!((busy.status_code, problem["title"].as_str()), (409, Some("The replay stands otherwise")));
    let (stopped, body) = world.ask(&format!("{path}/stop"), None, "").await;
    assert_eq!((stopped.status_code, &body["state"]), (200, &json!("stopped")));
    let (resumed, body) = world.ask(&format!("{path}/resume"), None, r#"{"rate":7}"#).await;
    assert_eq!((resumed.status_code, &body["state"], &body["rate"]), (202, &json!("waiting"), &json!(7)));
    assert_eq!(world.ask(&format!("{path}/resume"), None, "").await.0.status_code, 409, "it waits already");
    let beside = WANTED.replace("\"rate\":5", "\"beside\":true,\"dry_run\":true");
    assert_eq!(world.ask(REPLAYS, None, &beside).await.1["dry_run"], true);
    let (listed, all) = world.look(REPLAYS).await;
    assert_eq!((listed.status_code, all["replays"].as_array().unwrap().len(), &all["more"]), (200, 2, &json!(false)));
}

#[tokio::test]
async fn a_replay_that_is_asked_for_twice_under_one_key_is_one() {
    let world = world("");
    let (_, first) = world.ask(REPLAYS, Some("k-1"), WANTED).await;
    world.clock.advance(Duration::from_secs(90));
    let (again, second) = world.ask(REPLAYS, Some("k-1"), WANTED).await;
    assert_eq!((again.status_code, again.headers["idempotency-replayed"].as_str()), (202, "true"));
    assert_eq!(second, first);
    let (other, problem) = world.ask(REPLAYS, Some("k-1"), &WANTED.replace("\"same\"", "\"fresh\"")).await;
    assert_eq!(other.status_code, 422, "{problem}");
    assert!(problem["type"].as_str().unwrap().ends_with("#idempotency-key-reused"));
    assert_eq!(world.replays.list(&build::tenant_id("acme")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn who_may_send_events_may_not_replay_them_and_no_tenant_sees_anothers_replays() {
    let world = world("");
    let (_, asked) = world.ask(REPLAYS, None, WANTED).await;
    let id = asked["id"].as_str().unwrap();
    for (token, path, status) in [
        ("acme events:write,events:read *", REPLAYS.to_owned(), 403),
        ("acme events:write,events:read *", format!("{REPLAYS}/{id}"), 403),
        ("bona replay *", format!("{REPLAYS}/{id}"), 403),
        ("bona replay *", format!("/v1/tenants/bona/replays/{id}"), 404),
        ("acme replay *", format!("{REPLAYS}/r9"), 404),
    ] {
        let (response, _) = world.request("GET", &path, &[("Authorization", token)], "").await;
        assert_eq!(response.status_code, status, "{token} {path}");
    }
    let stop = [("Authorization", "bona replay *")];
    let (response, _) = world.request("POST", &format!("{REPLAYS}/{id}/stop"), &stop, "").await;
    assert_eq!(response.status_code, 403);
    assert_eq!(world.look(&format!("{REPLAYS}/{id}")).await.1["state"], "waiting");
}

#[tokio::test]
async fn what_is_no_replay_says_what_and_where_and_nothing_waits() {
    let world = world("");
    let with = |from: &str, to: &str| WANTED.replace(from, to);
    let long = format!("{{\"from\":\"{}", "0".repeat(70_000));
    for (body, status, says) in [
        ("", 400, "EOF"),
        ("[]", 400, "line 1"),
        (&with("\"rate\"", "\"speed\""), 400, "unknown field `speed`"),
        (&with("\"ids\":\"same\",", ""), 400, "missing field `ids`"),
        (&with("2025-12-01T00:00:00Z", "yesterday"), 400, "line 1"),
        (&with("\"rate\":5", "\"rate\":0"), 400, "rate is 0, and may be 1 to 100000"),
        (&with("[\"out\"]", "[\"nope\"]"), 422, "there is no sink nope; there are out"),
        (&with("action.*", "a*b"), 422, "is not an event type"),
        (&with("2025-12-02", "2025-11-02"), 422, "before it begins"),
        (&with("[1]", "1"), 422, "the pattern is none"),
        (&long, 413, "70"),
    ] {
        let (response, problem) = world.ask(REPLAYS, None, body).await;
        assert_eq!(response.status_code, status, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{body}: {problem}");
    }
    let (response, _) = world.request("POST", REPLAYS, &[("Authorization", "acme replay *")], WANTED).await;
    assert_eq!(response.status_code, 415);
    world.replays.writes.go_down();
    assert_eq!(world.ask(REPLAYS, None, WANTED).await.0.status_code, 503);
    assert_eq!(world.counted("stalled"), 1);
    assert!(world.replays.queued(9).await.unwrap().is_empty());
}
