//! `acequia doctor` against the deployed stage: what is well, what is not, and what it may not look at.

use e2e::world;
use serde_json::{Value as Json, json};

/// The lines of one check.
fn lines<'a>(document: &'a Json, check: &str) -> Vec<&'a Json> {
    document["checks"].as_array().unwrap().iter().filter(|line| line["check"] == check).collect()
}

fn diagnosis(arguments: &[&str]) -> (i32, Json) {
    let ran = world().run(&[&["--output", "json", "doctor"], arguments].concat(), "");
    (
        ran.code,
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr)),
    )
}

/// A tenant that has queues and no configuration, as `unknown` has, is a failure; what is deployed as it must be is
/// well.
#[test]
fn doctor_finds_what_is_wrong_with_the_stage_and_what_is_well() {
    let (code, found) = diagnosis(&[]);
    assert_eq!((code, &found["deployed"]), (1, &json!(true)), "{found}");
    for check in ["platform", "stacks", "tables", "mappings", "configurations"] {
        let verdicts: Vec<_> = lines(&found, check).iter().map(|line| line["verdict"].clone()).collect();
        assert_eq!(verdicts, ["ok"], "{check}: {found}");
    }
    let stray =
        lines(&found, "queues").into_iter().find(|line| line["found"].as_str().unwrap().starts_with("unknown "));
    let stray = stray.unwrap_or_else(|| panic!("{found}"));
    assert_eq!((&stray["verdict"], &stray["mend"]), (&json!("fail"), &json!("acequia tenant apply unknown.toml")));
    // Other tests subscribe meanwhile.
    let heard = lines(&found, "notifications")[0]["found"].as_str().unwrap().to_owned();
    assert!(heard.contains("subscriber"), "{heard}");
    assert!(lines(&found, "mail-rate")[0]["found"].as_str().unwrap().contains("SES allows"), "{found}");
    for line in found["checks"].as_array().unwrap() {
        let bad = ["warn", "fail"].contains(&line["verdict"].as_str().unwrap());
        assert_eq!(bad, line["mend"].is_string(), "what is bad has a command that mends it: {line}");
    }
    let said = found.to_string();
    assert!(world().secrets.iter().all(|secret| !said.contains(secret)) && !said.contains("hello@alder.example"));
}

#[test]
fn before_a_deployment_doctor_looks_at_the_account_and_the_files_alone() {
    let world = world();
    let file = world.environment.root.join("examples/tenants/acme.toml");
    let (code, found) = diagnosis(&["--stage", "nowhere", "--before", file.to_str().unwrap()]);
    assert_eq!((code, &found["deployed"]), (1, &json!(false)), "acme.example is no identity of SES: {found}");
    assert_eq!(lines(&found, "senders")[0]["mend"], "aws sesv2 create-email-identity --email-identity acme.example");
    assert_eq!((lines(&found, "files")[0]["verdict"].clone(), lines(&found, "queues").len()), (json!("ok"), 0));
    assert!(lines(&found, "concurrency")[0]["found"].as_str().unwrap().contains("may take 30"), "{found}");

    let (code, found) = diagnosis(&["--stage", "nowhere"]);
    assert_eq!(
        (code, lines(&found, "platform")[0]["mend"].clone()),
        (1, json!("deploy the platform with --config-env nowhere, as README.md says"))
    );
}

/// A role with few permissions is told which others would show more; nothing that was not seen is called well.
#[test]
fn doctor_says_what_it_may_not_look_at_and_which_commands_cannot_work() {
    let world = world();
    let name = "doctor-narrow";
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",
        "Action": ["iam:SimulatePrincipalPolicy", "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:SendMessage"]}]});
    let narrow = world.aws.make_user(name, &policy);
    let ran = world.run_as(&narrow, &["--output", "json", "doctor"], "");
    let found: Json = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &found["deployed"]), (0, &Json::Null), "{found}");
    for check in ["mail-account", "tables", "alarms", "queues", "mappings", "stacks"] {
        let line = lines(&found, check)[0];
        assert_eq!(line["verdict"], "skipped", "{found}");
        assert!(line["found"].as_str().unwrap().contains("it would tell whether") || check == "alarms", "{line}");
    }
    let missing: Vec<String> = lines(&found, "permissions").iter().map(|line| line["found"].to_string()).collect();
    let says = |text: &str| missing.iter().any(|line| line.contains(text));
    assert!(says("sqs:ReceiveMessage is not allowed: dlq") && !says("sqs:SendMessage"), "{missing:?}");
    assert!(!ran.stdout.contains(name), "a user's name is often a mail address");
}
