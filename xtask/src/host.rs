//! The machine: its environment, its clock, and where things lie in the working tree.
//!
//! The one module of xtask that reads environment variables and the time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What children that talk to the local AWS keep of the environment; the rest (profiles, proxies, endpoints) stays
/// outside.
const KEPT: [&str; 10] =
    ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TERM", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

/// One environment variable, where it is set to something.
#[expect(clippy::disallowed_methods, reason = "xtask reads the environment here and nowhere else")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variables that any child needs.
pub(crate) fn kept_variables() -> Vec<(&'static str, String)> {
    KEPT.into_iter().filter_map(|name| Some((name, variable(name)?))).collect()
}

/// Now, for durations.
#[expect(clippy::disallowed_methods, reason = "xtask reads the clock here and nowhere else")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Now, as the time since 1970.
#[expect(clippy::disallowed_methods, reason = "xtask reads the clock here and nowhere else")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The top of the working tree.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A path in the working tree.
pub(crate) fn path(relative: &str) -> PathBuf {
    root().join(relative)
}

/// Where everything goes that a local run leaves behind: logs, packed functions, derived configurations.
pub(crate) fn scratch(relative: &str) -> PathBuf {
    path(".local").join(relative)
}

/// Cargo's folder of built things.
pub(crate) fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| path("target"), |folder| root().join(folder))
}

/// The file of the running program.
pub(crate) fn own_program() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?)
}
