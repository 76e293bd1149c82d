//! Which crate may know which, read from the manifests, and what every source file must look like.
#![expect(clippy::panic, reason = "a test that cannot read the tree fails")]

mod features;
mod floors;
mod sink_kind;
mod suites;
mod untested;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// What a crate may depend on; `dev` is what its tests may use besides.
struct Layer {
    folder: &'static str,
    may_use: &'static [&'static str],
    may_test_with: &'static [&'static str],
    refuses: &'static [&'static str],
}

const AWS: &[&str] = &["aws-", "aws_", "lambda_", "tokio", "reqwest", "rand", "acequia-"];

const LAYERS: &[Layer] = &[
    Layer { folder: "shared/core", may_use: &[], may_test_with: &[], refuses: AWS },
    Layer { folder: "shared/testkit", may_use: &["acequia-core"], may_test_with: &[], refuses: &["aws-", "lambda_"] },
    Layer {
        folder: "shared/aws",
        may_use: &["acequia-core"],
        may_test_with: &["acequia-testkit", "stub"],
        refuses: &["lambda_", "aws_lambda"],
    },
    Layer {
        folder: "shared/lambda",
        may_use: &["acequia-core"],
        may_test_with: &["acequia-testkit"],
        refuses: &["aws-sdk", "aws-config"],
    },
    Layer {
        folder: "shared/egress",
        may_use: &["acequia-core"],
        may_test_with: &["acequia-testkit"],
        refuses: &["aws-", "aws_", "lambda_"],
    },
    Layer {
        folder: "shared/postgres",
        may_use: &["acequia-core"],
        may_test_with: &["acequia-testkit", "database"],
        refuses: &["aws-", "aws_", "lambda_"],
    },
    Layer {
        folder: "shared/access",
        may_use: &["acequia-core", "acequia-egress"],
        may_test_with: &["acequia-testkit"],
        refuses: &["aws-", "aws_", "lambda_"],
    },
    // Objects of the archive, in memory and over ports.
    Layer {
        folder: "shared/archive",
        may_use: &["acequia-core"],
        may_test_with: &["acequia-testkit"],
        refuses: &["aws-", "aws_", "lambda_", "tokio", "reqwest", "rand", "arrow"],
    },
    Layer {
        folder: "functions/*",
        // The front door answers what the command does.
        may_use: &[
            "acequia-core",
            "acequia-archive",
            "acequia-aws",
            "acequia-lambda",
            "acequia-egress",
            "acequia-access",
            "acequia-operations",
            "acequia-postgres",
        ],
        may_test_with: &["acequia-testkit", "database", "receiver", "stub"],
        refuses: &[],
    },
    // Use cases over ports: no AWS, no terminal, and nothing of the command line.
    Layer {
        folder: "shared/operations",
        may_use: &["acequia-archive", "acequia-core"],
        may_test_with: &["acequia-testkit"],
        refuses: &[
            "aws-",
            "aws_",
            "lambda_",
            "tokio",
            "reqwest",
            "rand",
            "acequia-",
            "clap",
            "indicatif",
            "comfy-table",
            "signal-hook",
        ],
    },
    Layer {
        folder: "cli",
        // What `tenant try` shows is made by the functions' own code.
        may_use: &[
            "acequia-core",
            "acequia-archive",
            "acequia-aws",
            "acequia-operations",
            "acequia-postgres",
            "email",
            "eventbridge",
            "forward",
            "webhook",
        ],
        may_test_with: &["acequia-testkit"],
        refuses: &["lambda_", "aws_lambda"],
    },
    // What the demonstration and the tests run beside the system.
    Layer { folder: "tools/*", may_use: &["acequia-core"], may_test_with: &[], refuses: &["aws-", "aws_", "lambda_"] },
    // The simulator runs the real functions over the in-memory ports, and meets no AWS.
    Layer {
        folder: "tests/simulation",
        may_use: &[
            "acequia-core",
            "acequia-lambda",
            "acequia-testkit",
            "router",
            "acequia-archive",
            "archive",
            "eventbridge",
            "forward",
            "email",
            "sweeper",
            "table",
            "webhook",
            "outbox",
            "confirm",
            "feedback",
            "kafka",
            "aws_lambda_events",
        ],
        may_test_with: &[],
        refuses: &["aws-", "aws_", "lambda_", "tokio", "reqwest", "rand"],
    },
    // The bench runs the functions' programs against the stub, and their code over the real and the in-memory ports.
    Layer {
        folder: "tests/bench",
        may_use: &[
            "acequia-core",
            "acequia-aws",
            "acequia-lambda",
            "acequia-operations",
            "acequia-testkit",
            "router",
            "archive",
            "webhook",
            "forward",
            "email",
            "ingest",
            "acequia-access",
            "stub",
            "sweeper",
            "acequia-postgres",
            "database",
            // What the SDK takes by itself is measured without our adapter around it, and so is a handler of a team's
            // own.
            "aws-config",
            "aws-sdk-dynamodb",
            "aws-sdk-sqs",
        ],
        may_test_with: &[],
        refuses: &["aws-"],
    },
    Layer { folder: "xtask", may_use: &[], may_test_with: &[], refuses: &["aws-", "aws_", "lambda_", "acequia-aws"] },
];

const MAIN_LINES: usize = 40;
const FILE_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn crates(folder: &str) -> Vec<PathBuf> {
    match folder.strip_suffix("/*") {
        Some(parent) => {
            entries(&root().join(parent)).into_iter().filter(|path| path.join("Cargo.toml").exists()).collect()
        }
        None => Some(root().join(folder)).into_iter().filter(|path| path.join("Cargo.toml").exists()).collect(),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// The names in one table of dependencies, target-specific ones included.
fn dependencies(manifest: &Table, kind: &str) -> Vec<String> {
    let targets = manifest.get("target").and_then(|value| value.as_table()).into_iter().flat_map(Table::values);
    let tables = targets.filter_map(|value| value.as_table()).chain([manifest]);
    let named = tables.filter_map(|table| table.get(kind)).filter_map(|value| value.as_table());
    named.flat_map(|table| table.keys().cloned()).collect()
}

/// What one manifest does that its layer may not.
fn offences(layer: &Layer, name: &str, manifest: &Table, ours: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, also) in
        [("dependencies", &[][..]), ("build-dependencies", &[][..]), ("dev-dependencies", layer.may_test_with)]
    {
        for dependency in dependencies(manifest, kind) {
            let allowed = layer.may_use.iter().chain(also).any(|allowed| *allowed == dependency);
            let refused = kind != "dev-dependencies" && layer.refuses.iter().any(|start| dependency.starts_with(start));
            if (ours.contains(&dependency) || refused) && !allowed {
                found.push(format!(
                    "{name}/Cargo.toml: [{kind}] has {dependency}; this layer may use of ours {:?}, in tests also {:?}, and nothing that starts with {:?}",
                    layer.may_use, layer.may_test_with, layer.refuses
                ));
            }
        }
    }
    found
}

fn manifest(path: &Path) -> Table {
    let text = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
    text.parse().unwrap_or_else(|error| panic!("{}/Cargo.toml: {error}", path.display()))
}

fn package(path: &Path) -> String {
    let manifest = manifest(path);
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
    name.unwrap_or_default().to_owned()
}

fn shown(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let root = root().canonicalize().unwrap_or_else(|_| root());
    full.strip_prefix(&root).unwrap_or(&full).display().to_string()
}

/// Every Rust source of the project, with its text.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> =
        ["shared", "functions", "cli", "tools", "xtask", "tests"].iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for path in entries(&folder) {
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.insert(shown(&path), fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    found
}

/// What one source file does that no source file may.
fn flaws(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if !text.starts_with("//!") {
        found.push(format!("{name}: starts with `//!` and says in one sentence what it is for"));
    }
    if lines > FILE_LINES {
        found.push(format!("{name}: has {lines} lines, and at most {FILE_LINES} are wanted"));
    }
    if name.starts_with("functions/") && name.ends_with("src/main.rs") && lines > MAIN_LINES {
        found.push(format!("{name}: has {lines} lines; main wires and decides nothing, in at most {MAIN_LINES}"));
    }
    found
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn dependencies_point_inward() {
    let ours: Vec<String> = LAYERS.iter().flat_map(|layer| crates(layer.folder)).map(|path| package(&path)).collect();
    let mut found = Vec::new();
    for layer in LAYERS {
        for path in crates(layer.folder) {
            found.extend(offences(layer, &shown(&path), &manifest(&path), &ours));
        }
    }
    assert_none(&found);
}

#[test]
fn every_crate_has_a_layer() {
    let known: Vec<PathBuf> = LAYERS.iter().flat_map(|layer| crates(layer.folder)).collect();
    let present = ["shared", "functions", "tools"].into_iter().flat_map(|folder| entries(&root().join(folder)));
    let strangers: Vec<String> = present
        .filter(|path| path.join("Cargo.toml").exists() && !known.contains(path))
        .map(|path| format!("{}: this crate has no layer in tests/architecture/tests/layering", shown(&path)))
        .collect();
    assert_none(&strangers);
    assert!(known.len() >= 4, "the crates are found where they are looked for");
}

#[test]
fn every_crate_takes_its_lints_and_versions_from_the_workspace() {
    let tests = entries(&root().join("tests")).into_iter().filter(|path| path.join("Cargo.toml").exists());
    let mut found = Vec::new();
    for path in LAYERS.iter().flat_map(|layer| crates(layer.folder)).chain(tests) {
        let manifest = manifest(&path);
        let inherits = |table: &str, key: &str| {
            let value = manifest.get(table).and_then(|table| table.get(key));
            value.is_some_and(|value| value.as_bool() == Some(true) || value.get("workspace").is_some())
        };
        for (table, key) in
            [("lints", "workspace"), ("package", "version"), ("package", "edition"), ("package", "license")]
        {
            if !inherits(table, key) {
                found.push(format!("{}/Cargo.toml: [{table}] {key} comes from the workspace", shown(&path)));
            }
        }
    }
    assert_none(&found);
}

#[test]
fn every_source_says_what_it_is_for_and_is_short() {
    let found: Vec<String> = sources().iter().flat_map(|(name, text)| flaws(name, text)).collect();
    assert_none(&found);
}

#[test]
fn a_dependency_that_points_outward_is_found() {
    let ours = ["acequia-core", "acequia-aws", "acequia-testkit", "router", "webhook"].map(str::to_owned);
    let function = LAYERS.iter().find(|layer| layer.folder == "functions/*").expect("functions have a layer");
    let core = LAYERS.iter().find(|layer| layer.folder == "shared/core").expect("core has a layer");
    let broken = |layer: &Layer, text: &str| offences(layer, "here", &text.parse().expect("TOML"), &ours);

    assert_eq!(broken(function, "[dependencies]\nrouter.workspace = true").len(), 1);
    assert_eq!(broken(function, "[dependencies]\nacequia-testkit.workspace = true").len(), 1);
    assert_eq!(broken(function, "[dev-dependencies]\nacequia-testkit.workspace = true"), Vec::<String>::new());
    assert_eq!(broken(core, "[dependencies]\naws-sdk-sqs = \"1\"\ntokio = \"1\"\nacequia-aws = \"0\"").len(), 3);
    assert_eq!(broken(core, "[target.'cfg(unix)'.dependencies]\ntokio = \"1\"").len(), 1);
    assert_eq!(broken(core, "[dependencies]\nserde = \"1\""), Vec::<String>::new());

    let operations = LAYERS.iter().find(|layer| layer.folder == "shared/operations").expect("use cases have a layer");
    assert_eq!(
        broken(operations, "[dependencies]\nacequia-aws.workspace = true\nclap = \"4\"\ntokio = \"1\"").len(),
        3
    );
    assert_eq!(broken(operations, "[dependencies]\nacequia-testkit.workspace = true").len(), 1);
    let sound = "[dependencies]\nacequia-core.workspace = true\n[dev-dependencies]\nacequia-testkit.workspace = true\ntokio = \"1\"";
    assert_eq!(broken(operations, sound), Vec::<String>::new());
}

#[test]
fn a_source_without_header_or_with_too_many_lines_is_found() {
    assert_eq!(flaws("cli/src/a.rs", "fn main() {}").len(), 1);
    assert_eq!(flaws("cli/src/a.rs", &format!("//! A.\n{}", "\n".repeat(FILE_LINES))).len(), 1);
    assert_eq!(flaws("functions/x/src/main.rs", &format!("//! A.\n{}", "\n".repeat(MAIN_LINES))).len(), 1);
    assert_eq!(flaws("cli/src/main.rs", &format!("//! A.\n{}", "\n".repeat(MAIN_LINES))), Vec::<String>::new());
}
