//! The memory that the function takes: its real process, with the largest batches that Lambda can hand over, against a
//! stub of AWS.

use std::path::Path;

use acequia_core::kind::SinkKind;
use serde_json::json;
use stub::peak::LOADS;

/// The function has 256 MB; more than half of that stays free.
const MOST: u64 = 96_000_000;

#[test]
#[expect(clippy::print_stdout, reason = "docs/PERFORMANCE.md has these figures: --nocapture shows them")]
fn for_no_batch_of_six_megabytes_does_the_function_take_more_than_96_megabytes() {
    let (program, logs) = (Path::new(env!("CARGO_BIN_EXE_archive")), Path::new(env!("CARGO_TARGET_TMPDIR")));
    for load in LOADS {
        let memory =
            load.of_sink(SinkKind::Archive, program, logs).unwrap_or_else(|error| panic!("{}: {error}", load.what));
        println!("archive: {}: {} MB at the most", load.what, memory.peak / 1_000_000);
        assert!(memory.peak < MOST, "{}: {} bytes", load.what, memory.peak);
        let fields = json!({"format": "parquet"});
        let memory = load
            .of_sink_with(SinkKind::Archive, &fields, program, logs)
            .unwrap_or_else(|error| panic!("{}: {error}", load.what));
        println!("archive as Parquet: {}: {} MB at the most", load.what, memory.peak / 1_000_000);
        assert!(memory.peak < MOST, "as Parquet: {}: {} bytes", load.what, memory.peak);
    }
}
