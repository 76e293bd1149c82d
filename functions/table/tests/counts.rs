//! The calls that the table function makes, counted exactly: its real process against a stub of AWS and a real
//! `PostgreSQL`.
//!
//! After a wanted change: `ACEQUIA_BLESS=1 cargo test -p table --test counts`, and look at the difference of
//! tools/stub/counts.txt.
#![expect(clippy::disallowed_methods, reason = "a test reads its one switch itself")]

mod bench_database;

use std::path::Path;

#[test]
fn every_batch_makes_exactly_the_calls_that_were_agreed() {
    let server = bench_database::serve();
    let bless = std::env::var_os("ACEQUIA_BLESS").is_some();
    let (program, logs) = (Path::new(env!("CARGO_BIN_EXE_table")), Path::new(env!("CARGO_TARGET_TMPDIR")));
    stub::gate::check("table", program, logs, bless).unwrap_or_else(|differences| panic!("{differences}"));
    let rows = server.query("bench", "select count(*) from bench").unwrap_or_default();
    assert!(rows.parse::<u32>().is_ok_and(|rows| rows > 0), "the batches are rows: {rows}");
}
