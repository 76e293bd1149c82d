//! Where messages are: in SQS, or delayed.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::Unavailable;
use crate::delivery::delay::{Delayed, DelayedKey, DuePage, Look, Waiting};
use crate::id::{SinkId, TenantId};
use crate::message::Outgoing;
use crate::queue::QueueArn;

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
    /// Deletes messages that were received from a queue, each by its receipt handle; one answer each, in order. Lambda
    /// does that for what a batch's answer does not name: this is for what must be gone even where no answer comes.
    fn delete(&self, queue: &QueueArn, handles: &[String])
    -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// Where messages wait that leave their queue for a time ([`crate::delivery::delay`]).
pub trait DelayStore: Send + Sync {
    /// Delays messages of a tenant; one answer each, in order. A message that is delayed already is there once, as it
    /// was delayed last.
    fn delay(&self, tenant: &TenantId, rows: &[Delayed]) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// What an operator sees of a tenant's delayed messages, and does with them.
pub trait DelayedMessages: Send + Sync {
    /// What waits, by sink.
    fn waiting(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<Waiting>, Unavailable>> + Send;
    /// Looks at the messages, of one sink where it is named: at most so many whole ones, those that are due first.
    fn look(
        &self,
        tenant: &TenantId,
        sink: Option<&SinkId>,
        most: usize,
    ) -> impl Future<Output = Result<Look, Unavailable>> + Send;
    /// Makes all delayed messages of a sink due now; answers how many there were.
    fn expedite(
        &self,
        tenant: &TenantId,
        sink: &SinkId,
        now: Timestamp,
    ) -> impl Future<Output = Result<u64, Unavailable>> + Send;
    /// The keys of all that waits.
    fn keys(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<DelayedKey>, Unavailable>> + Send;
    /// Reads messages whole, as they are now; one answer each, in order.
    fn read(&self, keys: &[DelayedKey]) -> impl Future<Output = Vec<Result<Option<Delayed>, Unavailable>>> + Send;
    /// Deletes messages, with all their parts; one answer each, in order. They are sent to nobody.
    fn erase(&self, rows: &[Delayed]) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// The right to do a piece of periodic work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Where the last one stopped; `None` where it came to the end.
    pub mark: Option<String>,
}

/// The delayed messages of all tenants, by the time at which they are due: for the sweeper alone, and the one port that
/// is not a tenant's.
pub trait Sweeping: Send + Sync {
    /// Takes the right to do a piece of periodic work (`what`) until a time; `None` where another has it.
    fn lease(
        &self,
        what: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<Option<Lease>, Unavailable>> + Send;
    /// Says until when the holder of a lease keeps it, and where the next one goes on: at `mark`, or at the beginning.
    /// It does nothing where another has the lease by now.
    fn stop_at(
        &self,
        what: &str,
        holder: &str,
        until: Timestamp,
        mark: Option<&str>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Takes its turn at what is done now and then (`what`): true where the time of the last turn is over, and from
    /// then on not before `until`. Where the answer is lost, the turn may be taken.
    fn turn(
        &self,
        what: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// One page of what is due in one of the [`crate::delivery::delay::SHARDS`]. It may be a moment old: what it names
    /// may be gone or have another due time, and what it leaves out is there the next time.
    fn due(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<DuePage, Unavailable>> + Send;
    /// Reads delayed messages as they are now; one answer each, in order.
    fn load(&self, keys: &[DelayedKey]) -> impl Future<Output = Vec<Result<Option<Delayed>, Unavailable>>> + Send;
    /// Deletes what was sent; one answer each, in order.
    fn release(&self, rows: &[Delayed]) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}
