//! The modules of core stand on floors: each uses what stands before it in the list of `lib.rs`, and nothing behind it.
//! Within a folder no modules use each other in a circle, so that each can be read, and changed, without knowing all of
//! its neighbours. The same holds of the operator's use cases and of the command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{assert_none, entries, root};

/// The path of a module below the crate.
type Module = Vec<String>;

/// The production code of each module of a crate, by its path.
fn modules(source: &Path) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    read(source, &[], &mut found);
    let of_tests: BTreeSet<Module> = found.iter().flat_map(|(module, text)| test_children(module, text)).collect();
    found.retain(|module, _| !of_tests.contains(module));
    for text in found.values_mut() {
        *text = production(text);
    }
    found
}

fn read(folder: &Path, path: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in entries(folder) {
        let Some(name) = entry.file_stem().and_then(|name| name.to_str()) else { continue };
        let mut module = path.to_vec();
        if !["mod", "lib"].contains(&name) {
            module.push(name.to_owned());
        }
        if entry.is_dir() {
            read(&entry, &module, found);
        } else {
            found.insert(module, std::fs::read_to_string(&entry).unwrap_or_else(|error| panic!("{error}")));
        }
    }
}

/// The modules in files of their own that a module has for its tests alone.
fn test_children(module: &[String], text: &str) -> Vec<Module> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let pairs = lines.iter().zip(lines.iter().skip(1));
    let children = pairs.filter(|(first, _)| **first == "#[cfg(test)]");
    children
        .filter_map(|(_, second)| second.strip_prefix("mod ")?.strip_suffix(';'))
        .map(|child| module.iter().cloned().chain([child.to_owned()]).collect())
        .collect()
}

/// A module's text without its tests and comments.
fn production(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text.get(..end).unwrap_or(text).lines();
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that a module names, by paths that begin with `crate`, `super` or `self`.
fn named(module: &[String], text: &str, all: &BTreeSet<Module>) -> BTreeSet<Module> {
    let parent = module.get(..module.len().saturating_sub(1)).unwrap_or_default();
    let mut found = BTreeSet::new();
    for (word, base) in [("crate::", &[][..]), ("super::", parent), ("self::", module)] {
        for (start, _) in text.match_indices(word) {
            let (before, after) = text.split_at(start);
            // Not the end of a longer name, nor the middle of a path.
            if before.ends_with(|c: char| c.is_alphanumeric() || ['_', ':', '$'].contains(&c)) {
                continue;
            }
            for path in paths(after.strip_prefix(word).unwrap_or_default()) {
                let mut steps = base.to_vec();
                for step in path {
                    if step == "super" {
                        steps.pop();
                    } else {
                        steps.push(step);
                    }
                }
                while !steps.is_empty() && !all.contains(&steps) {
                    steps.pop();
                }
                found.insert(steps);
            }
        }
    }
    found.remove(module);
    found.remove(&Vec::new());
    found
}

/// The paths that a text begins with: one, or one for each name in the braces at its end.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut steps: Vec<String> = Vec::new();
    let mut rest = text;
    loop {
        if let Some(names) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(names, _)| names) {
            let first = |name: &str| name.split([' ', ':']).next().unwrap_or_default().to_owned();
            let each = names.split(',').map(|name| first(name.trim())).filter(|name| !name.is_empty());
            return each.map(|name| steps.iter().cloned().chain([name]).collect()).collect();
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (step, after) = rest.split_at(end);
        if step.is_empty() {
            break;
        }
        steps.push(step.to_owned());
        let Some(next) = after.strip_prefix("::") else { break };
        rest = next;
    }
    vec![steps]
}

/// Every circle among the modules of one folder, at whatever depth.
fn circles(krate: &str, modules: &BTreeMap<Module, String>) -> Vec<String> {
    let all: BTreeSet<Module> = modules.keys().cloned().collect();
    // By folder: which of its members uses which other one.
    let mut uses: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (module, text) in modules {
        for other in named(module, text, &all) {
            let common = module.iter().zip(&other).take_while(|(one, two)| one == two).count();
            if let (Some(user), Some(used), Some(folder)) =
                (module.get(common), other.get(common), module.get(..common))
            {
                uses.entry(folder.to_vec()).or_default().entry(user.clone()).or_default().insert(used.clone());
            }
        }
    }
    let mut found = Vec::new();
    for (folder, uses) in uses {
        for member in uses.keys() {
            let mut reached = BTreeSet::new();
            let mut todo = vec![member];
            while let Some(next) = todo.pop() {
                todo.extend(uses.get(next).into_iter().flatten().filter(|used| reached.insert((*used).clone())));
            }
            if reached.contains(member) {
                found.push(format!("{krate}/{}: {member} uses itself, by way of {reached:?}", folder.join("/")));
            }
        }
    }
    found
}

/// The names in brackets of the numbered lines of `lib.rs`'s comment, in their order.
fn order(text: &str) -> Vec<String> {
    let floors = text.lines().filter_map(|line| line.strip_prefix("//! "));
    let floors = floors.filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    floors
        .flat_map(|line| line.split("[`").skip(1).filter_map(|rest| Some(rest.split_once("`]")?.0.to_owned())))
        .collect()
}

/// What uses a module that stands behind it, or stands nowhere in the order.
fn upward(modules: &BTreeMap<Module, String>, order: &[String]) -> Vec<String> {
    let all: BTreeSet<Module> = modules.keys().cloned().collect();
    let place = |name: &String| order.iter().position(|one| one == name);
    let mut found = Vec::new();
    for (module, text) in modules {
        let Some(own) = module.first() else { continue };
        if place(own).is_none() {
            found.push(format!("core::{own} stands on no floor: name it in the list of shared/core/src/lib.rs"));
        }
        for other in named(module, text, &all) {
            let Some(used) = other.first().filter(|used| *used != own) else { continue };
            if place(used) > place(own) {
                found.push(format!("core::{} uses core::{used}, which stands behind core::{own}", module.join("::")));
            }
        }
    }
    found
}

#[test]
fn the_modules_of_core_use_what_stands_before_them_and_go_round_in_no_circle() {
    let source = root().join("shared/core/src");
    let modules = modules(&source);
    assert!(modules.len() > 80, "the modules are found where they are looked for: {}", modules.len());
    let order = order(&std::fs::read_to_string(source.join("lib.rs")).unwrap_or_else(|error| panic!("{error}")));
    assert_none(&upward(&modules, &order));
    assert_none(&circles("core", &modules));
}

#[test]
fn the_modules_of_the_use_cases_and_of_the_command_go_round_in_no_circle() {
    for (folder, least) in [("shared/operations/src", 15), ("cli/src", 40)] {
        let modules = modules(&root().join(folder));
        assert!(modules.len() >= least, "{folder}: the modules are found where they are looked for: {}", modules.len());
        assert_none(&circles(folder, &modules));
    }
}

#[test]
fn a_circle_an_arrow_upwards_and_a_module_without_a_floor_are_found() {
    let tree = |files: &[(&str, &str)]| -> BTreeMap<Module, String> {
        let module = |path: &str| path.split('/').map(str::to_owned).collect::<Module>();
        files.iter().map(|(path, text)| (module(path), production(text))).collect()
    };
    let order = ["id", "event", "port"].map(str::to_owned);
    let sound = tree(&[
        ("id", "// crate::port\npub struct Id;\n#[cfg(test)]\nmod tests {\n    use crate::port::Port;\n}"),
        ("event", "mod body;\nuse crate::id::{self, Id};"),
        ("event/body", "use super::super::id::Id;"),
        ("event/head", "use super::body::Body;"),
        ("port", "fn f(_: crate::event::head::Head) {}"),
    ]);
    assert_eq!((upward(&sound, &order), circles("core", &sound)), (vec![], vec![]));
    let up = tree(&[("id", "use crate::port::Port;"), ("port", "")]);
    assert_eq!(upward(&up, &order).len(), 1);
    let round = tree(&[
        ("event", ""),
        ("event/head", "use super::{\n    body::Body,\n};"),
        ("event/body", "fn f(_: crate::event::head::Head) {}"),
    ]);
    assert_eq!(circles("core", &round).len(), 2);
    assert_eq!(upward(&tree(&[("other", "")]), &order).len(), 1);
    assert_eq!(order_of_two_lines(), ["time", "id", "event"]);
    let parent = "#[cfg(test)]\nmod cases;\nmod real;";
    assert_eq!(test_children(&["event".to_owned()], parent), [["event".to_owned(), "cases".to_owned()]]);
}

fn order_of_two_lines() -> Vec<String> {
    order("//! Read [`all`].\n//! 1. [`time`], [`id`]: names.\n//! 2. [`event`]: what it is.\npub mod id;")
}
