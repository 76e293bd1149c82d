//! An operator's ports that die: after so many steps nothing is answered any more, as for a process that is killed.
//!
//! A step lies before and after each entry of each call, so a call of ten messages can die with four of them done.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use acequia_core::delivery::redrive::{Received, Standing};
use acequia_core::id::TenantId;
use acequia_core::message::Outgoing;
use acequia_core::port::{DeadLetters, Depths, RedriveJournal, Search, Sending, Unavailable};
use acequia_core::queue::{QueueArn, QueueName};
use jiff::Timestamp;

use crate::journal::InMemoryJournal;
use crate::queues::InMemoryQueues;

/// No process of a test lives as long.
pub const IMMORTAL: u32 = u32::MAX;

/// What is told of each message that was sent back.
type Observer<'a> = Box<dyn Fn(&Outgoing) + Send + Sync + 'a>;

/// The queues and the journal of one process.
pub struct Mortal<'a> {
    /// The queues, which outlive it.
    pub queues: &'a InMemoryQueues,
    /// The journal, which outlives it.
    pub journal: &'a InMemoryJournal,
    left: AtomicU32,
    /// Whether sending works and its answers are lost.
    pub deaf: AtomicBool,
    observer: Observer<'a>,
}

impl<'a> Mortal<'a> {
    /// A process that dies after so many steps.
    pub fn new(queues: &'a InMemoryQueues, journal: &'a InMemoryJournal, steps: u32) -> Self {
        Self { queues, journal, left: AtomicU32::new(steps), deaf: AtomicBool::new(false), observer: Box::new(|_| ()) }
    }

    /// The same, whose sendings `observer` sees.
    #[must_use]
    pub fn observed(self, observer: impl Fn(&Outgoing) + Send + Sync + 'a) -> Self {
        Self { observer: Box::new(observer), ..self }
    }

    async fn step(&self) {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            std::future::pending::<()>().await;
        }
        self.left.store(left - 1, Ordering::Relaxed);
    }
}

impl DeadLetters for Mortal<'_> {
    async fn receive(
        &self,
        queue: &QueueArn,
        visibility: Duration,
        search: Search,
    ) -> Result<Vec<Received>, Unavailable> {
        self.step().await;
        let received = DeadLetters::receive(self.queues, queue, visibility, search).await;
        self.step().await;
        received
    }

    async fn send_once(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Sending> {
        let mut answers = Vec::new();
        for message in messages {
            self.step().await;
            let answer = self.queues.send_once(queue, std::slice::from_ref(message)).await;
            if matches!(answer.as_slice(), [Sending::Sent]) {
                (self.observer)(message);
            }
            answers.extend(answer);
        }
        self.step().await;
        if self.deaf.load(Ordering::Relaxed) {
            let lost = || Sending::Unknown(Unavailable::new("send messages", "the answer was lost"));
            return answers.iter().map(|_| lost()).collect();
        }
        answers
    }

    async fn hide(&self, queue: &QueueArn, handles: &[String], time: Duration) -> Vec<Result<(), Unavailable>> {
        self.step().await;
        let answers = DeadLetters::hide(self.queues, queue, handles, time).await;
        self.step().await;
        answers
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        let mut answers = Vec::new();
        for handle in handles {
            self.step().await;
            answers.extend(DeadLetters::delete(self.queues, queue, std::slice::from_ref(handle)).await);
        }
        self.step().await;
        answers
    }
}

impl Depths for Mortal<'_> {
    async fn measure(&self, name: &QueueName) -> Result<Option<(QueueArn, u64)>, Unavailable> {
        self.queues.measure(name).await
    }
}

impl RedriveJournal for Mortal<'_> {
    async fn begin(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
        run: &str,
        now: Timestamp,
    ) -> Vec<Result<Standing, Unavailable>> {
        let mut answers = Vec::new();
        for id in ids {
            self.step().await;
            answers.extend(self.journal.begin(tenant, queue, std::slice::from_ref(id), run, now).await);
        }
        self.step().await;
        answers
    }

    async fn settle(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        for id in ids {
            self.step().await;
            self.journal.settle(tenant, queue, std::slice::from_ref(id), now).await?;
        }
        self.step().await;
        Ok(())
    }

    async fn forget(&self, tenant: &TenantId, queue: &QueueArn, ids: &[String]) -> Result<(), Unavailable> {
        self.step().await;
        self.journal.forget(tenant, queue, ids).await
    }

    async fn look(&self, tenant: &TenantId, queue: &QueueArn, id: &str) -> Result<Option<Standing>, Unavailable> {
        self.journal.look(tenant, queue, id).await
    }
}
