//! The operator's command against the deployed stacks.

use e2e::world::event;
use e2e::{eventually, world};
use serde_json::json;

/// What is wrong with a configuration is said with the field's path, and nothing is written.
#[test]
fn a_wrong_configuration_is_refused_with_the_fields_path_and_nothing_is_written() {
    let world = world();
    let valid = std::fs::read_to_string(world.environment.root.join("examples/tenants/acme.toml")).unwrap();
    let rows = [
        ("kind = \"webhook\"", "kind = \"webhook\"\ncolour = \"red\"", "colour"),
        ("https://crm.acme.example", "http://crm.acme.example", "url"),
        ("https://crm.acme.example/hooks/acequia", "https://10.0.0.1/", "url"),
        ("id = \"thanks\"", "id = \"crm\"", "id"),
        ("{{ data.first_name }}!", "{{ data.first_name !", "subject"),
        (
            "types = [\"action.signed\"]",
            "types = [\"action.signed\"]\npattern = { data = { country = \"FR\" } }",
            "pattern",
        ),
    ];
    for (from, to, path) in rows {
        assert!(valid.contains(from), "{from}");
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), valid.replacen(from, to, 1)).unwrap();
        let ran = world.run(&["tenant", "apply", file.path().to_str().unwrap(), "--yes"], "");
        assert_ne!(ran.code, 0, "{to} was applied");
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains(path), "{to}: {said}");
    }
    let listed = world.read(&["tenant", "list"]).to_string();
    assert!(!listed.contains("acme"), "nothing was written: {listed}");
}

#[test]
fn the_examples_are_valid() {
    let world = world();
    for tenant in ["acme", "bona", "cedar", "dalia", "encina"] {
        let file = world.environment.root.join(format!("examples/tenants/{tenant}.toml"));
        world.acequia(&["tenant", "validate", file.to_str().unwrap()], "");
    }
}

#[test]
fn status_and_tally_account_for_a_tenant() {
    let world = world();
    let status = world.read(&["status", "alder"]).to_string();
    for queue in ["intake", "webhook", "email", "forward", "out"] {
        assert!(status.contains(queue), "{queue}: {status}");
    }
    let tally = world.read(&["tally", "alder"]);
    assert!(tally["sinks"].as_array().is_some_and(|sinks| !sinks.is_empty()), "{tally}");
}

#[test]
fn a_stage_without_a_platform_is_named_with_its_region() {
    for command in [&["--stage", "nosuch", "status"][..], &["--stage", "nosuch", "dlq", "list", "alder"]] {
        let ran = world().run(command, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{command:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("stage nosuch in region "), "{command:?}: {}", ran.stderr);
    }
}

#[test]
fn a_secret_that_is_there_is_not_made_anew_unless_that_is_asked_for() {
    let world = world();
    let made = world.read(&["secret", "put", "rowan", "once", "--for", "webhook", "--generate", "--overwrite"]);
    let ran = world.run(&["secret", "put", "rowan", "once", "--for", "webhook", "--generate"], "");
    assert_eq!(ran.code, 5, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("rowan has a webhook secret once already"), "{}", ran.stderr);
    let name = format!("/acequia/{}/tenant/rowan/webhook/once", world.environment.stage);
    let ask = serde_json::json!({"Name": name, "WithDecryption": true});
    let stored = world.aws.json("ssm", "AmazonSSM.GetParameter", &ask).unwrap();
    assert_eq!(stored["Parameter"]["Value"], made["generated"], "it is as it was");
}

/// Rowan's file, changed, as a file of its own.
fn rowan(from: &str, to: &str) -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(world().environment.root.join("tests/e2e/tenants/rowan.toml")).unwrap();
    assert!(text.contains(from), "rowan's file has no {from}");
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), text.replacen(from, to, 1)).unwrap();
    file
}

#[test]
fn a_file_that_sends_from_anothers_domain_or_fills_anothers_queue_is_not_applied() {
    let far = "queue = \"arn:aws:sqs:us-east-1:111122223333:birchs-own\"";
    for (from, to, path, parameter) in [
        ("hello@alder.example", "hello@birch.example", "mail.from", "SenderDomains"),
        ("queue = \"out\"", far, "sinks[0].queue", "ForwardTargets"),
    ] {
        let file = rowan(from, to);
        let ran = world().run(&["tenant", "apply", file.path().to_str().unwrap(), "--yes"], "");
        assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(path) && ran.stderr.contains(parameter), "{}", ran.stderr);
    }
}

#[test]
fn a_file_that_names_a_secret_which_is_not_there_is_applied_and_the_command_that_writes_it_is_said() {
    let sink = "\n[[sinks]]\nid = \"hook\"\nkind = \"webhook\"\ntypes = [\"none\"]\nurl = \"https://example.org/\"\nsecrets = [\"nope\"]\n";
    let file = rowan("queue = \"out\"\n", &format!("queue = \"out\"\n{sink}"));
    let ran = world().run(&["tenant", "apply", file.path().to_str().unwrap(), "--dry-run"], "");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let put = "acequia secret put rowan nope --for webhook --generate";
    assert!(ran.stderr.contains(put), "{}", ran.stderr);
}

#[test]
fn what_failed_for_good_is_found_by_its_sink_and_says_where_to_look() {
    let world = world();
    world.switch("lost", "404");
    world.send("alder", &[&event("lost", "search-1", &json!({}))]);
    let found = eventually("it is found", || {
        let found = world.read(&["search", "alder", "--sink", "lost", "--type", "lost", "--since", "1h"]);
        found["found"].as_array()?.iter().find(|one| one["event"] == "/e2e|search-1").cloned()
    });
    assert_eq!((&found["reason"], &found["fault"]), (&json!("attempts-exhausted"), &json!("endpoint")), "{found}");
    assert!(found["detail"].as_str().unwrap().contains("404"), "{found}");
    let other = world.read(&["search", "alder", "--sink", "lost", "--reason", "crash-loop"]);
    assert_eq!(other["found"], json!([]));
}
