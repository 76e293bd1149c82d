//! What a panic leaves in the log of a function: its place, and nothing that it says.

use std::process::Command;

use acequia_core::outcome::{Cause, PANICKED};
use acequia_lambda::{Environment, start_telemetry, unwind};

/// Not a test of its own, but the process that panics: the hook is the whole process's.
#[tokio::test]
#[ignore = "it is run by the other test, in a process of its own"]
async fn a_process_that_panics_on_a_text() {
    start_telemetry(&Environment::of(&[("AWS_LAMBDA_LOG_FORMAT", "json")]));
    let outcome = unwind(async {
        let event: Result<(), String> = std::hint::black_box(Err("ana@example.org".to_owned()));
        event.unwrap();
    })
    .await;
    assert_eq!(outcome, Err(Cause::Bug(PANICKED)));
}

#[test]
fn a_panic_is_logged_by_its_place_and_says_nothing_of_the_event() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "a_process_that_panics_on_a_text"])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success(), "{said}");
    let line = said.lines().find(|line| line.contains("panic.line")).unwrap_or_else(|| panic!("no line of it: {said}"));
    assert!(line.contains("tests/panic.rs") && line.contains("\"level\":\"ERROR\""), "{line}");
    assert!(!said.contains("ana@"), "{said}");
}
