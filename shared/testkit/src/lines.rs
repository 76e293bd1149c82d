//! Lines, remembered.

use acequia_core::port::Lines;

use crate::shared::Shared;

/// Remembers the lines that were written.
#[derive(Debug, Clone, Default)]
pub struct InMemoryLines(Shared<Vec<String>>);

impl InMemoryLines {
    /// No lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lines so far, in order.
    pub fn written(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

impl Lines for InMemoryLines {
    fn write(&self, line: &str) {
        self.0.lock().push(line.to_owned());
    }
}
