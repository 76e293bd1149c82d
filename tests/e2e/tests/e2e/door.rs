//! The front door, deployed: events come in over HTTP and arrive.

use std::time::{Duration, Instant};

use e2e::http::{Answer, call};
use e2e::world::event;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};
use ureq::http::Request;

/// A key of a tenant, with what `key create` is told beside its name.
#[expect(clippy::disallowed_methods, reason = "how long a key is there is real time")]
pub(crate) fn key(tenant: &str, more: &[&str]) -> String {
    let arguments = [&["key", "create", tenant, "--name", "e2e"], more].concat();
    let key = world().acequia(&arguments, "").trim().to_owned();
    // An instance that had just read the tenant's keys reads them again after two seconds; and there are several.
    let made = Instant::now();
    let is_known = || post(tenant, &key, &[BATCH], "[]").status == 202;
    eventually("the key is known", || (is_known() && made.elapsed() > Duration::from_millis(2500)).then_some(()));
    key
}

/// Where the API answers.
pub(crate) fn address(path: &str) -> String {
    let environment = &world().environment;
    format!("{}/_domain/acequia-{}-ingest{path}", environment.endpoint, environment.stage)
}

/// Sends events to a tenant.
pub(crate) fn post(tenant: &str, key: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let mut request = Request::post(address(&format!("/v1/tenants/{tenant}/events")));
    request = request.header("Authorization", format!("Bearer {key}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    call(request.body(body.into()).unwrap())
}

pub(crate) const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");
pub(crate) const BATCH: (&str, &str) = ("Content-Type", "application/cloudevents-batch+json");

/// Each kind of body comes in, a bad event costs no other, and what came in arrives and is told.
#[test]
fn events_that_came_in_over_http_arrive_to_the_byte_and_are_explained() {
    let world = world();
    let key = key("alder", &["--scope", "events:write", "--scope", "events:read"]);
    let odd = event("out", "door-1", &json!({"n": 1})).replace("\"n\":1", "\"n\": 1.10, \"é\":[]");
    let body = [&odd, "{\"specversion\":\"1.0\"}", &event("out", "door-2", &json!({}))].join("\n");
    let answer = post("alder", &key, &[LINES], body);
    assert_eq!(
        (answer.status, &answer.body["accepted"], &answer.body["refused"]),
        (207, &json!(2), &json!(1)),
        "{answer:?}"
    );
    let packed = zipped(&format!("[{}]", event("out", "door-3", &json!({}))));
    let kinds = [("Content-Type", "application/cloudevents-batch+json"), ("Content-Encoding", "gzip")];
    assert_eq!(post("alder", &key, &kinds, packed).status, 202);
    let binary = [
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "door-4"),
        ("ce-source", "/e2e"),
        ("ce-type", "out"),
    ];
    assert_eq!(post("alder", &key, &binary, "{\"x\": 1}").status, 202);
    let arrived = |id: &str| {
        let wanted = format!("\"id\":\"{id}\"");
        world.peek("alder", "out").into_iter().find(|message| message["Body"].as_str().unwrap().contains(&wanted))
    };
    let first = eventually("the first is in the tenant's queue", || arrived("door-1"));
    assert_eq!(first["Body"], odd.as_str());
    for id in ["door-2", "door-3", "door-4"] {
        eventually(id, || arrived(id));
    }
    let ask = || {
        let request = Request::get(address("/v1/tenants/alder/events/%2Fe2e%7Cdoor-1"));
        let request = request.header("Authorization", format!("Bearer {key}"));
        let answer = call(request.body(Vec::new()).unwrap());
        (answer.status == 200 && answer.body["deliveries"][0]["status"] == "delivered").then_some(answer)
    };
    let told = eventually("it is told that it was delivered", ask);
    assert_eq!(told.body["event"], "/e2e|door-1");
    let route = &told.body["route"];
    let by = key.split('_').take(4).collect::<Vec<_>>().join("_");
    assert_eq!((&route["type"], &route["via"]), (&json!("out"), &json!(format!("http {by}"))), "{route}");
    assert_eq!(route["clauses"]["breaks"], "types", "{route}");
}

/// A text in gzip.
pub(crate) fn zipped(text: &str) -> Vec<u8> {
    let mut gzip = std::process::Command::new("gzip");
    let mut child =
        gzip.arg("-c").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}

/// A request under a key is done once on the real table, whatever comes in between.
#[test]
fn a_request_with_a_key_is_done_once() {
    let world = world();
    let key = key("alder", &[]);
    let headers = [LINES, ("Idempotency-Key", "\"door-once\"")];
    let body = event("out", "once-1", &json!({}));
    let first = post("alder", &key, &headers, body.as_str());
    let again = post("alder", &key, &headers, body.as_str());
    assert_eq!((first.status, again.status, &first.body), (202, 202, &again.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert!(first.headers.get("idempotency-replayed").is_none());
    assert_eq!(post("alder", &key, &headers, event("out", "once-2", &json!({}))).status, 422);
    let route = eventually("it is routed", || {
        let told = world.run(&["--output", "json", "explain", "alder", "/e2e|once-1"], "");
        serde_json::from_str::<Json>(&told.stdout).ok().filter(|told| !told["route"].is_null())
    });
    assert_eq!(route["event"], "/e2e|once-1");
}

/// Events of a tenant that keeps order go through the FIFO intake; events of one that is named wrongly go nowhere.
#[test]
fn a_credential_is_good_for_its_own_tenant_and_scope_alone() {
    let key = key("aspen", &["--type", "ordered"]);
    let ordered =
        |id: &str, kind: &str| event(kind, id, &json!({})).replace("\"data\"", "\"partitionkey\":\"door\",\"data\"");
    let answer = post("aspen", &key, &[LINES], [ordered("door-5", "ordered"), ordered("door-6", "other")].join("\n"));
    assert_eq!((answer.status, &answer.body["results"][1]["reason"]), (207, &json!("not-allowed")), "{answer:?}");
    eventually("it went through the FIFO queues", || {
        world()
            .peek("aspen", "out.fifo")
            .iter()
            .any(|message| message["Body"].as_str().unwrap().contains("door-5"))
            .then_some(())
    });
    let again = post("aspen", &key, &[LINES], ordered("door-5", "ordered"));
    assert_eq!((again.status, &again.body["duplicate"]), (202, &json!(1)), "aspen takes each event once: {again:?}");
    assert!(again.headers["ratelimit-policy"].to_str().unwrap().contains("q=1000"), "{again:?}");
    for (tenant, credential, status) in [
        ("alder", key.as_str(), 403),
        ("aspen", "acq_nonsense", 401),
        ("aspen", "eyJhbGciOiJub25lIn0.eyJ0ZW5hbnQiOiJhc3BlbiJ9.", 401),
        ("nobody", key.as_str(), 403),
    ] {
        let answer = post(tenant, credential, &[LINES], ordered("door-7", "ordered"));
        assert_eq!(answer.status, status, "{tenant}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let request = Request::get(address("/v1/tenants/aspen/events/%2Fe2e%7Cdoor-5"));
    let answer = call(request.header("Authorization", format!("Bearer {key}")).body(Vec::new()).unwrap());
    assert_eq!(answer.status, 403, "the key has no events:read: {answer:?}");
}

/// The platform's issuer is trusted for the tenant that its tokens name, by what the stack's parameters say of it.
#[test]
fn a_token_of_the_platforms_issuer_is_good_for_the_tenant_that_it_names() {
    let receiver = &world().environment.receiver;
    let signed = |tenant: &str| {
        let claims = json!({"iss": format!("{receiver}/_receiver/issuer"), "aud": "acequia", "exp": 4_102_444_800_u64,
            "tenant": tenant, "scope": "events:write"});
        let request = Request::post(format!("{receiver}/_receiver/issuer/token")).body(claims.to_string().into_bytes());
        call(request.unwrap()).body["token"].as_str().unwrap().to_owned()
    };
    let answer = post("alder", &signed("alder"), &[LINES], event("none", "door-token", &json!({})));
    assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(1)), "{answer:?}");
    assert_eq!(post("alder", &signed("birch"), &[LINES], event("none", "door-token", &json!({}))).status, 403);
    let forged = signed("birch").replacen("eyJ", "eyK", 2);
    assert_eq!(post("birch", &forged, &[LINES], event("none", "door-token", &json!({}))).status, 401);
}

/// `acequia send --http` needs the key alone: no credentials of AWS.
#[test]
fn the_command_sends_through_the_door() {
    let world = world();
    let key = key("alder", &[]);
    let bodies: Vec<String> = (0..20).map(|n| event("none", &format!("door-many-{n}"), &json!({}))).collect();
    let mut command = std::process::Command::new(&world.environment.acequia);
    command.args(["send", "alder", "--http", &address(""), "--file", "-"]);
    command.env_clear().env("ACEQUIA_KEY", &key).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), bodies.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("20 events sent"), "{said}");
}

/// What is open to all says what the API is, and that it answers.
#[test]
fn the_open_paths_answer_and_every_other_is_a_problem() {
    for (path, status, kind) in [
        ("/v1/health", 200, "application/json"),
        ("/v1/openapi.json", 200, "application/json"),
        ("/v1/tenants/alder/events", 405, "application/problem+json"),
        ("/v1/tenants/alder", 404, "application/problem+json"),
        ("/v1/tenants/%2e%2e/events", 404, "application/problem+json"),
        ("/v1/tenants/al%00der/events", 404, "application/problem+json"),
    ] {
        let answer = call(Request::get(address(path)).body(Vec::new()).unwrap());
        assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (status, kind), "{path}");
    }
}
