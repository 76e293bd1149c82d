//! One invocation: which replays have their turn, and how long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::id::{ReplayId, Stage, TenantId};
use acequia_core::outcome::stall::{Stalls, Store};
use acequia_core::port::{
    ArchiveReader, Chance, Clock, Ledger, QueueAddresses, Queued, Queues, ReplayStore, TenantStore, Unavailable,
};
use acequia_core::replay::Replay;
use acequia_lambda::{Deadline, ReplayMetrics, Telemetry};
use futures::StreamExt as _;
use jiff::Timestamp;

/// How many replays are run side by side: each holds some megabytes of archived events.
const LANES: usize = 4;
/// With less time left no slice begins.
const TO_BEGIN: Duration = Duration::from_secs(30);
/// How many waiting replays are looked at in one invocation. Others have their turn when some of these are done.
const MOST: usize = 500;

/// The replay function, wired to its ports.
pub struct Replayer<A, L, Q, D, R, T> {
    /// The archive.
    pub archive: A,
    /// The memory of deliveries.
    pub ledger: L,
    /// SQS.
    pub queues: Q,
    /// Where tenants' queues are.
    pub addresses: D,
    /// Where replays are kept.
    pub replays: R,
    /// The tenants' configurations, and their audit logs.
    pub tenants: T,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// The stage it belongs to.
    pub stage: Stage,
    /// Where it tells of its work.
    pub telemetry: Telemetry,
}

/// Which replays wait could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the replays that wait could not be read")]
pub struct ReplaysFailed(#[from] Unavailable);

/// What a slice came to.
#[derive(Debug, Default)]
pub(crate) struct Sliced {
    /// How many deliveries it sent.
    pub(crate) sent: u64,
    /// Whether it failed.
    pub(crate) failed: bool,
    /// Whether it rests until the next invocation.
    pub(crate) rests: bool,
    /// The store of ours that did not answer.
    pub(crate) stalled: Option<Store>,
}

impl<A, L, Q, D, R, T> Replayer<A, L, Q, D, R, T>
where
    A: ArchiveReader,
    L: Ledger,
    Q: Queues + Clone,
    D: QueueAddresses,
    R: ReplayStore,
    T: TenantStore,
{
    /// Goes on with the replays that wait, until nothing is left to do or the time is up.
    ///
    /// # Errors
    /// [`ReplaysFailed`]; what fails of one replay is told in it, and counted.
    pub async fn handle(&self, deadline: Deadline) -> Result<(), ReplaysFailed> {
        let (mut resting, mut metrics) = (BTreeSet::new(), ReplayMetrics::default());
        let mut stalls = Stalls::default();
        loop {
            let turn = self.turn(&mut stalls).await?;
            // What waited longest is first.
            let longest =
                turn.iter().filter(|(_, replay)| replay.is_due(self.clock.now())).map(|(_, one)| one.updated_at);
            metrics.oldest = metrics.oldest.max(longest.min().map_or(Duration::ZERO, |since| self.since(since)));
            let turn: Vec<_> = turn.into_iter().filter(|(queued, _)| !resting.contains(&name(queued))).collect();
            if turn.is_empty() || deadline.for_effects(&*self.clock) < TO_BEGIN {
                break;
            }
            let work = turn.into_iter().map(async |(queued, replay)| {
                let name = name(&queued);
                // Time only grows less, so that none is left out before one that is not.
                let begins = deadline.for_effects(&*self.clock) >= TO_BEGIN;
                (name, if begins { self.slice(&queued, replay, deadline).await } else { Sliced::default() })
            });
            let done: Vec<_> = futures::stream::iter(work).buffer_unordered(LANES).collect().await;
            for (name, sliced) in done {
                metrics.sent += sliced.sent;
                metrics.failed += u64::from(sliced.failed);
                sliced.stalled.into_iter().for_each(|store| stalls.add(store, 1));
                if sliced.failed || sliced.rests {
                    resting.insert(name);
                }
            }
        }
        self.telemetry.write_replays(&self.stage, self.clock.now(), &metrics);
        self.telemetry.write_stalls(&self.stage, ("replay", None), self.clock.now(), &stalls);
        Ok(())
    }

    /// The replays that have something to be done with now, those first that were not looked after for longest.
    async fn turn(&self, stalls: &mut Stalls) -> Result<Vec<(Queued, Replay)>, ReplaysFailed> {
        let (queued, now) = (self.replays.queued(MOST).await?, self.clock.now());
        let mut turn = Vec::new();
        for one in queued {
            match self.replays.load(&one.tenant, &one.id).await {
                Ok(Some(replay)) if replay.is_due(now) || !replay.state.is_under_way() || !replay.platform => {
                    turn.push((one, replay));
                }
                // Another invocation has it, or it is not there yet.
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(tenant.id = %one.tenant, replay.id = %one.id, error = ?error, "a replay cannot be read");
                    stalls.add(Store::Tenants, 1);
                }
            }
        }
        turn.sort_by_key(|(_, replay)| replay.updated_at);
        Ok(turn)
    }

    fn since(&self, then: Timestamp) -> Duration {
        Duration::try_from(self.clock.now().duration_since(then)).unwrap_or_default()
    }
}

fn name(queued: &Queued) -> (TenantId, ReplayId) {
    (queued.tenant.clone(), queued.id.clone())
}
