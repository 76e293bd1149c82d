//! What a call wants: the schedules say it in their payloads.

use acequia_core::watch::LOOKS;
use serde_json::Value as Json;

/// What the sweeper is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Send back what is delayed and due.
    Sweep,
    /// Look at queues: at all of them in so many looks.
    Watch {
        /// How many.
        looks: usize,
    },
}

impl Task {
    /// Reads what a payload says: `{"watch": "share"}`, or `{"watch": "all"}` from a caller that does not want to wait
    /// for the next two looks. Everything else is the sweep.
    pub fn of(payload: &Json) -> Self {
        match payload.get("watch").and_then(Json::as_str) {
            None => Self::Sweep,
            Some("all") => Self::Watch { looks: 1 },
            Some(_) => Self::Watch { looks: LOOKS },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_that_says_nothing_of_the_watch_is_the_sweeps() {
        for payload in [json!({}), json!(null), json!("x"), json!({"watch": 1}), json!({"time": "now"})] {
            assert_eq!(Task::of(&payload), Task::Sweep, "{payload}");
        }
        assert_eq!(Task::of(&json!({"watch": "share"})), Task::Watch { looks: 3 });
        assert_eq!(Task::of(&json!({"watch": "all"})), Task::Watch { looks: 1 });
    }
}
