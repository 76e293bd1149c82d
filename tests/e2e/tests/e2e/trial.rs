//! `acequia tenant try`: what it shows without AWS is what then arrives.

use e2e::world::{SECRET_HEADER, event};
use e2e::{eventually, world};
use serde_json::{Value as Json, json};

/// What the command shows of some events for alder's file, one answer each.
fn tried(events: &[&str]) -> Vec<Json> {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alder.toml");
    std::fs::write(&file, world.document("alder")).unwrap();
    let arguments = ["--output", "json", "tenant", "try", file.to_str().unwrap(), "-"];
    let ran = world.run(&arguments, &events.join("\n"));
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The delivery to a sink.
fn to<'a>(tried: &'a Json, sink: &str) -> &'a Json {
    let deliveries = tried["deliveries"].as_array().unwrap();
    deliveries.iter().find(|delivery| delivery["sink"] == sink).unwrap_or_else(|| panic!("none to {sink}: {tried}"))
}

#[test]
fn the_request_that_is_shown_arrives() {
    let world = world();
    let body =
        r#"{"type":"plain.t","specversion":"1.0","source":"/e2e","id":"tried","data":{"b":1.50,"country":"DE"}}"#;
    let [tried] = tried(&[body]).try_into().unwrap();
    assert_eq!(tried["taken"], json!(["plain"]));
    let clause = |sink: &str| {
        let filtered = tried["filtered"].as_array().unwrap();
        filtered.iter().find(|filtered| filtered["sink"] == sink).map(|filtered| filtered["clause"].clone()).unwrap()
    };
    assert_eq!((clause("patterned"), clause("mail")), (json!("pattern.data.country"), json!("types")));
    world.send("alder", &[body]);
    let arrived = eventually("the request", || world.requests("plain", "\"tried\"").into_iter().next());
    let shown = to(&tried, "plain");
    assert_eq!(shown["body"], arrived["body"]);
    for (name, value) in shown["headers"].as_object().unwrap() {
        match name.as_str() {
            // Of another time, and by a secret that was not read.
            "webhook-timestamp" => assert!(arrived["headers"][name].is_string()),
            "webhook-signature" => assert_eq!(value, "(signed by secret plain)"),
            "authorization" => {
                assert_eq!((value, &arrived["headers"][name]), (&json!("(secret token)"), &json!(SECRET_HEADER)));
            }
            _ => assert_eq!(value, &arrived["headers"][name], "{name}"),
        }
    }
    // Nothing but what the connection needs comes beside.
    let added: Vec<&String> = arrived["headers"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| shown["headers"].get(*name).is_none())
        .filter(|name| !["host", "content-length", "user-agent", "accept"].contains(&name.as_str()))
        .collect();
    assert!(added.is_empty(), "{added:?} is not shown");
    let explained = world.read(&["explain", "alder", "/e2e|tried"]);
    assert_eq!(explained["route"]["taken"], tried["taken"], "the router took the same sinks");
}

#[test]
fn the_message_and_the_mail_that_are_shown_arrive() {
    let world = world();
    let forwarded = event("out", "tried-out", &json!({"n": 1}));
    let mailed = event("mail", "tried-mail", &json!({"email": "tried@example.org", "first_name": "Ada <b>"}));
    let [out, mail] = tried(&[&forwarded, &mailed]).try_into().unwrap();
    world.send("alder", &[&forwarded, &mailed]);
    let message = eventually("the message", || {
        world.peek("alder", "out").into_iter().find(|message| message["Body"] == forwarded.as_str())
    });
    let shown = to(&out, "out");
    assert!(world.queue_url("alder", "out").ends_with(shown["queue"].as_str().unwrap()), "{shown}");
    assert_eq!(shown["body"], message["Body"]);
    let attributes = message["MessageAttributes"].as_object().unwrap();
    let arrived: serde_json::Map<String, Json> =
        attributes.iter().map(|(name, attribute)| (name.clone(), attribute["StringValue"].clone())).collect();
    assert_eq!(shown["attributes"], Json::Object(arrived));
    let arrived = eventually("the mail", || world.mails("tried@example.org").into_iter().next());
    let shown = to(&mail, "mail");
    assert_eq!((&shown["from"], &shown["subject"]), (&arrived["Source"], &arrived["Subject"]));
    assert_eq!((&shown["text"], &shown["html"]), (&arrived["BodyText"], &arrived["BodyHtml"]));
}
