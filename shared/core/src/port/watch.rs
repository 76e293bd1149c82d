//! What the watch asks of the outside world: the queues, the ages of messages, and its memory.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::Unavailable;
use crate::id::Stage;
use crate::queue::QueueArn;
use crate::watch::{Finding, Watched};

/// The queues of all tenants, seen from outside: nothing is received. Like [`crate::port::Sweeping`] it is no one
/// tenant's.
pub trait WatchedQueues: Send + Sync {
    /// The queues of a stage, sorted by name.
    fn list(&self, stage: &Stage) -> impl Future<Output = Result<Vec<Watched>, Unavailable>> + Send;
    /// About how many messages a queue holds, hidden ones included; `None` where there is no such queue any more.
    fn messages(&self, queue: &QueueArn) -> impl Future<Output = Result<Option<u64>, Unavailable>> + Send;
    /// The value of one of a queue's tags.
    fn tag(&self, queue: &QueueArn, key: &str) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send;
}

/// How old messages are.
pub trait Ages: Send + Sync {
    /// The age of each queue's oldest message as it was measured last within some minutes, in the order of the queues;
    /// `None` where nothing was measured. Of a standard queue it leaves out what was received three times or more.
    fn ages(
        &self,
        queues: &[QueueArn],
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Option<Duration>>, Unavailable>> + Send;
}

/// All that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remembered {
    /// What was found at queues.
    pub findings: Vec<(QueueArn, Finding)>,
    /// The name of the last queue of the share that was looked at.
    pub cursor: Option<String>,
}

/// The memory of the watch: a row for each queue that is not empty, and one for where it stopped.
pub trait Findings: Send + Sync {
    /// All of it.
    fn remembered(&self) -> impl Future<Output = Result<Remembered, Unavailable>> + Send;
    /// Remembers what was found, each in place of what was there; one answer each, in order. The queues must be
    /// distinct.
    fn remember(
        &self,
        findings: &[(QueueArn, Finding)],
        now: Timestamp,
    ) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
    /// Forgets queues; one answer each, in order. They must be distinct.
    fn forget(&self, queues: &[QueueArn]) -> impl Future<Output = Vec<Result<(), Unavailable>>> + Send;
    /// Remembers where it stopped.
    fn stop_at(&self, cursor: &str, now: Timestamp) -> impl Future<Output = Result<(), Unavailable>> + Send;
}
