//! The measurement of throughput loses nothing: every message is delivered, sent on or given back, and every signature is
//! right. Seconds decide nothing here.

use std::path::Path;
use std::time::Duration;

use bench::program::Programs;
use bench::throughput::{self, Options, Report};

/// The folder of the bench's own programs, which has the functions' too where the whole workspace is tested.
fn programs() -> Programs {
    let plain = Path::new(env!("CARGO_BIN_EXE_plain"));
    Programs { folder: plain.parent().unwrap_or(plain).to_owned(), logs: env!("CARGO_TARGET_TMPDIR").into() }
}

fn measure(only: &str) -> anyhow::Result<Report> {
    let options = Options { rounds: 1, only: Some(only.to_owned()), lasting: Duration::ZERO, quick: true };
    throughput::measure(&programs(), &options, |_| ())
}

#[test]
fn the_plain_handler_loses_nothing() {
    for only in ["webhook, 20 ms, batch 25, plain", "forward, batch 10, plain", "first message: webhook, 20 ms, plain"]
    {
        let report = measure(only).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert!(report.tables.iter().any(|(_, table)| table.contains("plain")), "{only}: {report:?}");
    }
}

/// Where the functions' programs are not built, which `cargo test --workspace` does, there is nothing to look at.
#[test]
fn the_functions_lose_nothing_where_they_are_measured() {
    let rows = [
        ("webhook", "webhook, 20 ms, batch 25, ours"),
        ("webhook", "shared batches: half to one that times out"),
        ("forward", "forward, batch 10, ours, strict"),
        ("router", "router, batch 100"),
    ];
    for (program, only) in rows.into_iter().filter(|(program, _)| programs().find(program).is_ok()) {
        let report = measure(only).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert!(report.tables.iter().any(|(_, table)| table.contains("ours")), "{program}, {only}: {report:?}");
    }
}
