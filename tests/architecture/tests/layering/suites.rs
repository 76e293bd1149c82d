//! Every port has a conformance suite in `acequia-testkit`, each case of a suite is a test, and each suite runs on the
//! in-memory implementation and on a real one.

use std::collections::{BTreeMap, BTreeSet};

use super::{assert_none, sources};

const PORTS: &str = "shared/core/src/port/";
const SUITES: &str = "shared/testkit/src/conformance/";
const LIST: &str = "shared/testkit/src/conformance/mod.rs";
const IN_MEMORY: &str = "shared/testkit/tests/";

/// The traits among the ports that have no suite, and why.
const WITHOUT_SUITE: &[(&str, &str)] = &[
    ("Chance", "what it answers is arbitrary: there is nothing that two implementations could have in common"),
    ("DatabaseTokens", "what it answers is a signature, compared with what botocore makes of the same"),
    ("Clock", "what it answers is the time, which a test of the real one could only compare with another clock"),
    ("Lines", "it has one method and no answer; what is written is tested line by line"),
    ("Ports", "it only bundles ports, and has no method"),
];

fn is_word(letter: Option<char>) -> bool {
    letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
}

fn first_word(text: &str) -> &str {
    text.split(|letter| !is_word(Some(letter))).next().unwrap_or_default()
}

/// What follows each of these marks at the beginning of a line: the names of traits, or of functions.
fn declared<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| Some(first_word(line.strip_prefix(mark)?))).filter(|name| !name.is_empty())
}

/// Whether a suite asks its implementation for this trait: as a bound, and not as what is implemented or imported.
fn asks_for(suite: &str, port: &str) -> bool {
    suite.match_indices(port).any(|(place, _)| {
        let (before, after) =
            (suite.get(..place).unwrap_or_default(), suite.get(place + port.len()..).unwrap_or_default());
        let is_bound = ["impl ", "+ ", ": "].iter().any(|mark| before.ends_with(mark));
        is_bound && !is_word(after.chars().next()) && !after.starts_with(" for ")
    })
}

/// The ports that no suite asks for and no reason excuses.
fn untested(sources: &BTreeMap<String, String>, excused: &[&str]) -> Vec<String> {
    let suites = || sources.iter().filter(|(name, _)| name.starts_with(SUITES)).map(|(_, text)| text);
    let mut found = Vec::new();
    for (name, text) in sources.iter().filter(|(name, _)| name.starts_with(PORTS)) {
        for port in declared(text, "pub trait ").filter(|port| !excused.contains(port)) {
            if !suites().any(|suite| asks_for(suite, port)) {
                found.push(format!(
                    "{name}: no suite in {SUITES} tests {port}; write one, or give the reason in WITHOUT_SUITE of tests/architecture"
                ));
            }
        }
    }
    found
}

/// The cases that stand in no list of [`LIST`], and so in no test.
fn unlisted(sources: &BTreeMap<String, String>) -> Vec<String> {
    let list = sources.get(LIST).map(String::as_str).unwrap_or_default();
    let listed: BTreeSet<&str> = list.split(|letter| !is_word(Some(letter))).collect();
    let suites = sources.iter().filter(|(name, _)| name.starts_with(SUITES) && *name != LIST);
    let cases = suites.flat_map(|(name, text)| declared(text, "pub async fn ").map(move |case| (name, case)));
    let cases = cases.filter(|(_, case)| !listed.contains(case));
    cases.map(|(name, case)| format!("{name}: {case} never runs: {LIST} does not list it")).collect()
}

/// The suites that do not run on both sides.
fn one_sided(sources: &BTreeMap<String, String>) -> Vec<String> {
    let list = sources.get(LIST).map(String::as_str).unwrap_or_default();
    let suites = list
        .lines()
        .filter_map(|line| line.trim().strip_prefix('(')?.split_once(", $port:expr) =>"))
        .map(|(suite, _)| suite);
    let mut found = Vec::new();
    for suite in suites {
        let call = format!("suite!({suite},");
        let users: Vec<&String> = sources
            .iter()
            .filter(|(name, text)| name.contains("/tests/") && text.contains(&call))
            .map(|(name, _)| name)
            .collect();
        let (memory, real): (Vec<_>, Vec<_>) = users.into_iter().partition(|name| name.starts_with(IN_MEMORY));
        for (users, what) in [(memory, "the in-memory implementation"), (real, "a real implementation")] {
            if users.is_empty() {
                found.push(format!("{LIST}: the suite {suite} does not run on {what}"));
            }
        }
    }
    found
}

#[test]
fn every_port_passes_one_suite_in_memory_and_for_real() {
    let sources = sources();
    let ports: Vec<&str> = sources
        .iter()
        .filter(|(name, _)| name.starts_with(PORTS))
        .flat_map(|(_, text)| declared(text, "pub trait "))
        .collect();
    assert!(ports.len() > 20, "the ports are found where they are looked for: {ports:?}");
    let stale = WITHOUT_SUITE.iter().filter(|(port, _)| !ports.contains(port));
    let stale = stale.map(|(port, _)| format!("WITHOUT_SUITE names {port}, which is no port"));
    let excused: Vec<&str> = WITHOUT_SUITE.iter().map(|(port, _)| *port).collect();
    let found =
        untested(&sources, &excused).into_iter().chain(stale).chain(unlisted(&sources)).chain(one_sided(&sources));
    assert_none(&found.collect::<Vec<_>>());
}

#[test]
fn a_port_without_a_suite_a_case_that_never_runs_and_a_suite_on_one_side_are_found() {
    let tree = |suite: &str, list: &str, memory: &str, real: &str| {
        let files = [
            (
                "shared/core/src/port/doors.rs",
                "/// Doors.\npub trait Doors: Send + Sync {\n}\npub trait DoorsInWalls {}\n",
            ),
            ("shared/testkit/src/conformance/doors.rs", suite),
            (LIST, list),
            ("shared/testkit/tests/conformance.rs", memory),
            ("shared/aws/tests/conformance/main.rs", real),
        ];
        files.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect::<BTreeMap<_, _>>()
    };
    let suite = "use acequia_core::port::Doors;\npub async fn a_door_opens(doors: &impl Doors) {}\n\
                 pub async fn a_wall_has_doors(doors: &(impl Send + DoorsInWalls)) {}\n";
    let list = "    (doors, $port:expr) => {\n        $crate::cases!(doors, $port, [a_door_opens, a_wall_has_doors]);\n    };\n";
    let runs = "acequia_testkit::suite!(doors, Doors::new());";
    let flaws =
        |tree: &BTreeMap<String, String>| (untested(tree, &[]).len(), unlisted(tree).len(), one_sided(tree).len());

    assert_eq!(flaws(&tree(suite, list, runs, runs)), (0, 0, 0));
    let planted = suite.replace("impl Doors", "impl Other");
    assert_eq!(flaws(&tree(&planted, list, runs, runs)), (1, 0, 0), "an import is no suite");
    let implemented = planted.clone() + "impl Doors for Wall {}\n";
    assert_eq!(flaws(&tree(&implemented, list, runs, runs)), (1, 0, 0), "and neither is an implementation");
    assert_eq!(untested(&tree(&planted, list, runs, runs), &["Doors"]), Vec::<String>::new());
    assert_eq!(flaws(&tree(suite, &list.replace("a_door_opens, ", ""), runs, runs)), (0, 1, 0));
    assert_eq!(flaws(&tree(suite, list, "", runs)), (0, 0, 1));
    assert_eq!(flaws(&tree(suite, list, runs, "suite!(other, Doors::new());")), (0, 0, 1));
}
