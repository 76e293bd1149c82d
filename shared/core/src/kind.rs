//! The kinds of sinks, and all that is said of a kind outside its own files; and the functions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the rest of the product needs to know of a kind of sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a table of facts: each is asked for in another place, and none excludes another"
)]
pub struct SinkFacts {
    /// The word for it in configurations, queue names, metrics and logs; its function has this name too.
    pub word: &'static str,
    /// The same in the stack of a tenant: the parameter that switches it on, and how its resources' names begin.
    pub in_stack: &'static str,
    /// Whether its deliveries are claimed before each attempt, wanted (`strict`) or not.
    pub always_claims: bool,
    /// Whether its queue keeps order where the tenant's intake does.
    pub keeps_order: bool,
    /// Whether it sends through SES, so that all tenants wait where SES does not answer.
    pub sends_by_ses: bool,
    /// Whether its function reads tenants' secrets.
    pub reads_secrets: bool,
    /// Whether its function reads what tenants' stacks allow ([`crate::tenant::grant`]).
    pub reads_grants: bool,
}

/// Makes the kinds of a table, so that none can be left out of a list.
macro_rules! sink_kinds {
    ($($(#[$doc:meta])* $kind:ident: $facts:expr,)+) => {
        /// What kind of place a sink is; each kind has a function and a queue per tenant.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum SinkKind {
            $($(#[$doc])* $kind,)+
        }

        impl SinkKind {
            /// All kinds.
            pub const ALL: [Self; [$(stringify!($kind)),+].len()] = [$(Self::$kind),+];

            /// What is to be known of it.
            pub const fn facts(self) -> SinkFacts {
                match self {
                    $(Self::$kind => $facts,)+
                }
            }
        }
    };
}

sink_kinds! {
    /// An HTTPS endpoint.
    Webhook: SinkFacts {
        word: "webhook",
        in_stack: "Webhook",
        always_claims: false,
        keeps_order: false,
        sends_by_ses: false,
        reads_secrets: true,
        reads_grants: false,
    },
    /// A mail through SES.
    Email: SinkFacts {
        word: "email",
        in_stack: "Email",
        always_claims: true,
        keeps_order: false,
        sends_by_ses: true,
        reads_secrets: true,
        reads_grants: true,
    },
    /// An SQS queue.
    Forward: SinkFacts {
        word: "forward",
        in_stack: "Forward",
        always_claims: false,
        keeps_order: true,
        sends_by_ses: false,
        reads_secrets: false,
        reads_grants: true,
    },
    /// An event bus of `EventBridge`.
    Eventbridge: SinkFacts {
        word: "eventbridge",
        in_stack: "Eventbridge",
        always_claims: false,
        keeps_order: false,
        sends_by_ses: false,
        reads_secrets: false,
        reads_grants: true,
    },
    /// The archive in S3.
    Archive: SinkFacts {
        word: "archive",
        in_stack: "Archive",
        always_claims: false,
        keeps_order: false,
        sends_by_ses: false,
        reads_secrets: false,
        reads_grants: false,
    },
    /// A table of `PostgreSQL`.
    Table: SinkFacts {
        word: "table",
        in_stack: "Table",
        always_claims: false,
        keeps_order: false,
        sends_by_ses: false,
        reads_secrets: true,
        reads_grants: true,
    },
}

impl SinkKind {
    /// The word for it in configurations, queue names and logs.
    pub const fn as_str(self) -> &'static str {
        self.facts().word
    }
}

impl fmt::Display for SinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The function that works off the intakes.
pub const ROUTER: &str = "router";

/// The functions beside a delivery's way: they work off no tenant's queue.
pub const BESIDE: [&str; 9] =
    ["sweeper", "outbox", "confirm", "feedback", "ingest", "kafka", "audit", "compact", "replay"];

/// The functions that work off tenants' queues: the router, and one for each kind of sink.
pub fn functions_of_queues() -> impl Iterator<Item = &'static str> + Clone {
    std::iter::once(ROUTER).chain(SinkKind::ALL.into_iter().map(SinkKind::as_str))
}

/// All functions, each a folder below `functions/`.
pub fn functions() -> impl Iterator<Item = &'static str> + Clone {
    functions_of_queues().chain(BESIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_by_its_word_and_its_name_in_stacks_is_that_word() {
        for kind in SinkKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.facts().in_stack.to_lowercase(), kind.as_str());
        }
    }
}
