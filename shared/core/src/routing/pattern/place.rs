//! Where in a pattern something stands, so that what is wrong with it can be found.

use super::PatternError;
use super::reader::StepId;

/// Where in the pattern.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) step: StepId,
    pub(super) path: String,
    pub(super) depth: usize,
    pub(super) in_or: bool,
}

impl Place {
    pub(super) fn error<T>(&self, problem: impl Into<String>) -> Result<T, PatternError> {
        Err(PatternError { path: self.path.clone(), problem: problem.into() })
    }

    pub(super) fn named(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, ..self.clone() }
    }

    pub(super) fn numbered(&self, number: usize) -> Self {
        Self { path: format!("{}[{number}]", self.path), ..self.clone() }
    }
}
