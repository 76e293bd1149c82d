//! The help texts are part of what users rely on: each is compared with a file in golden/.
//!
//! After a wanted change: `ACEQUIA_BLESS=1 cargo test -p acequia --test help`, and look at the difference.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a test reads its one switch itself")]

use std::path::PathBuf;
use std::process::{Command, Output};

const COMMANDS: [&str; 47] = [
    "",
    "tenant",
    "tenant validate",
    "tenant schema",
    "tenant try",
    "tenant apply",
    "tenant show",
    "tenant list",
    "tenant pause",
    "tenant resume",
    "audit",
    "secret",
    "secret put",
    "key",
    "key create",
    "key list",
    "key rotate",
    "key revoke",
    "consent",
    "consent show",
    "consent export",
    "consent erase",
    "erase",
    "template",
    "template preview",
    "template send-test",
    "table",
    "table init",
    "table check",
    "table relay",
    "send",
    "explain",
    "dlq",
    "dlq list",
    "dlq show",
    "dlq purge",
    "dlq redrive",
    "replay",
    "replay list",
    "replay show",
    "replay stop",
    "replay resume",
    "doctor",
    "status",
    "delayed",
    "search",
    "tally",
];

fn acequia(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_acequia")).args(arguments).env_clear().output().expect("acequia runs")
}

#[test]
fn every_help_text_is_as_it_was_agreed() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = acequia(&arguments);
        let help = String::from_utf8(output.stdout).expect("help is UTF-8");
        let file = golden
            .join(format!("{}.txt", if command.is_empty() { "acequia".into() } else { command.replace(' ', "-") }));
        if std::env::var_os("ACEQUIA_BLESS").is_some() {
            std::fs::write(&file, &help).expect("the golden file can be written");
        }
        let wanted = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(help, wanted, "{command}: see {}", file.display());
    }
}

#[test]
fn a_wrong_command_line_ends_with_two_and_a_wrong_file_with_three_and_says_where() {
    assert_eq!(acequia(&["tenant", "aply"]).status.code(), Some(2));
    assert_eq!(acequia(&["secret", "put", "acme", "crm", "whsec_abc"]).status.code(), Some(2));
    let file = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let output = acequia(&["tenant", "validate", &file]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&format!("{file}:")));
}

#[test]
fn the_examples_are_valid_and_need_no_call_to_aws() {
    for tenant in ["acme", "bona", "cedar", "dalia", "encina"] {
        let file = format!("{}/../examples/tenants/{tenant}.toml", env!("CARGO_MANIFEST_DIR"));
        let output = acequia(&["--output", "json", "tenant", "validate", &file]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn completions_name_the_commands() {
    let output = acequia(&["completions", "bash"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("redrive"));
}
