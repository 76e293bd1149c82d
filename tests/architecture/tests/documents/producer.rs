//! The producers of examples/producers: short enough to copy, and each named by their README.

use std::fs;
use std::path::{Path, PathBuf};

use architecture::page::root;

use super::assert_none;

/// Each has fewer lines than this.
const LINES: usize = 40;

fn programs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_entry = |path: PathBuf| if path.is_dir() { programs(&path) } else { vec![path] };
    let files = entries.flat_map(of_entry);
    files.filter(|path| path.extension().is_none_or(|kind| kind != "md" && kind != "toml")).collect()
}

/// What is wrong with a program, by its name in the folder.
fn flaws(name: &str, text: &str, page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines >= LINES {
        found.push(format!("examples/producers/{name}: has {lines} lines, and fewer than {LINES} are wanted"));
    }
    if !page.contains(&format!("]({name})")) {
        found.push(format!("examples/producers/README.md: has no link to {name}"));
    }
    found
}

#[test]
fn every_producer_is_short_and_named_by_the_readme() {
    let folder = root().join("examples/producers");
    let page = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    let programs = programs(&folder);
    assert_eq!(programs.len(), 5, "{programs:?}");
    let of_program = |path: &PathBuf| {
        let name = path.strip_prefix(&folder).unwrap_or(path).to_string_lossy().into_owned();
        flaws(&name, &fs::read_to_string(path).unwrap_or_default(), &page)
    };
    assert_none(&programs.iter().flat_map(of_program).collect::<Vec<_>>());
}

#[test]
fn a_long_producer_and_one_that_is_not_named_are_found() {
    assert_eq!(flaws("a.py", &"\n".repeat(LINES), "[a.py](a.py)").len(), 1);
    assert_eq!(flaws("a.py", &"\n".repeat(LINES - 1), "`a.py`").len(), 1);
    assert!(flaws("a.py", "", "[a.py](a.py)").is_empty());
}
