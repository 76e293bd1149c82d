//! The functions of a local run and the tests share what cargo has compiled: both must resolve every dependency with
//! the same features.

use std::collections::BTreeSet;
use std::process::Command;

use acequia_core::kind::functions;

/// Ours are compiled twice where a test asks a feature of them; that costs seconds. The dependencies would cost
/// minutes.
const OURS: &str = "(/";

/// What `cargo xtask demo` builds beside the functions (xtask/src/build/quick.rs).
const LOCAL: [&str; 3] = ["acequia", "receiver", "features"];

/// What `cargo xtask test` asks for besides.
const WHOLE: &str = "acequia-aws/emulator,e2e/emulator,browser/chromium";

fn dependencies(arguments: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p} {f}"]).args(arguments);
    let output = cargo.current_dir(super::root()).output().unwrap_or_else(|error| panic!("cargo tree: {error}"));
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |line: &str| line.trim_end_matches(" (*)").replace(" (proc-macro)", "").trim().to_owned();
    text.lines().map(line).filter(|line| !line.is_empty() && !line.contains(OURS)).collect()
}

#[test]
fn the_functions_and_the_tests_resolve_the_same_dependencies() {
    let packages: Vec<&str> = functions().chain(LOCAL).flat_map(|name| ["--package", name]).collect();
    let local = dependencies(&[&["--edges", "normal,build"], packages.as_slice()].concat());
    for features in [&[][..], &["--features", WHOLE]] {
        let tests = dependencies(&[&["--edges", "normal,build,dev", "--workspace"], features].concat());
        let apart: Vec<&String> = local.difference(&tests).collect();
        assert!(
            apart.is_empty(),
            "compiled a second time for the tests {features:?}, with other features (`cargo tree -i` says who asks for them; \
             tests/features/Cargo.toml asks for the same): {apart:#?}"
        );
    }
    let plan = std::fs::read_to_string(super::root().join("xtask/src/test/mod.rs")).unwrap_or_default();
    assert!(plan.contains(WHOLE), "`cargo xtask test` asks for the features {WHOLE}");
}
