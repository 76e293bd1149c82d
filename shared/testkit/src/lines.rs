//! Lines, remembered.

use std::collections::BTreeMap;

use acequia_core::port::Lines;
use serde_json::Value as Json;

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

    /// What was held up because something of ours was down, as the lines of metrics say it: `store at function` with
    /// the sum.
    pub fn stalled(&self) -> BTreeMap<String, u64> {
        let mut stalled = BTreeMap::new();
        for line in self.written() {
            let line: Json = serde_json::from_str(&line).unwrap_or_default();
            let field = |name: &str| line.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
            if let Some(count) = line.get("stalled").and_then(Json::as_u64) {
                *stalled.entry(format!("{} at {}", field("store"), field("function"))).or_default() += count;
            }
        }
        stalled
    }
}

impl Lines for InMemoryLines {
    fn write(&self, line: &str) {
        self.0.lock().push(line.to_owned());
    }
}
