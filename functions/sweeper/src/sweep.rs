//! One sweep, from the lease to the metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::delay::{Delayed, DuePage, SHARDS};
use acequia_core::id::Stage;
use acequia_core::message::Outgoing;
use acequia_core::outcome::Reason;
use acequia_core::outcome::stall::{Stalls, Store};
use acequia_core::port::{Chance, Clock, DelayStore, Queues, SendError, Sweeping, Unavailable};
use acequia_core::queue::{QueueArn, QueueName};
use acequia_core::time::after;
use acequia_core::wire::quarantined;
use acequia_lambda::{Deadline, SweepMetrics, Telemetry};
use jiff::Timestamp;

use crate::redrive::Afterwards;

/// How many rows are read, sent and deleted together.
const PAGE: usize = 100;

/// What a page may take; with less time left, the rest waits for the next sweep.
const FOR_A_PAGE: Duration = Duration::from_secs(10);

/// For how long what neither its queue nor its dead-letter queue will have is left alone: were it due all the time, a
/// tenant that was removed would use up the time of all others.
const HOMELESS: Duration = Duration::from_hours(1);

/// Why a sweep ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the delayed messages could not be swept")]
pub struct SweepFailed(#[from] Unavailable);

/// The sweeper, wired to its ports.
pub struct Sweeper<S, Q, A> {
    /// The stage whose queues it fills.
    pub stage: Stage,
    /// The delayed messages.
    pub delayed: S,
    /// SQS.
    pub queues: Q,
    /// What is done with the time that is left.
    pub afterwards: A,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// What is told of the work.
    pub telemetry: Telemetry,
}

/// What is known in the middle of a sweep.
#[derive(Default)]
struct Progress {
    metrics: SweepMetrics,
    stalls: Stalls,
    /// Queues that did not answer: they are left alone until the next sweep.
    silent: BTreeSet<QueueArn>,
}

impl Progress {
    /// So many messages stay for the next sweep, because of a store of ours.
    fn fail(&mut self, store: Store, messages: usize) {
        self.metrics.sweep_failed += count(messages);
        self.stalls.add(store, count(messages));
    }
}

impl<S: Sweeping + DelayStore, Q: Queues, A: Afterwards> Sweeper<S, Q, A> {
    /// Sweeps once. Where another invocation does, this one has nothing to do.
    ///
    /// # Errors
    /// [`SweepFailed`] where the table does not answer; what was swept until then stays swept.
    pub async fn handle(&self, deadline: Deadline) -> Result<(), SweepFailed> {
        let mut progress = Progress::default();
        let end = self.run(deadline, &mut progress).await.inspect_err(told);
        progress.stalls.add(Store::Delays, u64::from(end.is_err()));
        self.telemetry.write_stalls(&self.stage, ("sweeper", None), self.clock.now(), &progress.stalls);
        end?;
        Ok(())
    }

    async fn run(&self, deadline: Deadline, progress: &mut Progress) -> Result<(), Unavailable> {
        let holder = self.chance.token();
        if !self.delayed.lease(&holder, self.clock.now(), deadline.lease()).await? {
            tracing::info!("another invocation sweeps");
            return Ok(());
        }
        let end = self.sweep(deadline, progress).await;
        if end.is_ok() {
            progress.metrics.redriven = self.afterwards.run(deadline, &mut progress.stalls).await;
        }
        // The next minute's sweep need not wait for the end of a lease that no invocation uses. If this fails, it has
        // to wait.
        let now = self.clock.now();
        if let Err(error) = self.delayed.lease(&holder, now, now).await {
            told(&error);
            progress.stalls.add(Store::Delays, 1);
        }
        self.telemetry.write_sweep(&self.stage, self.clock.now(), &progress.metrics);
        end
    }

    /// Goes through all shards page by page, one page of each in turn, so that no shard waits for the others' end.
    async fn sweep(&self, deadline: Deadline, progress: &mut Progress) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let mut open: Vec<(u8, Option<String>)> = (0..SHARDS).map(|shard| (shard, None)).collect();
        while !open.is_empty() {
            for (shard, from) in std::mem::take(&mut open) {
                if deadline.for_effects(&*self.clock) < FOR_A_PAGE {
                    tracing::warn!("the time is up: what else is due waits for the next sweep");
                    return Ok(());
                }
                let page = self.delayed.due(shard, now, from, PAGE).await?;
                let next = page.next.clone();
                self.sweep_page(now, page, progress).await;
                if next.is_some() {
                    open.push((shard, next));
                }
            }
        }
        Ok(())
    }

    async fn sweep_page(&self, now: Timestamp, page: DuePage, progress: &mut Progress) {
        let mut by_queue: BTreeMap<QueueArn, Vec<Delayed>> = BTreeMap::new();
        for (key, loaded) in page.keys.iter().zip(self.delayed.load(&page.keys).await) {
            match loaded {
                // The index may be a moment old: a row that is gone was swept, and one that is due later was delayed
                // again.
                Ok(Some(row)) if row.due_at <= now => {
                    progress.metrics.overdue = progress.metrics.overdue.max(overdue(&row, now));
                    by_queue.entry(row.queue.clone()).or_default().push(row);
                }
                Ok(_) => {}
                Err(error) => {
                    progress.fail(Store::Delays, 1);
                    tracing::error!(tenant.id = %key.tenant, message.id = key.message_id, error = ?error,
                        "a delayed message cannot be read");
                }
            }
        }
        let mut done = Vec::new();
        for (queue, rows) in by_queue {
            if progress.silent.contains(&queue) {
                progress.fail(Store::Queues, rows.len());
                continue;
            }
            done.extend(self.send(now, &queue, rows, progress).await);
        }
        if done.is_empty() {
            return;
        }
        let failures: Vec<_> = self.delayed.release(&done).await.into_iter().filter_map(Result::err).collect();
        progress.fail(Store::Delays, failures.len());
        if let Some(error) = failures.first() {
            tracing::error!(rows.undeleted = failures.len(), error = ?error,
                "messages were sent back and their rows could not be deleted: they will be sent again");
        }
    }

    /// Sends messages of one queue back to it; answers the rows that are done with.
    async fn send(
        &self,
        now: Timestamp,
        queue: &QueueArn,
        rows: Vec<Delayed>,
        progress: &mut Progress,
    ) -> Vec<Delayed> {
        let outgoing: Vec<Outgoing> = rows.iter().map(Delayed::to_send).collect();
        let mut answers = self.queues.send(queue, &outgoing).await.into_iter();
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for row in rows {
            match answers.next() {
                Some(Ok(_)) => {
                    progress.metrics.swept += 1;
                    done.push(row);
                }
                Some(Err(SendError::Refused(why))) => refused.push((row, why)),
                Some(Err(SendError::Unavailable(error))) => {
                    progress.fail(Store::Queues, 1);
                    if progress.silent.insert(queue.clone()) {
                        tracing::warn!(queue = queue.name(), error = ?error,
                            "a queue does not take its delayed messages back: they stay delayed");
                    }
                }
                None => progress.fail(Store::Queues, 1),
            }
        }
        done.extend(self.quarantine(now, queue, refused, progress).await);
        done
    }

    /// Gives what a queue refuses for good to its dead-letter queue; answers the rows that are there now.
    async fn quarantine(
        &self,
        now: Timestamp,
        queue: &QueueArn,
        refused: Vec<(Delayed, String)>,
        progress: &mut Progress,
    ) -> Vec<Delayed> {
        let Some((_, why)) = refused.first() else { return Vec::new() };
        tracing::error!(
            queue = queue.name(),
            messages = refused.len(),
            error = why,
            "a queue refuses its delayed messages: they go to its dead-letter queue"
        );
        let letters: Vec<(Delayed, Outgoing)> = refused
            .into_iter()
            .filter_map(|(row, why)| {
                let detail = format!("the queue refused the message when it came back from its delay: {why}");
                let letter = quarantined(&row.to_incoming(), Reason::QueueMissing, &detail, 0, now);
                // There is room: the mark that quarantining takes off was there.
                Some((row, letter?))
            })
            .collect();
        let Ok(name) = queue.name().parse::<QueueName>() else {
            progress.metrics.sweep_failed += count(letters.len());
            return Vec::new();
        };
        let outgoing: Vec<Outgoing> = letters.iter().map(|(_, letter)| letter.clone()).collect();
        let answers = self.queues.send(&queue.beside(&name.dead_letter()), &outgoing).await;
        let (mut done, mut homeless) = (Vec::new(), Vec::new());
        for ((row, _), answer) in letters.into_iter().zip(answers) {
            match answer {
                Ok(_) => {
                    progress.metrics.quarantined += 1;
                    done.push(row);
                }
                Err(SendError::Refused(_)) => homeless.push(Delayed { due_at: after(now, HOMELESS), ..row }),
                Err(SendError::Unavailable(_)) => progress.fail(Store::Queues, 1),
            }
        }
        progress.metrics.sweep_failed += count(homeless.len());
        let unwritten = self.postpone(&name, &homeless).await;
        progress.stalls.add(Store::Delays, unwritten);
        done
    }

    /// Puts the time of rows off; answers of how many it could not.
    async fn postpone(&self, name: &QueueName, homeless: &[Delayed]) -> u64 {
        if homeless.is_empty() {
            return 0;
        }
        tracing::error!(tenant.id = %name.tenant, messages = homeless.len(),
            "delayed messages have neither a queue nor a dead-letter queue: they stay delayed, and are tried again in an hour");
        let delayed = self.delayed.delay(&name.tenant, homeless).await;
        let failures: Vec<_> = delayed.into_iter().filter_map(Result::err).collect();
        if let Some(error) = failures.last() {
            tracing::warn!(tenant.id = %name.tenant, error = ?error, "their time could not be put off: the next sweep finds them again");
        }
        count(failures.len())
    }
}

fn told(error: &Unavailable) {
    tracing::error!(error = ?error, "the table of delayed messages does not answer");
}

fn overdue(row: &Delayed, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(row.due_at)).unwrap_or_default()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
