//! One sweep, from the leases to the metrics.
//!
//! The shards of the table are swept side by side, each by the invocation that has its lease. Who finds nothing due in a
//! shard takes no lease. Where the time is up before a shard is done, its lease remembers where, and the next sweep goes
//! on there: what stays at the beginning, because it cannot be sent, does not keep the rest from its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
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

/// How many rows of a shard are read, sent and deleted together. A message has up to a mebibyte, and all shards have a
/// page in memory at once.
const PAGE: usize = 25;

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

/// What all shards of one sweep go by.
struct Sweep {
    holder: String,
    now: Timestamp,
    deadline: Deadline,
    /// Queues that did not answer: they are left alone until the next sweep.
    silent: Mutex<BTreeSet<QueueArn>>,
}

impl Sweep {
    fn is_silent(&self, queue: &QueueArn) -> bool {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).contains(queue)
    }

    /// Leaves a queue alone from now on; false where it is already.
    fn silence(&self, queue: &QueueArn) -> bool {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.clone())
    }
}

/// What is known in the middle of a sweep.
#[derive(Default)]
struct Progress {
    metrics: SweepMetrics,
    stalls: Stalls,
}

impl Progress {
    /// So many messages stay for the next sweep, because of a store of ours.
    fn fail(&mut self, store: Store, messages: usize) {
        self.metrics.sweep_failed += count(messages);
        self.stalls.add(store, count(messages));
    }

    fn add(&mut self, other: &Self) {
        self.metrics.add(&other.metrics);
        self.stalls.add_all(&other.stalls);
    }
}

impl<S: Sweeping + DelayStore, Q: Queues, A: Afterwards> Sweeper<S, Q, A> {
    /// Sweeps once. The shards that another invocation sweeps are left to it.
    ///
    /// # Errors
    /// [`SweepFailed`] where the table does not answer; what was swept until then stays swept.
    pub async fn handle(&self, deadline: Deadline) -> Result<(), SweepFailed> {
        let sweep = Sweep { holder: self.chance.token(), now: self.clock.now(), deadline, silent: Mutex::default() };
        let shards = futures::future::join_all((0..SHARDS).map(|shard| self.shard(shard, &sweep))).await;
        let (mut progress, mut end) = (Progress::default(), Ok(()));
        for (of_shard, answer) in shards {
            progress.add(&of_shard);
            end = end.and(answer.inspect_err(told));
        }
        if end.is_ok() {
            progress.metrics.redriven = self.afterwards.run(deadline, &mut progress.stalls).await;
        }
        progress.stalls.add(Store::Delays, u64::from(end.is_err()));
        self.telemetry.write_sweep(&self.stage, self.clock.now(), &progress.metrics);
        self.telemetry.write_stalls(&self.stage, ("sweeper", None), self.clock.now(), &progress.stalls);
        end?;
        Ok(())
    }

    /// Sweeps one shard, if something is due in it and no other invocation does.
    async fn shard(&self, shard: u8, sweep: &Sweep) -> (Progress, Result<(), Unavailable>) {
        let mut progress = Progress::default();
        let end = self.sweep_shard(shard, sweep, &mut progress).await;
        (progress, end)
    }

    async fn sweep_shard(&self, shard: u8, sweep: &Sweep, progress: &mut Progress) -> Result<(), Unavailable> {
        if !self.has_time(sweep) {
            return Ok(());
        }
        let first = self.delayed.due(shard, sweep.now, None, PAGE).await?;
        progress.metrics.overdue = first.first_due_at.map(|due_at| overdue(due_at, sweep.now)).unwrap_or_default();
        if first.keys.is_empty() && first.next.is_none() {
            return Ok(());
        }
        let what = format!("sweep-{shard}");
        let until = sweep.deadline.lease();
        let Some(lease) = self.delayed.lease(&what, &sweep.holder, self.clock.now(), until).await? else {
            tracing::info!(shard, "another invocation sweeps this shard");
            return Ok(());
        };
        let end = self.pages(shard, sweep, (first, lease.mark.clone()), progress).await;
        let stop = end.as_ref().ok().and_then(Option::as_ref);
        if stop.is_some() {
            progress.metrics.shards_behind += 1;
            tracing::warn!(
                shard,
                overdue_s = progress.metrics.overdue.as_secs(),
                "the time is up: what else is due in this shard waits for the next sweep"
            );
        }
        // Who began at a mark and did not come to the end leaves none: what lies before it has its turn, too.
        let mark = stop.filter(|_| lease.mark.is_none()).map(String::as_str);
        // The next minute's sweep need not wait for the end of a lease that no invocation uses. If this fails, it has
        // to wait.
        if let Err(error) = self.delayed.stop_at(&what, &sweep.holder, self.clock.now(), mark).await {
            told(&error);
            progress.stalls.add(Store::Delays, 1);
        }
        end.map(|_| ())
    }

    /// Goes through a shard page by page, from where the last sweep stopped; answers where the time was up.
    async fn pages(
        &self,
        shard: u8,
        sweep: &Sweep,
        (first, mark): (DuePage, Option<String>),
        progress: &mut Progress,
    ) -> Result<Option<String>, Unavailable> {
        let mut page = match mark {
            Some(mark) => self.delayed.due(shard, sweep.now, Some(mark), PAGE).await?,
            None => first,
        };
        loop {
            let next = page.next.take();
            self.sweep_page(sweep, page, progress).await;
            let Some(from) = next else { return Ok(None) };
            if !self.has_time(sweep) {
                return Ok(Some(from));
            }
            page = self.delayed.due(shard, sweep.now, Some(from), PAGE).await?;
        }
    }

    fn has_time(&self, sweep: &Sweep) -> bool {
        sweep.deadline.for_effects(&*self.clock) >= FOR_A_PAGE
    }

    async fn sweep_page(&self, sweep: &Sweep, page: DuePage, progress: &mut Progress) {
        let mut by_queue: BTreeMap<QueueArn, Vec<Delayed>> = BTreeMap::new();
        for (key, loaded) in page.keys.iter().zip(self.delayed.load(&page.keys).await) {
            match loaded {
                // The index may be a moment old: a row that is gone was swept, and one that is due later was delayed
                // again.
                Ok(Some(row)) if row.due_at <= sweep.now => {
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
            if sweep.is_silent(&queue) {
                progress.fail(Store::Queues, rows.len());
                continue;
            }
            done.extend(self.send(sweep, &queue, rows, progress).await);
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
    async fn send(&self, sweep: &Sweep, queue: &QueueArn, rows: Vec<Delayed>, progress: &mut Progress) -> Vec<Delayed> {
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
                    if sweep.silence(queue) {
                        tracing::warn!(queue = queue.name(), error = ?error,
                            "a queue does not take its delayed messages back: they stay delayed");
                    }
                }
                None => progress.fail(Store::Queues, 1),
            }
        }
        done.extend(self.quarantine(sweep.now, queue, refused, progress).await);
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

fn overdue(due_at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(due_at)).unwrap_or_default()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
