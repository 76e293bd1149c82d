//! The tables of docs/PERFORMANCE.md that follow from the agreed counts say what the counts say.
//!
//! After a wanted change: `ACEQUIA_BLESS=1 cargo test -p bench`, and look at the difference.
#![expect(clippy::disallowed_methods, reason = "a test reads its one switch itself")]

use std::path::Path;

use bench::{cost, document, door, idle};

#[test]
fn the_tables_of_calls_and_cost_are_those_of_the_agreed_counts() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document::FILE);
    let mut text = std::fs::read_to_string(&file).unwrap();
    let tables = [
        ("calls", cost::calls().unwrap()),
        ("cost of functions", cost::per_function().unwrap()),
        ("cost of events", cost::per_event().unwrap()),
        ("cost of the door", door::cost::table().unwrap()),
        ("idle", idle::per_tenant()),
    ];
    if std::env::var_os("ACEQUIA_BLESS").is_some() {
        for (name, table) in &tables {
            text = document::replaced(&text, name, table).unwrap();
        }
        std::fs::write(&file, &text).unwrap();
    }
    for (name, table) in &tables {
        assert_eq!(
            document::part(&text, name).unwrap(),
            table,
            "the part {name:?} of {}: see the head of this test",
            document::FILE
        );
    }
}

#[test]
fn the_goals_of_calls_are_met() {
    let missed: Vec<_> = bench::goal::of_calls().unwrap().into_iter().filter(bench::goal::Goal::fails).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn every_measured_part_of_the_document_is_there() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document::FILE)).unwrap();
    let of_door = ["goals of the door", "instructions of the door", "latency of the door", "flood at the door"];
    for name in ["instructions", "goals of instructions", "processes", "duration"].into_iter().chain(of_door) {
        assert!(document::part(&text, name).is_ok(), "{name}");
    }
}
