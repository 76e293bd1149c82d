//! Replays: archived events that are sent again, by the deployed functions and the operator's policy.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

/// What every order has in common: the events of this run, whatever else the archive holds.
const LATELY: [&str; 4] = ["--from", "30m", "--to", "0s"];

fn order<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["replay", "birch"], &LATELY[..], more].concat()
}

/// Sends events of a type, and waits until as many are in the archive.
pub(crate) fn keep(kind: &str, count: usize) {
    let events: Vec<String> = (0..count).map(|n| event(kind, &format!("{kind}-{n:02}"), &json!({"n": n}))).collect();
    for batch in events.chunks(10) {
        world().send("birch", &batch.iter().map(String::as_str).collect::<Vec<_>>());
    }
    eventually("the events are in the archive", || {
        let counted = counted(&["--type", kind, "--sink", "neighbour", "--same-id"]);
        (counted["events"] == count).then_some(())
    });
}

fn counted(more: &[&str]) -> Json {
    world().read(&order(&[more, &["--dry-run"]].concat()))
}

/// The ids with which events came to an endpoint, by event; each as often as it came.
pub(crate) fn arrived(endpoint: &str, kind: &str) -> BTreeMap<String, Vec<(String, Option<String>)>> {
    let mut arrived: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for request in world().requests(endpoint, &format!("\"{kind}\"")) {
        assert_eq!(request["verified"], true, "{request}");
        let body: Json = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
        let header = |name: &str| request["headers"][name].as_str().map(str::to_owned);
        let id = header("webhook-id").unwrap();
        arrived.entry(body["id"].as_str().unwrap().to_owned()).or_default().push((id, header("acequia-replay-of")));
    }
    arrived
}

#[test]
fn a_dry_run_counts_what_arrives_under_the_ids_it_had_or_under_new_ones_that_name_them() {
    let kind = "kept.twice";
    keep(kind, 12);
    eventually("all arrived the first time", || (arrived("neighbour", kind).len() == 12).then_some(()));
    let more = ["--type", kind, "--sink", "neighbour", "--same-id", "--rate", "1000/s"];
    let counted = counted(&more);
    assert_eq!((&counted["deliveries"], &counted["counts"][0]["sink"]), (&json!(12), &json!("neighbour")));
    assert!(counted["price"]["sum"].as_f64().unwrap() > 0.0);
    let done = world().read(&order(&[&more[..], &["--yes", "--beside"]].concat()));
    assert_eq!((&done["state"], &done["deliveries"]), (&json!("done"), &counted["deliveries"]));
    let of = |times: usize| {
        eventually("each arrived again", || {
            let arrived = arrived("neighbour", kind);
            (arrived.len() == 12 && arrived.values().all(|ids| ids.len() == times)).then_some(arrived)
        })
    };
    for ids in of(2).values() {
        assert_eq!(ids[0], ids[1], "the receiver can drop it");
        assert_eq!(ids[0].1, None);
    }
    let fresh = ["--type", kind, "--sink", "neighbour", "--fresh-id", "--yes", "--beside"];
    world().read(&order(&fresh));
    let all = of(3);
    let mut new = BTreeSet::new();
    for ids in all.values() {
        let (first, again) = (&ids[0].0, ids.iter().find(|(_, of)| of.is_some()).unwrap());
        assert_eq!(again.1.as_ref(), Some(first));
        assert!(new.insert(again.0.clone()) && again.0 != *first, "{again:?}");
    }
    let told = eventually("the ledger has each by itself", || {
        let told = world().read(&["explain", "birch", &format!("/e2e|{kind}-00")]);
        let to_it = told["deliveries"].as_array().unwrap().iter().filter(|one| one["sink"] == "neighbour").count();
        (to_it == 3).then_some(told)
    });
    let replays: Vec<&Json> = told["deliveries"].as_array().unwrap().iter().map(|one| &one["replay"]).collect();
    assert!(replays.contains(&&done["id"]) && replays.contains(&&Json::Null), "{told}");
}

#[test]
fn a_sink_that_was_added_later_gets_what_was_kept_before_and_one_event_goes_by_its_id() {
    let kind = "kept.late";
    keep(kind, 5);
    assert!(arrived("late", kind).is_empty());
    let text = world().document("birch").replace(r#"types = ["late"]"#, &format!(r#"types = ["{kind}"]"#));
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let apply = ["tenant", "apply", file.path().to_str().unwrap(), "--yes"];
    // Another test may change the tenant at the same moment.
    eventually("the sink takes them now", || (world().run(&apply, "").code == 0).then_some(()));
    let one = format!("/e2e|{kind}-03");
    world().read(&order(&["--event", &one, "--sink", "late", "--same-id", "--yes", "--beside"]));
    eventually("the one that was named arrived", || {
        let ids: Vec<String> = arrived("late", kind).into_keys().collect();
        (!ids.is_empty()).then(|| assert_eq!(ids, [format!("{kind}-03")]))
    });
    let unmatched = ["--type", kind, "--sink", "late", "--status", "unmatched", "--same-id", "--yes", "--beside"];
    let done = world().read(&order(&unmatched));
    assert_eq!(done["deliveries"], 5, "the ledger knows of none but a replay's");
    eventually("all of them arrived", || (arrived("late", kind).len() == 5).then_some(()));
}

/// Begins a replay, two a second; answers it when it has sent something, and its id.
fn begun(kind: &str) -> (Child, String) {
    let world = world();
    let more = ["--type", kind, "--sink", "again", "--fresh-id", "--rate", "2/s", "--yes", "--beside"];
    let known: BTreeSet<String> = replays().into_iter().map(|(id, _)| id).collect();
    let child = Command::new(&world.environment.acequia)
        .args(order(&more))
        .env_clear()
        .envs([
            ("AWS_ENDPOINT_URL", world.environment.endpoint.as_str()),
            ("AWS_REGION", &world.environment.region),
            ("ACEQUIA_STAGE", &world.environment.stage),
        ])
        .envs(world.operator.variables())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = eventually("the replay is under way", || {
        let new = replays().into_iter().find(|(id, query)| !known.contains(id) && query.contains(kind));
        new.map(|(id, _)| id)
    });
    (child, id)
}

fn replays() -> Vec<(String, String)> {
    let listed = world().read(&["replay", "list", "birch"]);
    let of = |one: &Json| (one["id"].as_str().unwrap().to_owned(), one["query"].to_string());
    listed.as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_replay_that_is_killed_or_stopped_goes_on_and_every_event_arrives_by_it() {
    let kind = "kept.again";
    keep(kind, 14);
    eventually("all arrived the first time", || (arrived("again", kind).len() == 14).then_some(()));
    let by_replay = || arrived("again", kind).into_values().map(|ids| ids.len() - 1).collect::<Vec<_>>();
    let (mut child, id) = begun(kind);
    eventually("some arrived again", || (by_replay().iter().sum::<usize>() >= 3).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let resume = ["--output", "json", "replay", "resume", "birch", &id, "--rate", "1000/s", "--beside"];
    let held = world().run(&resume, "");
    assert_eq!(held.code, 5, "{}", held.stderr);
    assert!(held.stderr.contains("stop it and go on with it"), "{}", held.stderr);
    let status = world().acequia(&["status", "birch"], "");
    assert!(status.contains(&format!("replay {id} is running")), "{status}");
    let stopped = world().read(&["replay", "stop", "birch", &id]);
    assert_eq!(stopped["state"], "stopped");
    let done: Json = serde_json::from_str(&world().acequia(&resume, "")).unwrap();
    assert_eq!((&done["state"], &done["deliveries"]), (&json!("done"), &json!(14)));
    eventually("all arrived again", || by_replay().iter().all(|times| *times >= 1).then_some(()));
    for (event, ids) in arrived("again", kind) {
        let again: BTreeSet<_> = ids.iter().filter(|(_, of)| of.is_some()).collect();
        assert_eq!(again.len(), 1, "{event} came by one id, however often: {ids:?}");
    }
    let (mut child, second) = begun(kind);
    world().read(&["replay", "stop", "birch", &second]);
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), Some(1), "its runner learned of it");
    let shown = world().read(&["replay", "show", "birch", &second]);
    assert_eq!(shown["state"], "stopped");
    assert!(shown["deliveries"].as_u64().unwrap() < 14, "{shown}");
}

#[test]
fn a_sink_in_shadow_mode_tells_what_it_would_have_sent_of_live_events_and_of_a_replay() {
    let kind = "kept.ghost";
    keep(kind, 3);
    let told = || world().read(&["explain", "birch", &format!("/e2e|{kind}-01")]);
    let of = |told: &Json| -> Vec<Json> {
        let all = told["deliveries"].as_array().unwrap().iter();
        all.filter(|one| one["sink"] == "ghost").cloned().collect()
    };
    let live = eventually("the live event is recorded", || of(&told()).pop());
    assert_eq!((&live["status"], &live["attempts"][0]["outcome"]), (&json!("shadowed"), &json!("shadowed")));
    let detail = live["attempts"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("shadow: would send ") && detail.contains(" headers to "), "{detail}");
    // What nothing was sent of is unmatched.
    let more = ["--type", kind, "--sink", "ghost", "--status", "unmatched", "--fresh-id", "--yes", "--beside"];
    assert_eq!(world().read(&order(&more))["deliveries"], 3);
    eventually("the replay's is recorded, too", || {
        let both = of(&told());
        (both.len() == 2).then(|| assert!(both.iter().all(|one| one["status"] == "shadowed"), "{both:?}"))
    });
    assert!(arrived("ghost", kind).is_empty());
}
