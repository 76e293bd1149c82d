//! What the terminal shows of the steps: a name when one begins, its time when it ends.

use std::time::Instant;

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

/// A number, or a dash where there is none.
pub(crate) fn or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}
