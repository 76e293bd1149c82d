//! Links: each leads to a file and a heading that exist, and README leads to every document, if by way of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use architecture::page::{Link, Page, root};

use super::{all, assert_none, page};

/// A path with its `.` and `..` taken out, from the root of the tree. None where it leads out of the tree.
fn resolved(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Where a link leads to: a file (or folder) and a heading in it.
fn destination(from: &Page, link: &Link) -> Option<(String, Option<String>)> {
    let (file, anchor) = match link.target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (link.target.as_str(), None),
    };
    let file = if file.is_empty() { from.path.clone() } else { resolved(&from.path, file)? };
    Some((file, anchor))
}

/// The links that lead nowhere. `exists` says of a path that is no page whether it is there.
fn broken(pages: &[Page], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let known: BTreeMap<&str, &Page> = pages.iter().map(|page| (page.path.as_str(), page)).collect();
    let mut found = Vec::new();
    for page in pages {
        for link in page.links() {
            let place = format!("{}:{}: {}", page.path, link.line, link.target);
            match destination(page, &link) {
                None => found.push(format!("{place} leads out of the tree")),
                Some((file, anchor)) => match (known.get(file.as_str()), anchor) {
                    (Some(page), Some(anchor)) if !page.anchors().contains(&anchor) => {
                        found.push(format!("{place}: {file} has no heading of that anchor"));
                    }
                    (None, _) if !exists(&file) => found.push(format!("{place}: there is no {file}")),
                    _ => {}
                },
            }
        }
    }
    found
}

/// The pages that README leads to. A link to a folder leads to the README in it.
fn reached(pages: &[Page]) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec!["README.md".to_owned()];
    while let Some(path) = open.pop() {
        let Some(page) = pages.iter().find(|page| page.path == path) else { continue };
        if reached.insert(path) {
            let files = page.links().into_iter().filter_map(|link| destination(page, &link)).map(|(file, _)| file);
            open.extend(files.flat_map(|file| [format!("{file}/README.md"), file]));
        }
    }
    reached
}

fn unreached(pages: &[Page]) -> Vec<String> {
    let reached = reached(pages);
    let documents = pages.iter().filter(|page| page.path.starts_with("docs/") && !reached.contains(&page.path));
    documents
        .map(|page| format!("{}: no link leads here from README.md; docs/README.md is the index", page.path))
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let pages = all();
    assert!(
        pages.iter().map(|page| page.links().len()).sum::<usize>() > 150,
        "links are found where they are looked for"
    );
    assert_none(&broken(&pages, |path| root().join(path).exists()));
}

#[test]
fn readme_leads_to_every_document() {
    let pages = all();
    assert!(pages.iter().filter(|page| page.path.starts_with("docs/")).count() > 60, "documents are found");
    assert_none(&unreached(&pages));
}

/// The pages that a source names, such as `docs/TESTING.md`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    let names = text.split(move |c| !is_path(c)).filter_map(|word| word.find("docs/").and_then(|at| word.get(at..)));
    names
        .map(|name| name.trim_end_matches('.'))
        .filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "md"))
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_source =
            path.extension().is_some_and(|kind| ["rs", "py", "yaml", "toml"].iter().any(|one| kind == *one));
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if is_source && !path.to_string_lossy().contains("tests/documents/") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lost = named(&text).filter(|name| !root().join(name).exists());
            found.extend(lost.map(|name| format!("{}: there is no {name}", path.display())));
        }
    }
}

#[test]
fn every_document_that_a_source_names_exists() {
    let mut found = Vec::new();
    for folder in ["shared", "functions", "cli", "tools", "xtask", "tests", "infra", "examples"] {
        sources(&root().join(folder), &mut found);
    }
    assert_none(&found);
    assert_eq!(
        named("see ../../docs/adr/0001-a.md, docs/B.md#c and docs/.").collect::<Vec<_>>(),
        ["docs/adr/0001-a.md", "docs/B.md"]
    );
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let other = page("docs/OTHER.md", "# Other\n\n## It's `this`, twice\n\n## Same\n\n## Same\n");
    let check = |text: &str| broken(&[page("README.md", text), other.clone()], |path| path == "LICENSE");

    assert_eq!(check("[a](docs/OTHER.md) [b](LICENSE) [c](https://x.example/y) `[d](none)`"), Vec::<String>::new());
    assert_eq!(check("[a](docs/OTHER.md#its-this-twice) [b](docs/OTHER.md#same-1)"), Vec::<String>::new());
    assert_eq!(check("```text\n[a](none)\n```\n"), Vec::<String>::new());
    assert_eq!(check("[a](docs/NONE.md)").len(), 1);
    assert_eq!(check("[a](docs/OTHER.md#same-2)").len(), 1);
    assert_eq!(check("[a](../OTHER.md)").len(), 1);
    assert_eq!(check("# Here\n\n[a](#here) [b](#there)").len(), 1);
}

#[test]
fn a_document_without_a_link_to_it_is_found() {
    let lonely = page("docs/LONELY.md", "[to the index](README.md)");
    let pages = [
        page("README.md", "[documents](docs)"),
        page("docs/README.md", "[one](ONE.md#part)"),
        page("docs/ONE.md", "# Part\n[back](../README.md)"),
    ];
    assert_eq!(unreached(&pages), Vec::<String>::new());
    assert_eq!(unreached(&[&pages[..], &[lonely]].concat()).len(), 1);
}
