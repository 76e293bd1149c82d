//! The automatic redrive: what a tenant wants to have back without a person, when its time has come.
//!
//! It looks only into the dead-letter queues of tenants that ask for it, decides by
//! [`acequia_core::delivery::redrive::decide_auto`], and moves what is due by [`acequia_core::flow::redrive::redrive`],
//! which may be killed at any moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::DeliveryKey;
use acequia_core::delivery::redrive::{AutoRedrive, AutoVerdict, Filter, Letter, decide_auto, may_be_due};
use acequia_core::flow::redrive::{Order, Redriven, Way, redrive, walk};
use acequia_core::id::{Stage, TenantId, digest};
use acequia_core::kind::SinkKind;
use acequia_core::outcome::stall::{Stalls, Store};
use acequia_core::port::{
    Chance, Clock, DeadLetters, Depths, Ledger, RedriveJournal, Sweeping, TenantStore, Unavailable,
};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::tenant::RawTenant;
use acequia_core::time::after;
use acequia_lambda::Deadline;

use crate::until::Until;

/// How often it looks.
const EVERY: Duration = Duration::from_mins(15);
const TURN: &str = "auto-redrive";
/// With less time left it does not begin, or does not begin with another tenant.
const TO_BEGIN: Duration = Duration::from_secs(25);
/// With less time left it stops looking for more.
const TO_LOOK: Duration = Duration::from_secs(20);
/// With less time left it stops moving: a step has five calls.
const TO_MOVE: Duration = Duration::from_secs(10);
/// How many dead letters of a queue are looked at: so many can be received in the time, and if it is killed they are
/// hidden for minutes, not hours.
const SEEN: u64 = 2_000;
/// How many of a queue are moved at most, and how many a second.
const MOST: usize = 200;
const RATE: u32 = 20;

/// What a sweeper does with the time that is left; answers how many dead letters went back.
pub trait Afterwards: Send + Sync {
    /// Does it, and adds what of ours held it up.
    fn run(&self, deadline: Deadline, stalls: &mut Stalls) -> impl Future<Output = u64> + Send;
}

/// Nothing.
impl Afterwards for () {
    async fn run(&self, _: Deadline, _: &mut Stalls) -> u64 {
        0
    }
}

/// The automatic redrive, wired to its ports.
pub struct AutoRedriver<S, T, D, J, L> {
    /// The stage whose queues it looks into.
    pub stage: Stage,
    /// Decides whose turn it is.
    pub turns: S,
    /// The tenants' configurations.
    pub tenants: T,
    /// The dead-letter queues.
    pub dead_letters: D,
    /// The journal of redriving.
    pub journal: J,
    /// The memory of deliveries.
    pub ledger: L,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
}

impl<S: Sweeping, T: TenantStore, D: DeadLetters + Depths, J: RedriveJournal, L: Ledger> Afterwards
    for AutoRedriver<S, T, D, J, L>
{
    async fn run(&self, deadline: Deadline, stalls: &mut Stalls) -> u64 {
        match self.all(deadline, stalls).await {
            Ok(moved) => moved,
            Err(Down(store, error)) => {
                tracing::error!(error = ?error, "nothing is redriven by itself this time");
                stalls.add(store, 1);
                0
            }
        }
    }
}

impl<S: Sweeping, T: TenantStore, D: DeadLetters + Depths, J: RedriveJournal, L: Ledger> AutoRedriver<S, T, D, J, L> {
    async fn all(&self, deadline: Deadline, stalls: &mut Stalls) -> Result<u64, Down> {
        let now = self.clock.now();
        if deadline.for_effects(&*self.clock) < TO_BEGIN
            || !self.turns.turn(TURN, now, after(now, EVERY)).await.map_err(Down::of(Store::Delays))?
        {
            return Ok(0);
        }
        let mut tenants = self.tenants.list().await.map_err(Down::of(Store::Tenants))?;
        // Where the time is too short for all, it is not always too short for the same ones.
        let first =
            tenants.iter().map(|_| self.chance.unit()).enumerate().max_by(|one, other| one.1.total_cmp(&other.1));
        tenants.rotate_left(first.map_or(0, |(index, _)| index));
        let mut moved = 0;
        for (tenant, _) in tenants {
            if deadline.for_effects(&*self.clock) < TO_BEGIN {
                tracing::warn!("the time is up: the other tenants' dead letters wait for the next turn");
                break;
            }
            moved += self.tenant(&tenant, deadline, stalls).await;
        }
        Ok(moved)
    }

    /// Redrives what is due of one tenant; a failure is reported, and affects no other tenant.
    async fn tenant(&self, tenant: &TenantId, deadline: Deadline, stalls: &mut Stalls) -> u64 {
        let settings = match self.settings(tenant).await {
            Ok(Some(settings)) => settings,
            Ok(None) => return 0,
            Err(error) => {
                tracing::error!(tenant.id = %tenant, error = ?error, "a tenant's dead letters are not redriven");
                stalls.add(Store::Tenants, 1);
                return 0;
            }
        };
        let mut sum = Redriven::default();
        for kind in SinkKind::ALL {
            let name = QueueName::new(&self.stage, tenant, QueueRole::Sink(kind));
            match self.queue(&settings, tenant, &name, deadline).await {
                Ok(redriven) => {
                    // What breaks a run off is that the dead letters cannot be received.
                    stalls.add(Store::Queues, u64::from(redriven.broken.is_some()));
                    add(&mut sum, redriven);
                }
                Err(Down(store, error)) => {
                    stalls.add(store, 1);
                    sum.broken = Some(error);
                }
            }
        }
        let Redriven { moved, finished, unsure, failed, broken } = sum;
        if let Some(error) = broken {
            tracing::error!(tenant.id = %tenant, moved, finished, unsure, failed, error = ?error, "redriven, not to the end");
        } else if moved + finished + unsure + failed > 0 {
            tracing::info!(tenant.id = %tenant, moved, finished, unsure, failed, "redriven");
        }
        moved
    }

    async fn settings(&self, tenant: &TenantId) -> Result<Option<AutoRedrive>, Unavailable> {
        const READ: &str = "read how a tenant's dead letters are redriven";
        let Some(stored) = self.tenants.current(tenant).await? else { return Ok(None) };
        let raw = RawTenant::from_json(&stored.document).map_err(|issues| Unavailable::new(READ, issues))?;
        AutoRedrive::of(raw.auto_redrive.as_ref()).map_err(|issues| Unavailable::new(READ, issues))
    }

    /// Redrives what is due of one sink queue.
    async fn queue(
        &self,
        settings: &AutoRedrive,
        tenant: &TenantId,
        name: &QueueName,
        deadline: Deadline,
    ) -> Result<Redriven, Down> {
        let measured = self.dead_letters.measure(&name.dead_letter()).await.map_err(Down::of(Store::Queues))?;
        let Some((dead_letters, depth)) = measured else {
            return Ok(Redriven::default());
        };
        if depth == 0 {
            return Ok(Redriven::default());
        }
        let depth = depth.min(SEEN);
        let way = Way { tenant: tenant.clone(), source: dead_letters.beside(name), dead_letters, depth };
        let due = self.due(settings, &way, deadline).await?;
        if due.is_empty() {
            return Ok(Redriven::default());
        }
        let order = Order {
            limit: Some(due.len() as u64),
            filter: Filter { letters: Some(due), ..Filter::default() },
            rate: Some(RATE),
            resend_unsure: false,
            run: self.chance.token(),
        };
        let watch = Until { deadline, clock: &*self.clock, spare: TO_MOVE, tenant };
        Ok(redrive((&self.dead_letters, &self.journal, &self.ledger, &*self.clock), &way, &order, &watch).await)
    }

    /// The dead letters of a queue that are due, by their ids.
    async fn due(&self, settings: &AutoRedrive, way: &Way, deadline: Deadline) -> Result<BTreeSet<String>, Down> {
        let now = self.clock.now();
        let mut candidates: Vec<(DeliveryKey, Letter, String)> = Vec::new();
        let watch = Until { deadline, clock: &*self.clock, spare: TO_LOOK, tenant: &way.tenant };
        let (filter, mut seen) = (Filter::default(), 0);
        walk(&self.dead_letters, &way.dead_letters, way.depth, &filter, &watch, |one, letter| {
            if let Some(key) = may_be_due(settings, &one, &letter, now) {
                candidates.push((key, letter, digest(one.message.body.as_bytes())));
            }
            seen += 1;
            seen < SEEN
        })
        .await
        .map_err(Down::of(Store::Queues))?;
        // The ledger wants each key once; of two dead letters of one delivery, the second waits for what becomes of the
        // first.
        candidates.sort_by(|one, other| (&one.0, one.1.at).cmp(&(&other.0, other.1.at)));
        candidates.dedup_by(|one, other| one.0 == other.0);
        if candidates.is_empty() {
            return Ok(BTreeSet::new());
        }
        let keys: Vec<DeliveryKey> = candidates.iter().map(|(key, ..)| key.clone()).collect();
        let answers = self.ledger.read(&way.tenant, &keys).await;
        let is_down = answers.iter().all(Result::is_err);
        let mut due = BTreeSet::new();
        for ((_, letter, content), answer) in candidates.into_iter().zip(answers) {
            match answer {
                Ok(record) if decide_auto(settings, &letter, &content, record.as_ref(), now) == AutoVerdict::Due => {
                    due.insert(letter.id);
                }
                Ok(_) => {}
                Err(error) if is_down => return Err(Down(Store::Ledger, error)),
                // A row that cannot be read is no reason to leave its neighbours where they are.
                Err(error) => tracing::error!(tenant.id = %way.tenant, error = ?error, "a record cannot be read"),
            }
            if due.len() >= MOST {
                break;
            }
        }
        Ok(due)
    }
}

/// What did not answer, and what it said.
struct Down(Store, Unavailable);

impl Down {
    fn of(store: Store) -> impl Fn(Unavailable) -> Self {
        move |error| Self(store, error)
    }
}

fn add(sum: &mut Redriven, one: Redriven) {
    sum.moved += one.moved;
    sum.finished += one.finished;
    sum.unsure += one.unsure;
    sum.failed += one.failed;
    sum.broken = one.broken.or(sum.broken.take());
}
