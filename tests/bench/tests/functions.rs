//! No function is left out: each has its scenarios, and a test that counts its calls.

use std::path::Path;

use acequia_core::kind::{BESIDE, functions_of_queues};

#[test]
fn every_function_is_measured_and_counts_its_calls_in_its_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.retain(|function| !BESIDE.contains(&function.as_str()));
    found.sort();
    let mut measured: Vec<String> = functions_of_queues().map(str::to_owned).collect();
    measured.sort();
    assert_eq!(found, measured, "a folder below functions/ is that of a kind of sink, or named in acequia_core::kind");
    found.push(stub::scenario::DOOR.to_owned());
    for function in &found {
        let test = folder.join(function).join("tests/counts.rs");
        assert!(test.exists(), "{} is missing: see those of the other functions", test.display());
        assert!(!stub::scenario::of(function).is_empty(), "stub::scenario has nothing for {function}");
    }
}
