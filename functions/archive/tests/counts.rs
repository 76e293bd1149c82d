//! The calls that the archive function makes, counted exactly: its real process against a stub of AWS.
//!
//! After a wanted change: `ACEQUIA_BLESS=1 cargo test -p archive --test counts`, and look at the difference of
//! tools/stub/counts.txt.
#![expect(clippy::disallowed_methods, reason = "a test reads its one switch itself")]

use std::path::Path;

#[test]
fn every_batch_makes_exactly_the_calls_that_were_agreed() {
    let bless = std::env::var_os("ACEQUIA_BLESS").is_some();
    let (program, logs) = (Path::new(env!("CARGO_BIN_EXE_archive")), Path::new(env!("CARGO_TARGET_TMPDIR")));
    stub::gate::check("archive", program, logs, bless).unwrap_or_else(|differences| panic!("{differences}"));
}
