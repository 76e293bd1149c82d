//! The recipes of docs/RECEIVERS.md, taken out of the page and run: each accepts what Acequia signs, and nothing else.
//! Those of docs/ARCHIVE.md read what the archive function writes ([`archive`]).
//!
//! Rust's recipe is compiled into this program. Python's, SQL's and Node's run with the libraries that
//! `cargo xtask test` installs into `.venv/recipes` (tools/recipes): where it says so by `ACEQUIA_TEST_RECIPES`,
//! Python's and SQL's must run, and Node's if there is a Node. Go's is compared by its names alone.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test program: it says what it skips"
)]

mod answer;
mod archive;
mod delivery;
mod eventbridge;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use delivery::{Case, SECRET, cases};
use recipes::document::block;
use serde_json::Value as Json;

/// What the recipe is in Rust.
mod recipe {
    include!(concat!(env!("OUT_DIR"), "/recipe.rs"));

    pub(super) fn status(secret: &str, headers: &HeaderMap, body: &[u8]) -> u16 {
        receive(secret, headers, body).unwrap().as_u16()
    }
}

/// Reads cases as JSON and writes what the recipe answers to each.
const PYTHON: &str = r#"
import json, sys
print(json.dumps([receive(case["secret"], case["headers"], case["body"].encode()) for case in json.load(sys.stdin)]))
"#;
const NODE: &str = r#"
const given = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(given.map((one) => receive(one.secret, one.headers, Buffer.from(one.body)))));
"#;

/// All that the Go recipe uses of the library, as exported by libraries/go/webhook.go of
/// github.com/standard-webhooks/standard-webhooks at commit b2fa7b8, whose module is libraries/go.mod. There the
/// headers have the names of the specification, `NewWebhook` takes off `whsec_` and decodes the rest from base64, and
/// `Verify` refuses what is five minutes old.
const GO_USES: [&str; 3] = [
    "standardwebhooks \"github.com/standard-webhooks/standard-webhooks/libraries/go\"",
    "webhook *standardwebhooks.Webhook, request *http.Request) int { // of standardwebhooks.NewWebhook(secret)",
    "webhook.Verify(body, request.Header) != nil",
];

/// The longest recipe that is still read.
const RECIPE_LINES: usize = 15;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/RECEIVERS.md")).unwrap()
}

fn recipe(language: &str) -> String {
    block(&page(), language).unwrap_or_else(|| panic!("docs/RECEIVERS.md has no recipe in {language}"))
}

/// Where the libraries are, and whether they must be there.
#[expect(clippy::disallowed_methods, reason = "the one variable that the tests are told")]
fn libraries() -> (PathBuf, bool) {
    match std::env::var_os("ACEQUIA_TEST_RECIPES") {
        Some(folder) => (folder.into(), true),
        None => (Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/recipes"), false),
    }
}

/// What a recipe in another language answers to the cases.
fn answers(command: &mut Command, cases: &[Case]) -> Vec<u16> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let given: Json = cases.iter().map(Case::to_json).collect();
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_right(language: &str, cases: &[Case], answers: &[u16]) {
    assert_eq!(cases.len(), answers.len());
    for (case, answer) in cases.iter().zip(answers) {
        assert_eq!(*answer, case.status, "{language}: {}: {:?}", case.what, case.headers);
    }
}

#[tokio::test]
async fn the_rust_recipe_accepts_what_acequia_signs_and_nothing_else() {
    let cases = cases().await;
    let status = |case: &Case| {
        let headers = case.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        recipe::status(SECRET, &headers.collect(), case.body.as_bytes())
    };
    assert_right("Rust", &cases, &cases.iter().map(status).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_python_recipe_accepts_what_acequia_signs_and_nothing_else() {
    let (folder, wanted) = libraries();
    let python = folder.join("bin/python");
    if !wanted && !python.exists() {
        eprintln!("skipped: the Python recipe of docs/RECEIVERS.md; `cargo xtask test --fast` installs its library");
        return;
    }
    let cases = cases().await;
    let program = recipe("python") + PYTHON;
    assert_right("Python", &cases, &answers(Command::new(python).args(["-c", &program]), &cases));
}

#[tokio::test]
async fn the_node_recipe_accepts_what_acequia_signs_and_nothing_else() {
    let folder = libraries().0.join("node");
    if !folder.join("node_modules/standardwebhooks").exists() {
        eprintln!(
            "skipped: the Node recipe of docs/RECEIVERS.md; `cargo xtask test --fast` installs its library where npm is"
        );
        return;
    }
    let cases = cases().await;
    let program = recipe("js") + NODE;
    assert_right("Node", &cases, &answers(Command::new("node").current_dir(folder).args(["-e", &program]), &cases));
}

#[test]
fn the_go_recipe_uses_the_library_by_its_names() {
    let recipe = recipe("go");
    for used in GO_USES {
        assert!(recipe.contains(used), "{used}: {recipe}");
    }
    assert_eq!(recipe.matches("standardwebhooks.").count(), 2, "each use is compared");
    assert_eq!(recipe.matches("webhook.").count(), 1, "each use is compared");
}

#[test]
fn every_recipe_is_short_and_names_the_version_that_is_tested() {
    for language in ["python", "js", "rust", "go"] {
        let lines = recipe(language).lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= RECIPE_LINES, "{language}: {lines} lines");
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/recipes");
    let read = |file: &str| std::fs::read_to_string(tools.join(file)).unwrap();
    let node: Json = serde_json::from_str(&read("package.json")).unwrap();
    let node = format!("npm install standardwebhooks@{}\n", node["dependencies"]["standardwebhooks"].as_str().unwrap());
    let python = read("requirements.in");
    let python = python.lines().find(|line| line.starts_with("standardwebhooks==")).unwrap();
    for command in [node, format!("pip install {python}\n")] {
        assert!(page().contains(&command), "docs/RECEIVERS.md has no line {command}");
    }
}
