//! The queues as the watch sees them, the ages of their messages, and its memory: all in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::id::Stage;
use acequia_core::port::{Ages, Findings, Remembered, Unavailable, WatchedQueues};
use acequia_core::queue::QueueArn;
use acequia_core::watch::{ALARMS_TAG, Finding, Watched};
use jiff::Timestamp;

use crate::fault::Faults;
use crate::queues::InMemoryQueues;
use crate::shared::Shared;

/// The in-memory queues, seen from outside. A queue is listed once it held a message or was made here.
#[derive(Debug, Clone, Default)]
pub struct InMemoryWatched {
    queues: InMemoryQueues,
    made: Shared<BTreeMap<QueueArn, Option<String>>>,
    /// Makes listing fail.
    pub lists: Faults,
    /// Makes measuring fail.
    pub looks: Faults,
    /// Makes reading tags fail.
    pub tags: Faults,
}

impl InMemoryWatched {
    /// These queues.
    pub fn new(queues: InMemoryQueues) -> Self {
        Self { queues, ..Self::default() }
    }

    /// Makes a queue with this value of the tag that says whose its alarms are.
    pub fn make(&self, queue: &QueueArn, alarms: Option<&str>) {
        self.made.lock().insert(queue.clone(), alarms.map(str::to_owned));
    }

    /// The queues themselves.
    pub fn queues(&self) -> &InMemoryQueues {
        &self.queues
    }
}

impl WatchedQueues for InMemoryWatched {
    async fn list(&self, stage: &Stage) -> Result<Vec<Watched>, Unavailable> {
        self.lists.call("list queues")?;
        let made = self.made.lock().keys().cloned().collect::<Vec<_>>();
        let all = self.queues.names().into_iter().chain(made);
        let mut found: Vec<Watched> = all
            .filter(|queue| !self.queues.is_missing(queue))
            .filter_map(Watched::of)
            .filter(|one| one.name.stage == *stage)
            .collect();
        found.sort_by(|one, other| one.queue.name().cmp(other.queue.name()));
        found.dedup();
        Ok(found)
    }

    async fn messages(&self, queue: &QueueArn) -> Result<Option<u64>, Unavailable> {
        self.looks.call("measure a queue")?;
        Ok((!self.queues.is_missing(queue)).then(|| self.queues.messages(queue).len() as u64))
    }

    async fn tag(&self, queue: &QueueArn, key: &str) -> Result<Option<String>, Unavailable> {
        self.tags.call("read the tags of a queue")?;
        Ok(self.made.lock().get(queue).cloned().flatten().filter(|_| key == ALARMS_TAG))
    }
}

/// The ages of the messages of in-memory queues.
#[derive(Debug, Clone, Default)]
pub struct InMemoryAges {
    queues: InMemoryQueues,
    /// Makes asking fail.
    pub faults: Faults,
}

impl InMemoryAges {
    /// Of these queues.
    pub fn new(queues: InMemoryQueues) -> Self {
        Self { queues, faults: Faults::default() }
    }

    /// The queues themselves.
    pub fn queues(&self) -> &InMemoryQueues {
        &self.queues
    }
}

impl Ages for InMemoryAges {
    async fn ages(&self, queues: &[QueueArn], now: Timestamp) -> Result<Vec<Option<Duration>>, Unavailable> {
        self.faults.call("ask how old messages are")?;
        let age = |queue: &QueueArn| {
            let counted = self.queues.messages(queue).into_iter().filter(|message| message.receive_count < 3);
            let oldest = counted.map(|message| message.sent_at).min()?;
            Some(Duration::try_from(now.duration_since(oldest)).unwrap_or_default())
        };
        Ok(queues.iter().map(age).collect())
    }
}

/// The watch's memory in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryFindings {
    rows: Shared<BTreeMap<QueueArn, Finding>>,
    cursor: Shared<Option<String>>,
    /// Makes reading fail.
    pub reads: Faults,
    /// Makes writing fail; an entry is one queue.
    pub writes: Faults,
}

impl InMemoryFindings {
    /// Nothing is remembered.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is remembered of queues.
    pub fn rows(&self) -> BTreeMap<QueueArn, Finding> {
        self.rows.lock().clone()
    }

    fn each<T>(&self, entries: &[T], change: impl Fn(&T)) -> Vec<Result<(), Unavailable>> {
        const OPERATION: &str = "remember what the watch found";
        if self.writes.call(OPERATION).is_err() {
            return entries.iter().map(|_| Err(Unavailable::new(OPERATION, "switched off by the test"))).collect();
        }
        let one = |(index, entry)| {
            self.writes.entry(OPERATION, index)?;
            change(entry);
            Ok(())
        };
        entries.iter().enumerate().map(one).collect()
    }
}

impl Findings for InMemoryFindings {
    async fn remembered(&self) -> Result<Remembered, Unavailable> {
        self.reads.call("read what the watch found")?;
        let findings = self.rows.lock().iter().map(|(queue, finding)| (queue.clone(), *finding)).collect();
        Ok(Remembered { findings, cursor: self.cursor.lock().clone() })
    }

    async fn remember(&self, findings: &[(QueueArn, Finding)], _: Timestamp) -> Vec<Result<(), Unavailable>> {
        self.each(findings, |(queue, finding)| {
            self.rows.lock().insert(queue.clone(), *finding);
        })
    }

    async fn forget(&self, queues: &[QueueArn]) -> Vec<Result<(), Unavailable>> {
        self.each(queues, |queue| {
            self.rows.lock().remove(queue);
        })
    }

    async fn stop_at(&self, cursor: &str, _: Timestamp) -> Result<(), Unavailable> {
        self.writes.call("remember where the watch stopped")?;
        *self.cursor.lock() = Some(cursor.to_owned());
        Ok(())
    }
}
