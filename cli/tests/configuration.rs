//! The reference of a tenant's file: docs/CONFIGURATION.md and docs/tenant.schema.json say what the code does.
//!
//! After a wanted change: `ACEQUIA_BLESS=1 cargo test -p acequia --test configuration`, and look at the difference.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test's own mistake should stop the test where it was made; it reads its one switch itself"
)]

mod configuration {
    pub(crate) mod reference;
}

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use acequia_core::egress::Egress;
use acequia_core::outcome::schedule::RetryPolicy;
use acequia_core::tenant::{Issues, RawTenant, Tenant, tenant_schema};
use configuration::reference::{Key, Section, markdown, sections};
use serde_json::{Value as Json, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn acequia(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_acequia")).args(arguments).env_clear().output().unwrap()
}

/// Compares a file with what it must be, or writes it.
fn agree(file: &str, wanted: &str) {
    let path = root().join(file);
    if std::env::var_os("ACEQUIA_BLESS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{file} is not what the code says: ACEQUIA_BLESS=1 writes it anew");
}

/// A document that has every table that a key can stand in.
fn whole() -> Json {
    json!({
        "tenant": "acme", "name": "Acme", "intake": {"rate": "500/s"}, "auto_redrive": {}, "schemas": {"NAME": {"schema": true}},
        "auth": {"jwt": {"issuer": "https://id.acme.example/", "audience": "acme", "jwks_url": "https://id.acme.example/keys"}},
        "sources": {"kafka": {"wrap": {"type": "order.placed", "source": "/shop"}}},
        "sinks": [
            {"id": "a", "kind": "webhook", "types": ["*"], "url": "https://a.example/", "secrets": ["a"], "rate": "5/s", "breaker": {}},
            {"id": "b", "kind": "email", "types": ["*"], "from": "a@acme.example", "to": "{{ data.email }}", "subject": "x", "text": "x"},
            {"id": "c", "kind": "forward", "types": ["*"], "queue": "out"},
            {"id": "d", "kind": "eventbridge", "types": ["*"], "bus": "arn:aws:events:eu-west-1:123456789012:event-bus/d"},
            {"id": "e", "kind": "archive", "types": ["*"]},
            {"id": "f", "kind": "table", "types": ["*"], "database": "postgresql://a@db.example/crm", "password": "db", "table": "t",
                "columns": {"id": "id"}},
        ],
        "consent": {
            "types": ["action.*"], "subject": "{{ data.email }}", "keys": ["links"], "redirect_hosts": ["dalia.example"],
            "reminders": {"after": "2days", "most": 1}, "lists": {"NAME": {}},
        },
        "mail": {"from": "a@acme.example", "to": "{{ data.email }}", "default_locale": "en"},
        "templates": {
            "confirm": {"en": {"subject": "x", "text": "x"}}, "welcome": {"en": {"subject": "x", "text": "x"}},
        },
    })
}

fn validate(document: Json) -> Result<Tenant, Issues> {
    Tenant::validate(&RawTenant::from_value(document)?, Egress::Public)
}

/// The document with a key set to a value, or without it.
fn with(section: &Section, key: &Key, value: Option<&Json>) -> Json {
    let mut document = whole();
    let table = document.pointer_mut(&section.pointer).and_then(Json::as_object_mut);
    let table = table.unwrap_or_else(|| panic!("whole() has no {}", section.pointer));
    match value {
        Some(value) => _ = table.insert(key.name.clone(), value.clone()),
        None => _ = table.remove(&key.name),
    }
    document
}

/// The tables that core reads: templates as files are the command's, and so are schemas.
fn read_by_core() -> Vec<Section> {
    let mut sections = sections(&tenant_schema());
    sections.retain(|section| !section.pointer.starts_with("/templates"));
    for section in &mut sections {
        section.keys.retain(|key| key.name != "file");
    }
    assert!(sections.len() > 9, "the schema has lost tables");
    sections
}

#[test]
fn the_schema_in_docs_is_the_one_that_the_command_prints() {
    for form in ["text", "json"] {
        let output = acequia(&["--output", form, "tenant", "schema"]);
        assert_eq!(output.status.code(), Some(0));
        let printed: Json = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed, tenant_schema());
    }
    agree("docs/tenant.schema.json", &(serde_json::to_string_pretty(&tenant_schema()).unwrap() + "\n"));
}

#[test]
fn the_reference_has_every_key_as_the_code_has_it() {
    let file = "docs/CONFIGURATION.md";
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    let schedule = schedule();
    let keys = markdown(&sections(&tenant_schema()));
    let text = filled(&text, "schedule", &schedule);
    agree(file, &filled(&text, "keys", keys.trim_end()));
}

/// The text with something else between the two comments of this name.
fn filled(text: &str, name: &str, between: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: written by a test -->\n\n"), format!("\n\n<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("there is no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("there is no {end}"));
    format!("{before}{begin}{between}{end}{after}")
}

/// When the attempts of the default schedule are made, without spread.
fn schedule() -> String {
    let mut table = "| attempt | waits | after the first |\n|---|---|---|\n| 1 | | |".to_owned();
    let mut sum = std::time::Duration::ZERO;
    for (attempt, wait) in (2..).zip(RetryPolicy::default().waits()) {
        sum += *wait;
        let (hours, minutes, seconds) = (sum.as_secs() / 3600, sum.as_secs() / 60 % 60, sum.as_secs() % 60);
        let wait = written(*wait);
        write!(table, "\n| {attempt} | {wait} | {hours} h {minutes} min {seconds} s |").unwrap();
    }
    table
}

/// A wait as the schema writes it.
fn written(wait: std::time::Duration) -> String {
    let position = RetryPolicy::default().waits().iter().position(|known| *known == wait).unwrap();
    let retry = &tenant_schema()["properties"]["sinks"]["items"]["oneOf"][0]["properties"]["retry"]["default"];
    retry[position].as_str().unwrap().to_owned()
}

#[test]
fn a_key_that_is_left_out_is_as_its_documented_default() {
    let mut compared = 0;
    for section in read_by_core() {
        for key in &section.keys {
            let Some(default) = key.schema.get("default") else { continue };
            let settings = |value| {
                let document = with(&section, key, value);
                let tenant =
                    validate(document).unwrap_or_else(|issues| panic!("{} {}: {issues}", section.title, key.name));
                format!("{tenant:?}")
            };
            assert_eq!(settings(None), settings(Some(default)), "{} {}", section.title, key.name);
            compared += 1;
        }
    }
    assert!(compared > 25, "{compared} keys have a default");
}

#[test]
fn every_example_of_a_key_is_valid() {
    for section in read_by_core() {
        let place = section.pointer.trim_start_matches('/').replace("sinks/", "sinks#").replace('/', ".");
        let place = place.split_once('#').map_or(place.clone(), |(sinks, rest)| {
            let (index, rest) = rest.split_once('.').map_or((rest, String::new()), |(i, rest)| (i, format!(".{rest}")));
            format!("{sinks}[{index}]{rest}")
        });
        for key in &section.keys {
            let path = if place.is_empty() { key.name.clone() } else { format!("{place}.{}", key.name) };
            for example in key.examples() {
                let issues =
                    validate(with(&section, key, Some(example))).err().map(|issues| issues.0).unwrap_or_default();
                let own: Vec<_> = issues.iter().filter(|issue| issue.path.starts_with(&path)).collect();
                assert!(own.is_empty(), "{} {} = {example}: {own:?}", section.title, key.name);
            }
        }
    }
}

#[test]
fn every_key_says_what_it_means_shows_an_example_and_what_holds_without_it() {
    for section in sections(&tenant_schema()) {
        assert!(!section.meaning.is_empty(), "{} says nothing of itself", section.title);
        for key in &section.keys {
            let (meaning, name) = (key.meaning(), format!("{} {}", section.title, key.name));
            assert!(meaning.ends_with(['.', ')']) && meaning.len() > 12, "{name}: {meaning:?}");
            assert!(key.is_table() || key.name == "kind" || key.examples().count() > 0, "{name} has no example");
            let without = ["ithout", "needed", "in place of"].iter().any(|word| meaning.contains(word));
            assert!(key.needed || key.schema.get("default").is_some() || without, "{name}: what holds without it?");
        }
    }
}

#[test]
fn every_file_in_the_document_is_valid() {
    let text = std::fs::read_to_string(root().join("docs/CONFIGURATION.md")).unwrap();
    let blocks: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 4, "the smallest file, and one per kind");
    for block in blocks {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tenant.toml");
        std::fs::write(&file, block).unwrap();
        let output = acequia(&["tenant", "validate", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{block}\n{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The same files are refused by the schema in tools/schema.
#[test]
fn files_of_another_shape_are_refused_at_the_line_of_the_mistake() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("cli/tests/misshapen")).unwrap() {
        let path = entry.unwrap().path();
        let output = acequia(&["--output", "json", "tenant", "validate", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3), "{}", path.display());
        let said: Json = serde_json::from_slice(&output.stdout).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let line = text.lines().position(|line| line.contains("# wrong")).map(|line| line + 1).unwrap();
        let problems = said["files"][0]["problems"].as_array().unwrap();
        let found = problems.iter().any(|problem| problem["line"] == line);
        assert!(found, "{}: line {line}: {problems:?}", path.display());
        seen += 1;
    }
    assert!(seen >= 10, "{seen} files");
}
