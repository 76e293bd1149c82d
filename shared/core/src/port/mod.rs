//! The outside world, as traits: each has a real implementation and an in-memory one, and both pass the same
//! conformance suite (in `acequia-testkit`).
//!
//! Every port but [`Sweeping`], [`WatchedQueues`], [`Ages`], [`Findings`], [`StageQueues`], [`Platform`] and
//! [`TopicStore`], which says whose a topic is, takes a
//! [`TenantId`], or what names its tenant, and answers for that tenant alone.

mod api_keys;
mod archive;
mod audit;
mod consents;
mod dead_letters;
mod endpoints;
mod intake;
mod ledger;
mod mailer;
mod operator;
mod queues;
mod replays;
mod table;
mod tenants;
mod watch;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use crate::id::TenantId;

pub use api_keys::{ApiKeys, KeyError};
pub use archive::{
    Archive, ArchiveEraser, ArchiveReader, ArchiveUpkeep, Listing, MAX_PACKED_BYTES, ReadError, StoredObject,
};
pub use audit::AuditCopies;
pub use consents::{Agenda, CommitError, Consents, SendQuota, SuppressionList};
pub use dead_letters::{DeadLetters, Depths, RedriveJournal, Search, Sending};
pub use endpoints::{Advance, EndpointStore, KnownEndpoint, RateStore};
pub use intake::IntakeStore;
pub use ledger::{Amend, CrashMarkers, Ledger, Page};
pub use mailer::{MAIL_TIMEOUT, Mail, MailError, Mailer};
pub use operator::{Platform, Presence, QueueAddresses, SecretCatalog, StageQueues};
pub use queues::{DelayStore, DelayedMessages, Lease, Queues, SendError, Sweeping};
pub use replays::{Begun, Queued, ReplayStore};
pub use table::{DatabaseTokens, Entry, OutboxEvent, TableError, Tables};
pub use tenants::{
    AutoRedriven, Change, GrantStore, PublishError, SecretError, Secrets, StoredTenant, TenantStore, TopicStore,
    auto_redrive_of,
};
pub use watch::{Ages, Findings, Remembered, WatchedQueues};

/// A service that did not do what it was asked to, and may do it later.
///
/// Its `Debug` is the operation and what each cause in the chain says: what is logged. A source's own `Debug` may hold
/// a whole answer, and with it a secret or an event.
#[derive(thiserror::Error)]
#[error("cannot {operation}")]
pub struct Unavailable {
    /// What was being done, such as "claim deliveries in the ledger".
    pub operation: &'static str,
    /// What is to be done about it, where that is known.
    pub refusal: Option<Refusal>,
    /// What went wrong.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// Names the operation that failed.
    pub fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, refusal: None, source: source.into() }
    }

    /// The same, where it is known what the service refused for.
    #[must_use]
    pub fn for_refusal(self, refusal: Option<Refusal>) -> Self {
        Self { refusal, ..self }
    }
}

/// Why a service refused, where a person can do something about it that this alone tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Who asks may not.
    Denied,
    /// There are no credentials to ask with.
    NoCredentials,
    /// The credentials are none, or none any more.
    InvalidCredentials,
    /// What was asked for, such as a table, is not there.
    NotFound,
    /// No answer came.
    NoAnswer,
}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}: {}", self.source)?;
        let mut cause = self.source.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Ends after this time. It bounds how long something else may take; nothing waits by it for another's work.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Chance: what spreads retries and makes claims unique.
pub trait Chance: Send + Sync {
    /// A number in `[0, 1)`.
    fn unit(&self) -> f64;
    /// A text that has not been there before.
    fn token(&self) -> String;
    /// Bytes that cannot be guessed: the secret of a key is made of them.
    fn bytes(&self) -> [u8; 32];
}

/// Who runs the installation, and is told what no alarm can say.
pub trait Alerts: Send + Sync {
    /// Tells them; `subject` is one line of at most 100 characters.
    fn send(
        &self,
        tenant: &TenantId,
        subject: &str,
        text: &str,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Tells them what is of no one tenant.
    fn send_of_platform(&self, subject: &str, text: &str) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The ports of one environment that the loops over queues need: AWS, or the memory of a test.
pub trait Ports: Send + Sync {
    /// The tenants' configurations.
    type Tenants: TenantStore;
    /// The memory of deliveries, and of crashes.
    type Ledger: Ledger + CrashMarkers;
    /// SQS.
    type Queues: Queues;
    /// Where messages wait for long.
    type Delays: DelayStore;
    /// The rates of sinks.
    type Rates: RateStore;
    /// What all instances know of endpoints.
    type Endpoints: EndpointStore;
    /// The way to the operators.
    type Alerts: Alerts;
    /// The memory of consents.
    type Consents: Consents;
}

/// Where finished lines go that machines read, such as metrics.
pub trait Lines: Send + Sync {
    /// Writes one line in one piece; `line` holds no line break.
    fn write(&self, line: &str);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_of_an_unavailable_service_is_what_each_cause_says_and_no_cause_in_full() {
        #[derive(Debug, thiserror::Error)]
        #[error("throttled")]
        struct Inner {
            _answer: &'static str,
        }
        #[derive(Debug, thiserror::Error)]
        #[error("service error")]
        struct Outer(#[source] Inner);
        let error = Unavailable::new("read secrets", Outer(Inner { _answer: "s3cret" }));
        assert_eq!(format!("{error:?}"), "cannot read secrets: service error: throttled");
    }
}
