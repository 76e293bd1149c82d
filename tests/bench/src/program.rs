//! Where the built programs lie.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// The functions that a delivery passes. What the others call depends on what waits and on who answers, not on what is
/// delivered.
pub use acequia_core::kind::functions_of_queues;

/// A folder of built programs: of cargo-lambda (`<name>/bootstrap`) or of cargo (`<name>`).
#[derive(Debug, Clone)]
pub struct Programs {
    /// The folder.
    pub folder: PathBuf,
    /// Where their output goes.
    pub logs: PathBuf,
}

impl Programs {
    /// A program's file.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, name: &str) -> Result<PathBuf> {
        let candidates = [self.folder.join(name).join("bootstrap"), self.folder.join(name)];
        match candidates.into_iter().find(|file| file.is_file()) {
            Some(file) => Ok(file),
            None => {
                bail!("there is no program {name} in {}: run cargo xtask bench, which builds it", self.folder.display())
            }
        }
    }

    /// A file for what a program says.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("bench-{name}.log"))
    }
}
