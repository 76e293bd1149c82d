//! The door over the in-memory ports: requests as an HTTP API hands them over, answers as a client gets them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop it where it was made"
)]

mod replays;
mod world;

use std::time::Duration;

use acequia_core::queue::{QueueName, QueueRole};
use acequia_testkit::build;
use serde_json::{Value as Json, json};
use world::{document, event, lines, world};

fn statuses(body: &Json) -> Vec<String> {
    body["results"].as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_event_is_in_the_queue_to_the_byte_before_the_answer() {
    let world = world("");
    for (kind, body) in [
        ("application/cloudevents+json", event("1")),
        ("application/json", event("2")),
        ("application/cloudevents-batch+json", format!("[{} ,\n {}]", event("3"), event("4"))),
    ] {
        let (response, body) = world.request("POST", "/v1/tenants/acme/events", &[("Content-Type", kind)], &body).await;
        assert_eq!((response.status_code, &body["refused"]), (202, &json!(0)), "{body}");
    }
    assert_eq!(world.taken(), ["1", "2", "3", "4"].map(event));
    assert_eq!((world.counted("requests"), world.counted("accepted")), (3, 4));
    assert!(world.intake.is_empty() && world.rates.faults.calls() == 0, "nothing is written that nobody asked for");
}

#[tokio::test]
async fn a_bad_event_costs_its_neighbours_nothing() {
    let world = world("");
    let foreign = event("5").replace("\"id\"", "\"acequiatenant\":\"bona\",\"id\"");
    let (response, body) = world
        .send(
            None,
            &lines(&[
                &event("1"),
                "{\"specversion\":\"1.0\"}",
                "nonsense",
                &foreign,
                &event("2").replace('n', "\u{ffff}"),
                &event("3"),
            ]),
        )
        .await;
    assert_eq!(response.status_code, 207, "{body}");
    assert_eq!(statuses(&body), ["accepted", "refused", "refused", "refused", "refused", "accepted"]);
    let reasons: Vec<&Json> = body["results"].as_array().unwrap().iter().map(|result| &result["reason"]).collect();
    assert_eq!(
        json!(reasons),
        json!([null, "missing-attribute", "not-json", "foreign-tenant", "missing-attribute", null])
    );
    assert_eq!(body["results"][1]["pointer"], "/id");
    assert_eq!(world.taken(), [event("1"), event("3")]);
    let (response, body) = world.send(None, "nonsense").await;
    assert_eq!((response.status_code, response.headers["content-type"].as_str()), (422, "application/problem+json"));
    assert_eq!(body["status"], 422);
    let noncharacter = event("1").replace("1.10", "\"\u{ffff}\"");
    assert_eq!(world.send(None, &noncharacter).await.1["results"][0]["reason"], "bad-character");
}

#[tokio::test]
async fn each_odd_event_is_taken_to_the_byte_or_refused_by_its_reason_beside_good_ones() {
    let world = world("");
    let with = |id: &str, data: &str| event(id).replace("{\"n\":1.10}", data);
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let cases = [
        (with("1e400", "1e400"), None),
        (with("twice", r#"{"n":1,"n":2}"#), None),
        (with("deep", &deep(63)), None),
        (with("emoji", r#""\ud800""#), None),
        (with("deeper", &deep(64)), Some("too-deep")),
        (event("again").replace("\"id\"", "\"id\":\"first\",\"id\""), Some("not-cloud-events")),
        (event("\\u0000"), Some("bad-attribute")),
        (with("large", &format!("\"{}\"", "x".repeat(1024 * 1024))), Some("too-large")),
        (event("own").replace("/forms", "/acequia/consent"), Some("bad-attribute")),
        (event("half").split_at(40).0.to_owned(), Some("not-json")),
    ];
    let bodies: Vec<&str> = cases.iter().map(|(body, _)| body.as_str()).collect();
    let (response, body) = world.send(None, &lines(&bodies)).await;
    assert_eq!(response.status_code, 207);
    let told: Vec<&Json> = body["results"].as_array().unwrap().iter().map(|result| &result["reason"]).collect();
    let wanted: Vec<Json> = cases.iter().map(|(_, reason)| json!(reason)).collect();
    assert_eq!(told, wanted.iter().collect::<Vec<_>>());
    let good: Vec<&str> = cases.iter().filter(|(_, reason)| reason.is_none()).map(|(body, _)| body.as_str()).collect();
    assert_eq!(world.taken(), good);
}

#[tokio::test]
async fn what_sqs_does_not_take_is_told_and_comes_once_when_it_is_sent_again_with_its_key() {
    let world = world("");
    world.queues.sends.fail_entry(1);
    let body = lines(&[&event("1"), &event("2"), "nonsense", &event("3")]);
    let (response, first) = world.send(Some("k-1"), &body).await;
    assert_eq!((response.status_code, response.headers["retry-after"].as_str()), (503, "2"));
    assert_eq!(statuses(&first), ["accepted", "not-taken", "refused", "accepted"]);
    world.queues.sends.mend();
    let (response, second) = world.send(Some("k-1"), &body).await;
    assert_eq!(
        (response.status_code, statuses(&second)),
        (207, ["accepted", "accepted", "refused", "accepted"].map(str::to_owned).to_vec())
    );
    assert!(!response.headers.contains_key("idempotency-replayed"));
    assert_eq!(world.taken(), [event("1"), event("3"), event("2")]);
    let (response, third) = world.send(Some("k-1"), &body).await;
    assert_eq!((response.headers["idempotency-replayed"].as_str(), third), ("true", second));
    assert_eq!(world.taken().len(), 3);
}

#[tokio::test]
async fn a_key_is_for_one_body_and_for_one_who_asks() {
    let mut world = world("");
    assert_eq!(world.send(Some("k"), &event("1")).await.0.status_code, 202);
    let (response, body) = world.send(Some("k"), &event("2")).await;
    assert_eq!(response.status_code, 422);
    assert!(body["type"].as_str().unwrap().ends_with("#idempotency-key-reused"), "{body}");
    assert_eq!(world.send(Some("a b"), &event("2")).await.0.status_code, 400);
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(world.send(Some("k"), &event("2")).await.0.status_code, 202);
    world.intake.begins.go_down();
    assert_eq!(world.send(Some("other"), &event("3")).await.0.status_code, 503, "without a memory nothing is promised");
    world.token = "acme events:write action.*";
    assert_eq!(world.send(None, &event("3")).await.0.status_code, 202);
}

#[tokio::test]
async fn an_event_that_a_tenant_takes_once_is_a_duplicate_the_second_time_and_a_conflict_with_another_content() {
    let world = world(r#""dedupe":"1h""#);
    let other = event("1").replace("1.10", "2");
    let (_, body) = world.send(None, &lines(&[&event("1"), &event("1"), &other, &event("2")])).await;
    assert_eq!(statuses(&body), ["accepted", "duplicate", "refused", "accepted"]);
    assert_eq!(body["results"][2]["reason"], "payload-conflict");
    let (response, body) = world.send(None, &lines(&[&event("2"), &other, &event("3")])).await;
    assert_eq!(
        (response.status_code, statuses(&body)),
        (207, ["duplicate", "refused", "accepted"].map(str::to_owned).to_vec())
    );
    assert_eq!(world.taken(), ["1", "2", "3"].map(event));
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(statuses(&world.send(None, &event("1")).await.1), ["accepted"], "an hour is over");
}

#[tokio::test]
async fn an_event_that_sqs_did_not_take_may_come_again_though_it_is_taken_once() {
    let world = world(r#""dedupe":"1h""#);
    world.queues.sends.fail_entry(0);
    assert_eq!(statuses(&world.send(None, &lines(&[&event("1"), &event("2")])).await.1), ["not-taken", "accepted"]);
    world.queues.sends.mend();
    assert_eq!(statuses(&world.send(None, &lines(&[&event("1"), &event("2")])).await.1), ["accepted", "duplicate"]);
    world.intake.begins.go_down();
    assert_eq!(statuses(&world.send(None, &event("3")).await.1), ["not-taken"]);
    world.intake.begins.mend();
    // Where the end could not be written, the lease has to end first.
    world.intake.ends.go_down();
    assert_eq!(statuses(&world.send(None, &event("3")).await.1), ["accepted"]);
    world.intake.ends.mend();
    assert_eq!(statuses(&world.send(None, &event("3")).await.1), ["not-taken"]);
    assert_eq!(world.taken().len(), 3);
}

#[tokio::test]
async fn beyond_its_rate_a_tenant_is_told_when_to_come_again_and_nothing_is_taken() {
    let world = world(r#""rate":"10/s","burst":20"#);
    let many = |from: usize, count: usize| {
        let texts: Vec<String> = (from..from + count).map(|number| event(&number.to_string())).collect();
        texts.join("\n")
    };
    let (response, _) = world.send(None, &many(0, 20)).await;
    assert_eq!(response.status_code, 202);
    assert_eq!(response.headers["ratelimit-policy"], "\"events\";q=20;w=2");
    assert_eq!(response.headers["ratelimit"], "\"events\";r=0;t=2");
    let (response, body) = world.send(None, &many(20, 5)).await;
    assert_eq!((response.status_code, response.headers["retry-after"].as_str()), (429, "1"));
    assert!(body["detail"].as_str().unwrap().contains("nothing of this request was taken"));
    assert_eq!((world.taken().len(), world.counted("rate_limited")), (20, 1));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.send(None, &many(20, 5)).await.0.status_code, 202);
}

#[tokio::test]
async fn who_may_not_is_told_nothing_of_the_cause() {
    let mut world = world("");
    for (token, status, kind) in [
        ("acme events:read *", 403, "#forbidden"),
        ("bona events:write *", 403, "#forbidden"),
        ("garbage", 401, "#unauthorized"),
    ] {
        world.token = token;
        let (response, body) = world.send(None, &event("1")).await;
        assert_eq!(response.status_code, status, "{token}");
        assert!(body["type"].as_str().unwrap().ends_with(kind), "{body}");
        assert!(!response.body.contains("scope-missing") && !response.body.contains("other-tenant"), "{body}");
        assert_eq!(response.headers.contains_key("www-authenticate"), status == 401);
    }
    world.token = "zeta events:write *";
    let (response, body) = world.request("POST", "/v1/tenants/zeta/events", &[], &event("1")).await;
    assert_eq!((response.status_code, &body["title"]), (404, &json!("There is no such tenant")));
    assert_eq!((world.taken().len(), world.counted("denied")), (0, 3));
}

#[tokio::test]
async fn a_credential_that_is_bound_to_types_sends_these_alone() {
    let mut world = world("");
    world.token = "acme events:write action.*";
    let other = event("2").replace("action.signed", "donation.made");
    let (_, body) = world.send(None, &lines(&[&event("1"), &other])).await;
    assert_eq!(
        (statuses(&body), &body["results"][1]["reason"]),
        (["accepted", "refused"].map(str::to_owned).to_vec(), &json!("not-allowed"))
    );
}

#[tokio::test]
async fn a_tenant_that_keeps_order_gets_groups_and_nothing_overtakes_what_was_not_taken() {
    let world = world("");
    let ordered =
        QueueName { fifo: true, ..QueueName::new(&build::stage(), &build::tenant_id("zeta"), QueueRole::Intake) };
    let queue = world.stage_queues.make(&ordered);
    world.tenants.put(&build::tenant_id("zeta"), document("").replace("acme", "zeta"));
    world.queues.sends.fail_entry(0);
    let of = |id: &str, key: &str| event(id).replace("\"data\"", &format!("\"partitionkey\":\"{key}\",\"data\""));
    let headers = [("content-type", "application/x-ndjson"), ("Authorization", "zeta events:write *")];
    let body = lines(&[&of("1", "a"), &of("2", "b"), &of("3", "a")]);
    let (_, told) = world.request("POST", "/v1/tenants/zeta/events", &headers, &body).await;
    assert_eq!(statuses(&told), ["not-taken", "accepted", "not-taken"]);
    let messages = world.queues.messages(&queue);
    assert_eq!(messages.iter().map(|message| message.group.as_deref()).collect::<Vec<_>>(), [Some("b")]);
}

#[tokio::test]
async fn every_error_is_a_problem_and_the_open_paths_need_no_credential() {
    let world = world("");
    for (method, path, kind, status) in [
        ("POST", "/v1/tenants/acme/event", "", 404),
        ("GET", "/v1/tenants/acme/events", "", 405),
        // Where no origin is named, the API hands a browser's question on to the function.
        ("OPTIONS", "/v1/tenants/acme/events", "", 405),
        ("POST", "/v1/tenants/acme/events", "text/plain", 415),
        ("POST", "/v1/tenants/acme/events", "application/cloudevents-batch+json", 400),
    ] {
        let (response, body) = world.request(method, path, &[("content-type", kind)], "{").await;
        assert_eq!((response.status_code, &body["status"]), (status, &json!(status)), "{method} {path}");
        assert_eq!(response.headers["content-type"], "application/problem+json");
        assert!(!response.headers.keys().any(|name| name.starts_with("access-control-")), "{method} {path}");
    }
    let (response, body) = world.request("GET", "/v1/health", &[("Authorization", "")], "").await;
    assert_eq!((response.status_code, body), (200, json!({"status": "ok"})));
    let (response, body) = world.request("GET", "/v1/openapi.json", &[("Authorization", "")], "").await;
    assert_eq!((response.status_code, &body["openapi"]), (200, &json!("3.1.0")));
    assert!(world.request("HEAD", "/v1/health", &[], "").await.0.body.is_empty());
}

#[tokio::test]
async fn where_something_does_not_answer_the_answer_is_503_and_a_line_says_so() {
    let world = world(r#""rate":"10/s""#);
    world.stage_queues.finds.go_down();
    assert_eq!(world.send(None, &event("1")).await.0.status_code, 503);
    world.stage_queues.finds.mend();
    world.rates.faults.go_down();
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.send(None, &event("1")).await.0.status_code, 503);
    world.rates.faults.mend();
    world.queues.sends.go_down();
    let (response, body) = world.send(None, &event("1")).await;
    assert_eq!((response.status_code, statuses(&body)), (503, vec!["not-taken".to_owned()]));
    assert_eq!((world.counted("failed"), world.counted("not_taken")), (3, 1));
    world.queues.sends.mend();
    world.tenants.reads.go_down();
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.send(None, &event("1")).await.0.status_code, 503);
    assert_eq!(world.taken().len(), 0);
}
