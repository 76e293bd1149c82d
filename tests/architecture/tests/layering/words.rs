//! Words that were given up for the field's own: none comes back, in code, documents, templates or the command's texts.

use super::{assert_none, entries, root, sources};

/// A word that was given up, and what it is called since.
const GIVEN_UP: &[(&str, &str)] = &[
    ("park", "delay"),
    ("parked", "delayed"),
    ("parking", "delay"),
    ("parkinglot", "DelayedMessages"),
    ("unparked", "fallback"),
    ("strike", "crash marker"),
    ("strikes", "crash markers"),
    ("struck", "marked"),
    ("condemned", "quarantined"),
    ("acquit", "clear"),
    ("hasten", "expedite"),
    ("hastened", "expedited"),
    ("mailbook", "SuppressionList, SendQuota"),
    ("desk", "ConsentCommands"),
    ("deed", "SubjectAction"),
    ("errand", "OutboxTask"),
    ("owed", "pending"),
];

/// Where a word stands all the same: the file ends so.
const KEPT: &[(&str, &str)] = &[
    // What remains to be waited so that a redrive keeps its rate.
    ("owed", "flow/redrive/run.rs"),
    // The standard library's word, for a thread.
    ("park", "xtask/src/main.rs"),
    // This list.
    ("", "layering/words.rs"),
];

/// The words of a text, in small letters: of `InMemoryParkingLot`, `park_all` and `"parked"` each part, and the whole.
fn words(text: &str) -> impl Iterator<Item = String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric();
    text.split(move |c| !is_letter(c)).filter(|word| !word.is_empty()).flat_map(|word| {
        let mut parts: Vec<String> = vec![word.to_lowercase()];
        let mut part = String::new();
        for c in word.chars() {
            if c.is_ascii_uppercase() && !part.is_empty() {
                parts.push(std::mem::take(&mut part));
            }
            part.push(c.to_ascii_lowercase());
        }
        parts.push(part);
        parts.dedup();
        parts
    })
}

fn offences(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in words(line) {
            let Some((old, new)) = GIVEN_UP.iter().find(|(old, _)| *old == word) else { continue };
            let kept = KEPT.iter().any(|(word, file)| name.ends_with(file) && (word.is_empty() || word == old));
            if !kept {
                found.push(format!("{name}:{}: {old:?} was given up for {new:?} (docs/GLOSSARY.md)", number + 1));
            }
        }
    }
    found
}

/// Documents but for what tells of the past (decisions, changes) and the glossary, which names what others say.
fn documents() -> Vec<(String, String)> {
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (super::shown(&path), text)
    };
    let files = entries(&root().join("docs")).into_iter().chain(entries(&root().join("docs/specs")));
    let files = files.chain(entries(&root().join("infra"))).chain(entries(&root().join("cli/tests/golden")));
    let files = files.chain(["README.md", "CONTRIBUTING.md", "template.yaml"].map(|name| root().join(name)));
    files.filter(|path| path.is_file() && !path.ends_with("GLOSSARY.md")).map(read).collect()
}

#[test]
fn no_word_that_was_given_up_comes_back() {
    let sources: Vec<(String, String)> = sources().into_iter().collect();
    let documents = documents();
    assert!(sources.len() > 400 && documents.len() > 12, "files are found where they are looked for");
    let found: Vec<String> = sources.iter().chain(&documents).flat_map(|(name, text)| offences(name, text)).collect();
    assert_none(&found);
}

#[test]
fn a_word_is_found_in_names_and_texts() {
    for text in ["struct InMemoryParking;", "fn park_all()", "// A message that is parked.", "`acequia parked`"] {
        assert_eq!(offences("a.rs", text).len(), 1, "{text}");
    }
    assert_eq!(offences("a.rs", "sparkling, deeds, struck_out").len(), 1);
    assert!(offences("shared/core/src/flow/redrive/run.rs", "owed: Duration").is_empty());
}
