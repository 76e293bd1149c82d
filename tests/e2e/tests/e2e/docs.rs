//! The commands in the documentation exist: every `cargo xtask` and `acequia` line of a block of shell commands, with its flags.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::world;

/// The lines of all blocks marked `sh` of a page, with continued lines joined.
fn commands(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in page.replace("\\\n", " ").lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => found.extend(line.split(&['|', ';'][..]).map(|part| part.trim().to_owned())),
            _ => {}
        }
    }
    found
}

fn pages() -> Vec<PathBuf> {
    let root = &world().environment.root;
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("tools/receiver/README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "md") {
                pages.push(entry.path());
            }
        }
    }
    pages.into_iter().filter(|page| page.exists()).collect()
}

fn help(program: &Path, subcommands: &[&str]) -> String {
    let output = Command::new(program).args(subcommands).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Says what is wrong with a command line, by the help texts of its program.
fn problem(program: &Path, words: &[&str]) -> Option<String> {
    let mut text = help(program, &[]);
    let mut subcommands = Vec::new();
    for word in words.iter().take_while(|word| !word.starts_with('-')) {
        let Some((_, listed)) = text.split_once("Commands:") else { break };
        let is_listed = listed.lines().any(|line| line.split_whitespace().next() == Some(word));
        if !is_listed {
            return Some(format!("there is no subcommand {word}"));
        }
        subcommands.push(*word);
        text = help(program, &subcommands);
    }
    let flags = words.iter().take_while(|word| **word != "--").filter(|word| word.starts_with("--"));
    let flags: Vec<&str> = flags.map(|flag| flag.split('=').next().unwrap_or(flag)).collect();
    let unknown =
        flags.into_iter().find(|flag| !text.split(&[' ', ',', '\n', '=', '['][..]).any(|known| known == *flag));
    unknown.map(|flag| format!("there is no flag {flag}"))
}

#[test]
fn every_command_in_the_documentation_exists_with_its_flags() {
    let environment = &world().environment;
    let mut checked = 0;
    for page in pages() {
        for command in commands(&std::fs::read_to_string(&page).unwrap()) {
            let words: Vec<&str> = command.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
            let wrong = match words.as_slice() {
                ["cargo", "xtask", words @ ..] => problem(&environment.xtask, words),
                ["acequia", words @ ..] => problem(&environment.acequia, words),
                _ => continue,
            };
            assert_eq!(wrong, None, "{}: {command}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 0, "no command was found in the documentation");
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    let program = &world().environment.xtask;
    assert!(problem(program, &["demo", "--events", "5"]).is_none());
    assert!(problem(program, &["demo", "--no-such-flag"]).is_some());
    assert!(problem(program, &["no-such-task"]).is_some());
}
