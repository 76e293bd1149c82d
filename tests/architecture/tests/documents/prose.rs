//! How documents are written: lines wrap, tables have headings, README stays short, and the tests that documents cite
//! exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use architecture::page::{Page, root, spans};

use super::{all, assert_none, page};

const COLUMNS: usize = 120;
const README_LINES: usize = 150;

/// Whether a line has a piece of code, or an address, of which no two fit into a line.
fn is_unbreakable(line: &str) -> bool {
    let words = line.split(' ').map(str::to_owned);
    spans(line).into_iter().chain(words).any(|piece| piece.chars().count() > COLUMNS / 2)
}

/// The lines of prose that are too long. Rows of tables, headings, pictures, and long pieces of code cannot be broken.
fn long_lines(page: &Page) -> Vec<String> {
    let is_whole = |line: &str| ["|", "#", "!["].iter().any(|start| line.trim_start().starts_with(start));
    let prose = page.prose().filter(|(_, line)| !line.starts_with("    ") && !is_whole(line));
    let long = prose.filter(|(_, line)| line.chars().count() > COLUMNS && !is_unbreakable(line));
    long.map(|(number, _)| format!("{}:{number}: prose wraps at {COLUMNS} columns", page.path)).collect()
}

/// Rows that belong to no table, as after a blank line: they are shown as text.
fn stray_rows(page: &Page) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_in_table = false;
    let rows: Vec<(usize, &str)> = page.prose().collect();
    for (index, (number, line)) in rows.iter().enumerate() {
        let is_row = line.starts_with('|');
        let begins = is_row && !is_in_table;
        let next = rows.get(index + 1).map_or("", |(_, line)| line);
        if begins && !(next.starts_with("|-") || next.starts_with("| -") || next.starts_with("|:")) {
            found.push(format!("{}:{number}: a table begins with a heading and a line of dashes", page.path));
        }
        is_in_table = is_row;
    }
    found
}

/// The tests that a page cites, as `file.rs::name` or `::name`.
fn cited(page: &Page) -> BTreeSet<String> {
    let spans = page.code().into_iter().filter(|span| !span.contains(' '));
    let names = spans.filter_map(|span| span.rsplit_once("::").map(|(_, name)| name.to_owned()));
    names
        .filter(|name| {
            name.matches('_').count() >= 3
                && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
        })
        .collect()
}

/// The names of all functions in sources of Rust and Python.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "py") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let after = text.split("fn ").chain(text.split("def ")).skip(1);
            found.extend(
                after.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()),
            );
        }
    }
}

/// The source files that a page names with their folders.
fn named_files(page: &Page) -> BTreeSet<String> {
    let tops = ["shared/", "functions/", "cli/", "tools/", "xtask/", "tests/"];
    let spans = page.code().into_iter().filter(|span| !span.contains([' ', '*', '<', '{']));
    let files = spans.map(|span| span.split("::").next().unwrap_or_default().to_owned());
    files.filter(|file| tops.iter().any(|top| file.starts_with(top)) && file.contains('.')).collect()
}

#[test]
fn every_source_that_a_document_names_exists() {
    let pages = all();
    let written = pages.iter().filter(|page| !page.path.starts_with("docs/adr/0"));
    let named: Vec<(&str, String)> =
        written.flat_map(|page| named_files(page).into_iter().map(|file| (page.path.as_str(), file))).collect();
    assert!(named.len() > 100, "sources are found where they are looked for: {}", named.len());
    let lost = named.iter().filter(|(_, file)| !root().join(file).exists());
    assert_none(&lost.map(|(path, file)| format!("{path}: there is no {file}")).collect::<Vec<_>>());
}

#[test]
fn prose_wraps() {
    let written = all().into_iter().filter(|page| !page.path.starts_with("docs/adr/0"));
    assert_none(&written.flat_map(|page| long_lines(&page)).collect::<Vec<_>>());
}

#[test]
fn every_table_has_a_heading() {
    assert_none(&all().iter().flat_map(stray_rows).collect::<Vec<_>>());
}

#[test]
fn readme_is_short() {
    let lines = all().iter().find(|page| page.path == "README.md").map_or(0, |page| page.text.lines().count());
    assert!((50..=README_LINES).contains(&lines), "README.md has {lines} lines, and at most {README_LINES} are wanted");
}

#[test]
fn every_test_that_a_document_cites_exists() {
    let mut known = BTreeSet::new();
    for folder in ["shared", "functions", "cli", "tools", "xtask", "tests"] {
        functions(&root().join(folder), &mut known);
    }
    let pages = all();
    let cited: Vec<(String, String)> = pages
        .iter()
        .filter(|page| !page.path.starts_with("docs/adr/0"))
        .flat_map(|page| cited(page).into_iter().map(|name| (page.path.clone(), name)))
        .collect();
    assert!(cited.len() > 150, "citations are found where they are looked for: {}", cited.len());
    let lost = cited.iter().filter(|(_, name)| !known.contains(name));
    assert_none(&lost.map(|(path, name)| format!("{path}: there is no test {name}")).collect::<Vec<_>>());
}

#[test]
fn a_long_line_a_stray_row_and_a_citation_are_found() {
    let long = "word ".repeat(30);
    assert_eq!(long_lines(&page("docs/A.md", &long)).len(), 1);
    assert_eq!(
        long_lines(&page("docs/A.md", &format!("# {long}\n| {long} |\n```text\n{long}\n```\n"))),
        Vec::<String>::new()
    );
    assert_eq!(stray_rows(&page("docs/A.md", "| a |\n|---|\n| b |\n")), Vec::<String>::new());
    assert_eq!(stray_rows(&page("docs/A.md", "| a |\n|---|\n| b |\n\n| c |\n")).len(), 1);
    let cites = page("docs/A.md", "`a.rs::one_two_three_four`, `::five_six_seven_eight` and `core::flow`");
    assert_eq!(cited(&cites).into_iter().collect::<Vec<_>>(), ["five_six_seven_eight", "one_two_three_four"]);
    let names = page("docs/A.md", "`cli/src/exit.rs::one`, `tests/*.rs`, `core::flow` and `cli/src`");
    assert_eq!(named_files(&names).into_iter().collect::<Vec<_>>(), ["cli/src/exit.rs"]);
}
