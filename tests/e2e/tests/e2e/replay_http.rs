//! Replays that are asked for over HTTP, by the deployed functions: the platform runs them.

use std::collections::BTreeSet;
use std::thread;

use e2e::http::{Answer, call};
use e2e::world::run_replays;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};
use ureq::http::Request;

use crate::door::{address, key};
use crate::replay::{arrived, keep};

fn ask(method: &str, key: &str, path: &str, body: &str) -> Answer {
    let address = address(&format!("/v1/tenants/birch/replays{path}"));
    let request = Request::builder().method(method).uri(address);
    let request = request.header("Authorization", format!("Bearer {key}")).header("Content-Type", "application/json");
    call(request.body(body.as_bytes().to_vec()).unwrap())
}

/// All events of a type that are archived, to one sink.
fn wanted(kind: &str, sink: &str, more: &Json) -> String {
    let mut wanted = json!({"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z", "ids": "fresh",
        "types": [kind], "sinks": [sink], "rate": 1_000, "beside": true});
    for (name, value) in more.as_object().unwrap() {
        wanted[name] = value.clone();
    }
    wanted.to_string()
}

/// Has the platform run replays until this one stands so.
fn run_until(key: &str, id: &str, state: &str) -> Json {
    eventually(&format!("replay {id} is {state}"), || {
        let shown = ask("GET", key, &format!("/{id}"), "");
        assert_eq!(shown.status, 200, "{shown:?}");
        if shown.body["state"] == state {
            return Some(shown.body);
        }
        run_replays();
        None
    })
}

fn id(answer: &Answer) -> String {
    assert_eq!((answer.status, &answer.body["state"]), (202, &json!("waiting")), "{answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_replay_that_is_asked_for_over_http_arrives_and_its_dry_run_counted_it() {
    let kind = "kept.http";
    keep(kind, 8);
    eventually("all arrived the first time", || (arrived("neighbour", kind).len() == 8).then_some(()));
    let key = key("birch", &["--scope", "events:write", "--scope", "replay"]);
    let counted = id(&ask("POST", &key, "", &wanted(kind, "neighbour", &json!({"dry_run": true}))));
    let counted = run_until(&key, &counted, "done");
    assert_eq!((&counted["deliveries"], &counted["counts"][0]["sink"]), (&json!(8), &json!("neighbour")));
    assert!(counted["price"].as_f64().unwrap() > 0.0, "{counted}");
    let begun = id(&ask("POST", &key, "", &wanted(kind, "neighbour", &json!({}))));
    let done = run_until(&key, &begun, "done");
    assert_eq!(done["deliveries"], counted["deliveries"]);
    eventually("each arrived again, and by the dry run nothing did", || {
        let arrived = arrived("neighbour", kind);
        arrived.values().all(|ids| ids.len() == 2 && ids.iter().any(|(_, of)| of.is_some())).then_some(())
    });
    let listed = ask("GET", &key, "", "");
    let ids: BTreeSet<&str> =
        listed.body["replays"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.contains(begun.as_str()), "{listed:?}");
    let log = world().read(&["audit", "birch"]);
    let of_it: Vec<&Json> = log["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["summary"].as_str().unwrap().contains(&begun))
        .collect();
    assert_eq!((of_it.len(), &log["intact"]), (2, &json!(true)), "{log}");
    assert!(of_it.iter().all(|row| key.starts_with(row["actor"].as_str().unwrap())), "the key's beginning: {of_it:?}");
}

#[test]
fn a_replay_over_http_is_stopped_while_it_runs_and_goes_on_and_no_other_tenants_key_may() {
    let kind = "kept.halted";
    keep(kind, 14);
    let key = key("birch", &["--scope", "events:write", "--scope", "replay"]);
    let begun = id(&ask("POST", &key, "", &wanted(kind, "neighbour", &json!({"rate": 1}))));
    let foreign = crate::door::key("alder", &["--scope", "events:write", "--scope", "replay"]);
    let weak = crate::door::key("birch", &["--scope", "events:write"]);
    for (key, name) in [(&foreign, "another tenant's"), (&weak, "one without the scope")] {
        for (method, path) in [("GET", String::new()), ("POST", String::new()), ("POST", format!("/{begun}/stop"))] {
            let refused = ask(method, key, &path, "{}");
            assert!([401, 403].contains(&refused.status), "{name}: {refused:?}");
        }
    }
    let runner = thread::spawn(run_replays);
    eventually("it has sent something", || {
        let shown = ask("GET", &key, &format!("/{begun}"), "");
        (shown.body["deliveries"].as_u64().unwrap() > 0).then_some(())
    });
    let stopped = ask("POST", &key, &format!("/{begun}/stop"), "");
    assert_eq!((stopped.status, &stopped.body["state"]), (200, &json!("stopped")), "{stopped:?}");
    runner.join().unwrap();
    let shown = world().read(&["replay", "show", "birch", &begun]);
    assert_eq!((&shown["state"], &shown["platform"]), (&json!("stopped"), &json!(true)));
    assert!(shown["deliveries"].as_u64().unwrap() < 14, "{shown}");
    // The command leaves it to the platform, too.
    world().read(&["replay", "resume", "birch", &begun, "--rate", "1000/s", "--beside", "--detach"]);
    assert_eq!(run_until(&key, &begun, "done")["deliveries"], 14);
    eventually("all arrived again", || {
        let arrived = arrived("neighbour", kind);
        let again = |ids: &Vec<(String, Option<String>)>| ids.iter().any(|(_, of)| of.is_some());
        (arrived.len() == 14 && arrived.values().all(again)).then_some(())
    });
}

#[test]
fn a_replay_that_is_posted_twice_under_one_key_is_one() {
    let key = key("birch", &["--scope", "events:write", "--scope", "replay"]);
    let post = |body: &str| {
        let request = Request::post(address("/v1/tenants/birch/replays"));
        let request =
            request.header("Authorization", format!("Bearer {key}")).header("Content-Type", "application/json");
        call(request.header("Idempotency-Key", "once").body(body.as_bytes().to_vec()).unwrap())
    };
    let body = wanted("kept.never", "neighbour", &json!({}));
    let (first, second) = (post(&body), post(&body));
    assert_eq!((first.status, second.status, &first.body["id"]), (202, 202, &second.body["id"]));
    assert_eq!(post(&wanted("kept.other", "neighbour", &json!({}))).status, 422);
    run_until(&key, first.body["id"].as_str().unwrap(), "done");
}
