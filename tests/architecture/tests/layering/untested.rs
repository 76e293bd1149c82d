//! Targets that cargo builds no test program for (`test = false`): each such program would link the whole SDK to run
//! nothing. So they must hold no test, since it would never run.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{assert_none, entries, manifest, root, shown};

/// Every package of the workspace that is ours.
fn packages() -> Vec<PathBuf> {
    let folders = ["shared", "functions", "tools", "tests"].map(|folder| root().join(folder));
    let nested = folders.iter().flat_map(|folder| entries(folder));
    nested.chain([root().join("cli"), root().join("xtask")]).filter(|path| path.join("Cargo.toml").exists()).collect()
}

/// The sources of a package's targets without tests: of a binary its file, or its folder where that is its own.
fn sources_without_tests(package: &Path, manifest: &Table) -> Vec<PathBuf> {
    let untested = |target: &Value| target.get("test").and_then(Value::as_bool) == Some(false);
    let binaries = manifest.get("bin").and_then(Value::as_array).into_iter().flatten().filter(|bin| untested(bin));
    let mut found: Vec<PathBuf> = binaries
        .filter_map(|binary| Some(package.join(binary.get("path")?.as_str()?)))
        .flat_map(|file| match file.parent().filter(|folder| !folder.ends_with("src")) {
            Some(folder) if file.ends_with("main.rs") => rust_files(folder),
            _ => vec![file],
        })
        .collect();
    if manifest.get("lib").is_some_and(untested) {
        let source = package.join("src");
        found.extend(rust_files(&source).into_iter().filter(|file| !file.starts_with(source.join("bin"))));
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let of_entry = |path: PathBuf| if path.is_dir() { rust_files(&path) } else { vec![path] };
    let all = entries(folder).into_iter().flat_map(of_entry);
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn has_test(text: &str) -> bool {
    text.lines().any(|line| ["#[test]", "#[tokio::test"].iter().any(|mark| line.trim_start().starts_with(mark)))
}

#[test]
fn a_target_without_a_test_program_has_no_tests() {
    let mut seen = 0;
    let mut found = Vec::new();
    for package in packages() {
        for file in sources_without_tests(&package, &manifest(&package)) {
            seen += 1;
            if has_test(&std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))) {
                found.push(format!("{}: has a test, and its target says test = false", shown(&file)));
            }
        }
    }
    assert!(seen >= 9, "the targets are found where they are looked for");
    assert_none(&found);
}

#[test]
fn a_test_that_would_never_run_is_found() {
    assert!(has_test("mod tests {\n    #[test]\n    fn a() {}\n}"));
    assert!(has_test("    #[tokio::test(start_paused = true)]"));
    assert!(!has_test("// #[test]\nfn main() {}"));
    let text = "[lib]\ntest = false\n[[bin]]\nname = \"a\"\npath = \"src/main.rs\"\n[[bin]]\nname = \"b\"\npath = \"b.rs\"\ntest = false";
    let package = root().join("functions/router");
    let found = sources_without_tests(&package, &text.parse().expect("TOML"));
    assert!(found.contains(&package.join("src/router.rs")) && found.contains(&package.join("b.rs")), "{found:?}");
}
