//! What the terminal shows of the steps: a name when one begins, its time when it ends.

use std::fmt::Write as _;
use std::time::Instant;

use serde::Serialize;

use crate::host;

/// One step under way.
pub(crate) struct Step {
    name: String,
    begun: Instant,
}

impl Step {
    /// Says that it begins.
    pub(crate) fn begin(name: impl Into<String>) -> Self {
        let name = name.into();
        println!("==> {name}");
        Self { name, begun: host::now() }
    }

    /// Says that it is done; answers the seconds it took.
    pub(crate) fn end(self) -> f64 {
        let seconds = self.begun.elapsed().as_secs_f64();
        println!("  * {} ({seconds:.1} s)", self.name);
        seconds
    }
}

/// Runs a step that can fail.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let step = Step::begin(name);
    let done = work()?;
    step.end();
    Ok(done)
}

/// The same for a step that takes long: it says how long the step usually takes.
pub(crate) fn usual_step<T>(name: &str, usually: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    step(&format!("{name} (usually {usually})"), work)
}

/// One statement of a proof, and whether it holds.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(crate) struct Check {
    /// Whether it does.
    pub(crate) holds: bool,
    /// The statement, with its figures.
    pub(crate) says: String,
}

/// Whether all of it holds.
pub(crate) fn hold(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.holds)
}

/// One line each, and the conclusion.
pub(crate) fn verdict(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}", if check.holds { "ok    " } else { "FAILED" }, check.says);
    }
    text + if hold(checks) { "\nproof: it holds" } else { "\nproof: it does NOT hold" }
}

/// A number, or a dash where there is none.
pub(crate) fn or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}
