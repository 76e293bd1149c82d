//! The outside world, as traits: each has a real implementation and an in-memory one, and both pass the same conformance
//! suite (in `acequia-testkit`).
//!
//! Every port but [`Sweeping`] takes a [`TenantId`] and answers for that tenant alone.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::breaker::EndpointState;
use crate::delivery::Outgoing;
use crate::id::{EventId, SecretName, SinkId, TenantId};
use crate::ledger::{ClaimRequest, DeliveryKey, DeliveryRecord, Record, Verdict};
use crate::parking::{DuePage, Parked, ParkedKey, Waiting};
use crate::queue::QueueArn;
use crate::secret::Secret;
use crate::strikes::Strike;

/// A service that did not do what it was asked to, and may do it later.
///
/// Its `Debug` is the operation and what each cause in the chain says: what is logged. A source's own `Debug` may hold a whole
/// answer, and with it a secret or an event.
#[derive(thiserror::Error)]
#[error("cannot {operation}")]
pub struct Unavailable {
    /// What was being done, such as "claim deliveries in the ledger".
    pub operation: &'static str,
    /// What went wrong.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// Names the operation that failed.
    pub fn new(operation: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation, source: source.into() }
    }
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
}

/// A stored configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTenant {
    /// Its version: 1, 2, 3 ...
    pub version: u64,
    /// The document, as JSON ([`crate::config::RawTenant::to_json`]).
    pub document: String,
}

/// A change of a tenant's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new document, as JSON.
    pub document: String,
    /// The version that is current as the author knows it; 0 where there is none.
    pub expected: u64,
    /// Who makes the change.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// What changes, in one line without values.
    pub summary: String,
}

/// One line of a tenant's audit log. Each carries the hash of the one before it, so that none can be changed or left out unseen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// From which version.
    pub from: u64,
    /// To which version.
    pub to: u64,
    /// What changed, in one line.
    pub summary: String,
    /// The hash of the row before; empty in the first.
    pub previous: String,
    /// The hash of this row: over all of the above.
    pub hash: String,
}

impl AuditRow {
    /// The row of a change that made version `expected + 1`, behind the row whose hash is `previous`.
    pub fn of(change: &Change, previous: &str) -> Self {
        let mut row = Self {
            at: change.at,
            actor: change.actor.clone(),
            from: change.expected,
            to: change.expected.saturating_add(1),
            summary: change.summary.clone(),
            previous: previous.to_owned(),
            hash: String::new(),
        };
        row.hash = row.compute_hash();
        row
    }

    /// The hash that the row must have.
    pub fn compute_hash(&self) -> String {
        let fields = (self.at.as_millisecond(), &self.actor, self.from, self.to, &self.summary, &self.previous);
        // A tuple of numbers and texts always has a JSON form.
        crate::id::digest(serde_json::to_string(&fields).unwrap_or_default().as_bytes())
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Somebody else changed it in between.
    #[error(
        "the configuration was changed in between: version {current} is current, and {expected} was expected; look at it, then apply again"
    )]
    Conflict {
        /// The version that is current.
        current: u64,
        /// The version that the author knew.
        expected: u64,
    },
    /// The store does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Where tenants' configurations are kept: immutable versions, a pointer to the current one, and an audit log.
pub trait TenantStore: Send + Sync {
    /// The current configuration; `None` for a tenant that has none.
    fn current(&self, tenant: &TenantId) -> impl Future<Output = Result<Option<StoredTenant>, Unavailable>> + Send;
    /// One version of the configuration.
    fn version(
        &self,
        tenant: &TenantId,
        version: u64,
    ) -> impl Future<Output = Result<Option<StoredTenant>, Unavailable>> + Send;
    /// Writes the next version, moves the pointer and adds the audit row, all or nothing; answers the new version.
    fn publish(&self, tenant: &TenantId, change: Change) -> impl Future<Output = Result<u64, PublishError>> + Send;
    /// The audit log, oldest first.
    fn audit(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<AuditRow>, Unavailable>> + Send;
    /// All tenants with the version that is current, by id.
    fn list(&self) -> impl Future<Output = Result<Vec<(TenantId, u64)>, Unavailable>> + Send;
}

/// A page of a walk over a tenant's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The rows.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// The memory of deliveries ([`crate::ledger`]).
pub trait Ledger: Send + Sync {
    /// Claims deliveries; one verdict each, in the order of the requests. The keys must be distinct.
    ///
    /// Where a verdict could not be had, that one is an error and its delivery must not be made.
    fn claim(
        &self,
        tenant: &TenantId,
        requests: &[ClaimRequest],
    ) -> impl Future<Output = Vec<Result<Verdict, Unavailable>>> + Send;
    /// Reads records; one answer each, in the order of the keys, which must be distinct.
    fn read(
        &self,
        tenant: &TenantId,
        keys: &[DeliveryKey],
    ) -> impl Future<Output = Result<Vec<Option<DeliveryRecord>>, Unavailable>> + Send;
    /// Writes rows, unconditionally; one answer each, in order. The keys must be distinct.
    fn write(&self, tenant: &TenantId, records: &[Record])
    -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
    /// All rows of one event: where it was routed, and each delivery.
    fn explain(
        &self,
        tenant: &TenantId,
        event: &EventId,
    ) -> impl Future<Output = Result<Vec<Record>, Unavailable>> + Send;
    /// One page of all of a tenant's rows, in no order. It reads the whole table: for reports, not for functions.
    fn page(&self, tenant: &TenantId, from: Option<String>) -> impl Future<Output = Result<Page, Unavailable>> + Send;
}

/// Changes records of deliveries afterwards ([`crate::ledger::learn`]).
pub trait Amend: Send + Sync {
    /// Writes `record` in place of `seen`, unless somebody wrote that one since; answers whether it was written.
    fn amend(
        &self,
        tenant: &TenantId,
        seen: &DeliveryRecord,
        record: &DeliveryRecord,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// The memory of messages that may make the process die ([`crate::strikes`]).
pub trait Strikes: Send + Sync {
    /// Reads the strikes against messages; one answer each, in the order of the ids, which must be distinct.
    fn strikes(
        &self,
        tenant: &TenantId,
        message_ids: &[String],
    ) -> impl Future<Output = Result<Vec<Option<Strike>>, Unavailable>> + Send;
    /// Writes strikes, each in place of an earlier one; one answer each, in order. The messages must be distinct.
    fn strike(
        &self,
        tenant: &TenantId,
        strikes: &[Strike],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
    /// Takes the strikes against messages back; one answer each, in order. The ids must be distinct.
    fn take_back(
        &self,
        tenant: &TenantId,
        message_ids: &[String],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// What is known of endpoints at run time, apart from their configuration ([`crate::breaker`]).
pub trait EndpointStore: Send + Sync {
    /// What is known of the sink's endpoint, as it stands now.
    fn state(
        &self,
        tenant: &TenantId,
        sink: &SinkId,
    ) -> impl Future<Output = Result<Option<EndpointState>, Unavailable>> + Send;
    /// Writes the state on condition that the one before it (by `revision`) is still there, or none where it is the first;
    /// false where another change was first.
    fn change(
        &self,
        tenant: &TenantId,
        sink: &SinkId,
        state: &EndpointState,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// What is known of all endpoints of the tenant, by sink.
    fn states(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<Vec<(SinkId, EndpointState)>, Unavailable>> + Send;
}

/// Who runs the installation, and is told what no alarm can say.
pub trait Operators: Send + Sync {
    /// Tells them; `subject` is one line of at most 100 characters.
    fn tell(
        &self,
        tenant: &TenantId,
        subject: &str,
        text: &str,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// What is left of rates that several instances share ([`crate::rate`]).
pub trait RateStore: Send + Sync {
    /// Moves a rate's mark from `known` to `next` (both in microseconds since 1970; `None` for a rate that was never used) where it still stands
    /// there; otherwise answers where it stands.
    fn advance(
        &self,
        tenant: &TenantId,
        rate: &str,
        known: Option<i64>,
        next: i64,
    ) -> impl Future<Output = Result<Advance, Unavailable>> + Send;
    /// Notes that a tenant uses something that tenants share, and answers how many used it within the last `window`, itself included.
    fn sharers(
        &self,
        shared: &str,
        tenant: &TenantId,
        window: Duration,
        now: Timestamp,
    ) -> impl Future<Output = Result<u32, Unavailable>> + Send;
}

/// What moving a rate's mark came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// It stands where it was to.
    Moved,
    /// It stood elsewhere, and stays there.
    Stands(Option<i64>),
}

/// Where finished lines go that machines read, such as metrics.
pub trait Lines: Send + Sync {
    /// Writes one line in one piece; `line` holds no line break.
    fn write(&self, line: &str);
}

/// Why a queue did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It may take it later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// It never will: the queue does not exist, may not be filled, or refuses this message.
    #[error("the queue refuses the message: {0}")]
    Refused(String),
}

/// SQS.
pub trait Queues: Send + Sync {
    /// Sends messages to one queue; one answer each, in order: SQS's id of the message.
    fn send(
        &self,
        queue: &QueueArn,
        messages: &[Outgoing],
    ) -> impl Future<Output = Vec<Result<String, SendError>>> + Send;
    /// Hides messages that were received from a queue, each by its receipt handle and for its time (at most 12 hours).
    fn hide(
        &self,
        queue: &QueueArn,
        messages: &[(String, Duration)],
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// Where messages wait that leave their queue for a time ([`crate::parking`]).
pub trait Parking: Send + Sync {
    /// Parks messages of a tenant; one answer each, in order. A message that is parked already is there once, as it was parked last.
    fn park(&self, tenant: &TenantId, rows: &[Parked]) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// What an operator sees of a tenant's parked messages, and does with them.
pub trait ParkingLot: Send + Sync {
    /// What waits, by sink.
    fn waiting(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<Waiting>, Unavailable>> + Send;
    /// Makes all parked messages of a sink due now; answers how many there were.
    fn hasten(
        &self,
        tenant: &TenantId,
        sink: &SinkId,
        now: Timestamp,
    ) -> impl Future<Output = Result<u64, Unavailable>> + Send;
}

/// The parked messages of all tenants, by the time at which they are due: for the sweeper alone, and the one port that is not a tenant's.
pub trait Sweeping: Send + Sync {
    /// Takes the right to sweep until a time; false where somebody else has it.
    fn lease(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// Takes its turn at what is done now and then (`what`): true where the time of the last turn is over, and from then on not before
    /// `until`. Where the answer is lost, the turn may be taken.
    fn turn(
        &self,
        what: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// One page of what is due in one of the [`crate::parking::SHARDS`]. It may be a moment old: what it names may be gone or have
    /// another due time, and what it leaves out is there the next time.
    fn due(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<DuePage, Unavailable>> + Send;
    /// Reads parked messages as they are now; one answer each, in order.
    fn load(&self, keys: &[ParkedKey]) -> impl Future<Output = Vec<Result<Option<Parked>, Unavailable>>> + Send;
    /// Deletes what was sent; one answer each, in order.
    fn release(&self, rows: &[Parked]) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none of this name.
    #[error("the tenant has no secret of the name {0:?}")]
    Missing(String),
    /// The store does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Where tenants' secrets are kept.
pub trait Secrets: Send + Sync {
    /// The value of one of the tenant's secrets.
    fn secret(&self, tenant: &TenantId, name: &SecretName) -> impl Future<Output = Result<Secret, SecretError>> + Send;
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
