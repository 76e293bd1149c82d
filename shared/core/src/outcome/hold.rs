//! What holds deliveries back before they are attempted.

/// What holds deliveries back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// An operator paused the sink.
    Paused,
    /// The endpoint's circuit is open ([`crate::delivery::breaker`]).
    CircuitOpen,
    /// The sink's rate is used up ([`crate::delivery::rate`]).
    Rate,
}

impl Hold {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Paused, Self::CircuitOpen, Self::Rate];

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::CircuitOpen => "circuit-open",
            Self::Rate => "rate",
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Paused => "the sink is paused (acequia tenant resume ends that)",
            Self::CircuitOpen => "the endpoint fails, and its circuit is open",
            Self::Rate => "the sink's rate is used up",
        })
    }
}
