//! What redriving asks of the outside world: dead-letter queues, and the journal.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::Unavailable;
use crate::delivery::redrive::{Received, Standing};
use crate::id::TenantId;
use crate::message::Outgoing;
use crate::queue::{QueueArn, QueueName};

/// How a receive looks for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// It asks all servers of the queue, and waits for their answers: up to a second where nothing is there.
    Whole,
    /// It asks some of them, and answers at once. It may miss a message that came just now.
    Quick,
}

/// What sending one message back came to.
#[derive(Debug)]
pub enum Sending {
    /// The queue has it.
    Sent,
    /// The queue does not have it, and why.
    NotSent(String),
    /// The answer was lost: the queue has it or not.
    Unknown(Unavailable),
}

/// Dead-letter queues and the queues before them.
pub trait DeadLetters: Send + Sync {
    /// Receives up to ten messages and hides them for `visibility`; none where nothing can be received now.
    fn receive(
        &self,
        queue: &QueueArn,
        visibility: Duration,
        search: Search,
    ) -> impl Future<Output = Result<Vec<Received>, Unavailable>> + Send;
    /// Sends up to ten messages, each once: a call without an answer is not repeated. One answer each, in order.
    fn send_once(&self, queue: &QueueArn, messages: &[Outgoing]) -> impl Future<Output = Vec<Sending>> + Send;
    /// Hides received messages for this long from now on, or shows them again (zero); one answer each, in order.
    fn hide(
        &self,
        queue: &QueueArn,
        handles: &[String],
        time: Duration,
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
    /// Deletes up to ten received messages by their handles; one answer each, in order.
    fn delete(&self, queue: &QueueArn, handles: &[String])
    -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
}

/// Where queues are, and how deep.
pub trait Depths: Send + Sync {
    /// The address of a queue and about how many messages it holds, hidden ones included; `None` where there is no such
    /// queue.
    fn measure(&self, name: &QueueName) -> impl Future<Output = Result<Option<(QueueArn, u64)>, Unavailable>> + Send;
}

/// The journal of redriving: one entry per dead letter that a run began with, for longer than a queue keeps messages.
pub trait RedriveJournal: Send + Sync {
    /// Begins with dead letters (by `MessageId`), each on condition that there is no entry of another run; one answer
    /// each.
    fn begin(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
        run: &str,
        now: Timestamp,
    ) -> impl Future<Output = Vec<Result<Standing, Unavailable>>> + Send;
    /// Writes that their copies were sent: all of them, or an error.
    fn settle(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Takes entries away, because their copies were certainly not sent: all of them, or an error.
    fn forget(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Reads what stands of one dead letter, and changes nothing; `None` without an entry.
    fn look(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        id: &str,
    ) -> impl Future<Output = Result<Option<Standing>, Unavailable>> + Send;
}
