//! Secrets and people's addresses stay out of the logs, the ledger and what the command prints.

use std::path::Path;

use e2e::world::{SECRET_HEADER, event};
use e2e::{eventually, world};
use serde_json::json;

const ADDRESS: &str = "very-private-person@example.org";

/// The names of all functions.
fn functions() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let packages = entries.filter(|path| path.join("Cargo.toml").exists());
    packages.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// All log lines of all functions.
fn logs() -> String {
    let aws = &world().aws;
    let mut text = String::new();
    for function in functions() {
        let mut call = json!({"logGroupName": format!("/aws/lambda/acequia-local-{function}"), "limit": 10_000});
        loop {
            let answer = aws.json("logs", "Logs_20140328.FilterLogEvents", &call).unwrap();
            for line in answer["events"].as_array().into_iter().flatten() {
                text += line["message"].as_str().unwrap_or_default();
                text.push('\n');
            }
            match answer["nextToken"].as_str() {
                Some(token) => call["nextToken"] = json!(token),
                None => break,
            }
        }
    }
    text
}

#[test]
fn secrets_addresses_and_payloads_are_in_no_log_and_no_output() {
    let world = world();
    let data = json!({"email": ADDRESS, "first_name": "Xanthippe"});
    let hole = event("mail", "secrecy-hole", &json!({"email": ADDRESS}));
    world.send("alder", &[&event("mail", "secrecy-mail", &data), &event("plain.e", "secrecy-hook", &data), &hole]);
    eventually("the mail", || (!world.mails(ADDRESS).is_empty()).then_some(()));
    eventually("the webhook", || (!world.requests("plain", "secrecy-hook").is_empty()).then_some(()));
    eventually("the failure", || world.quarantined("alder", "email", &hole));
    // The failure is logged, so the logs are there and have come as far as this.
    let logs = eventually("the failure in the logs", || Some(logs()).filter(|logs| logs.contains("template-variable")));
    let explained = ["secrecy-mail", "secrecy-hook", "secrecy-hole"]
        .map(|id| world.acequia(&["--output", "json", "explain", "alder", &format!("/e2e|{id}")], ""));
    let shown = world.acequia(&["--output", "json", "tenant", "show", "alder"], "");
    let secrets = world.secrets.iter().map(String::as_str).chain([SECRET_HEADER]);
    for text in secrets.clone() {
        let text = text.trim_start_matches("whsec_");
        assert!(!logs.contains(text), "a secret is in the logs");
        assert!(!shown.contains(text), "a secret is shown");
    }
    for text in secrets.chain([ADDRESS, "Xanthippe"]) {
        assert!(!logs.contains(text), "{text} is in the logs");
        assert!(explained.iter().all(|explained| !explained.contains(text)), "{text} is in the ledger");
    }
}
