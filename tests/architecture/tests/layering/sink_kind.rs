//! A kind of sink is complete: a developer who adds one is told which place was forgotten. docs/specs/sink.md leads
//! through all of them.

use std::path::Path;

use acequia_core::kind::SinkKind;

use super::{entries, root};

/// The files that the function of each kind has.
const FUNCTION: [&str; 10] = [
    "Cargo.toml",
    "src/classify.rs",
    "src/config.rs",
    "src/lib.rs",
    "src/main.rs",
    "src/request.rs",
    "src/sink.rs",
    "tests/counts.rs",
    "tests/handler.rs",
    "tests/memory.rs",
];

/// Files outside of its own in which a kind is spoken of, each by a text in which `WORD` stands for its word and `NAME`
/// for its name in stacks and in the enum. What the compiler asks for, or a table makes, is not among them.
const SPOKEN_OF: [(&str, &str); 8] = [
    ("template.yaml", "acequia-${Stage}-WORD\n"),
    ("template.yaml", "/acequia/${Stage}/function/WORD\n"),
    ("infra/tenant.yaml", "_WORD-dlq"),
    ("infra/tenant.yaml", "  NAMEMapping:\n"),
    ("tools/stub/counts.txt", "\nWORD "),
    ("tests/simulation/src/scenario.rs", "SinkKind::NAME"),
    ("tests/secrecy/tests/logs.rs", "\"kind\": \"WORD\""),
    ("docs/specs/sink.md", "`WORD`"),
];

/// Folders in one of whose files a sink of each kind is configured.
const CONFIGURED: [&str; 2] = ["examples/tenants", "tests/e2e/tenants"];

/// What a kind lacks.
fn lacking(word: &str, name: &str) -> Vec<String> {
    let root = root();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let own = FUNCTION.iter().map(|file| format!("functions/{word}/{file}"));
    let own = own.chain([format!("shared/core/src/tenant/sink/{word}.rs")]);
    let mut lacking: Vec<String> = own.filter(|file| !root.join(file).exists()).collect();
    for (file, text) in SPOKEN_OF {
        let text = text.replace("WORD", word).replace("NAME", name);
        if !read(&root.join(file)).contains(&text) {
            lacking.push(format!("{file}: {}", text.trim()));
        }
    }
    for folder in CONFIGURED {
        let kind = format!("kind = \"{word}\"");
        let files = entries(&root.join(folder));
        if !files.iter().any(|file| read(file).contains(&kind)) {
            lacking.push(format!("{folder}: a tenant with {kind}"));
        }
    }
    lacking
}

#[test]
fn no_place_was_forgotten_for_any_kind_of_sink() {
    for kind in SinkKind::ALL {
        let found = lacking(kind.as_str(), kind.facts().in_stack);
        assert!(
            found.is_empty(),
            "the kind {kind} of sinks lacks (docs/specs/sink.md says what stands there): {found:#?}"
        );
    }
}

#[test]
fn each_place_of_a_kind_that_is_nowhere_is_told() {
    let found = lacking("imagined", "Imagined");
    assert_eq!(found.len(), FUNCTION.len() + 1 + SPOKEN_OF.len() + CONFIGURED.len(), "{found:#?}");
    let of_another = lacking("webhook", "Imagined");
    assert_eq!(of_another.len(), 2, "the places that go by its name in stacks: {of_another:#?}");
}
