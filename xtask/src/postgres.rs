//! The server of the demo and of the tests of table sinks: Debian's package `postgresql`, installed where it is missing.
//! No cluster of the package's own is made or used: `tools/database` makes one for each.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::debian;

/// Where Debian has its programs, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";
const PACKAGES: [&str; 1] = ["postgresql"];

/// Installs it where it is missing.
///
/// # Errors
/// Where it cannot be installed from here: it says what to run.
pub(crate) fn ensure() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let by_hand = "table sinks are shown and tested with it (Debian: apt install postgresql)";
    debian::install("PostgreSQL", "initdb", &PACKAGES, by_hand)?;
    if !is_there() {
        bail!("initdb is missing below {PROGRAMS} although {} was installed: {by_hand}", PACKAGES.join(" "));
    }
    Ok(())
}

/// One of its programs; `None` where it is not installed.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).into_iter().flatten().filter_map(Result::ok);
    versions.map(|version| version.path().join("bin").join(name)).find(|path| path.exists())
}

fn is_there() -> bool {
    program("initdb").is_some()
}
