//! The kinds of sinks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of place a sink is; each kind has a function and a queue per tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinkKind {
    /// An HTTPS endpoint.
    Webhook,
    /// A mail through SES.
    Email,
    /// An SQS queue.
    Forward,
}

impl SinkKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Email, Self::Forward];

    /// The word for it in configurations, queue names and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
            Self::Forward => "forward",
        }
    }
}

impl fmt::Display for SinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
