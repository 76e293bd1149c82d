//! What holds deliveries back before they are attempted.

use serde::{Deserialize, Serialize};

/// What holds deliveries back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// An operator paused the sink.
    Paused,
    /// The endpoint's circuit is open ([`crate::delivery::breaker`]).
    CircuitOpen,
    /// The sink's rate is used up ([`crate::delivery::rate`]).
    Rate,
    /// The endpoint is so slow that the rest of a batch would keep its neighbours waiting.
    Slow,
    /// As many requests are under way as the sink's `concurrency` allows, and the rest of a batch would wait long.
    Concurrency,
}

impl Hold {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Paused, Self::CircuitOpen, Self::Rate, Self::Slow, Self::Concurrency];

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::CircuitOpen => "circuit-open",
            Self::Rate => "rate",
            Self::Slow => "slow",
            Self::Concurrency => "concurrency",
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Paused => "the sink is paused (acequia tenant resume ends that)",
            Self::CircuitOpen => "the endpoint fails, and its circuit is open",
            Self::Rate => "the sink's rate is used up",
            Self::Slow => "the endpoint is slow, and the tenant's other deliveries go on meanwhile",
            Self::Concurrency => "as many requests are under way as the sink's concurrency allows",
        })
    }
}
