//! The automatic redrive: what a tenant wants to have back without a person, when its time has come.
//!
//! It looks only into the dead-letter queues of tenants that ask for it, decides by
//! [`acequia_core::delivery::redrive::decide_auto`], and moves what is due by [`acequia_core::flow::redrive::redrive`],
//! which may be killed at any moment.
//!
//! A round goes through the list of those tenants page by page, several side by side. Its lease remembers where it is, so
//! that a round which does not end in one invocation goes on in the next, a minute later. Where an invocation dies, the
//! tenants of its page wait for the next round: what killed it is not tried again at once, and keeps no other tenant
//! from its turn.

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
    AutoRedriven, Chance, Clock, DeadLetters, Depths, Ledger, RedriveJournal, Sweeping, TenantStore, Unavailable,
};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::time::after;
use acequia_lambda::Deadline;
use futures::StreamExt as _;
use jiff::Timestamp;

use crate::until::Until;

/// How often a round begins.
const EVERY: Duration = Duration::from_mins(15);
const ROUND: &str = "auto-redrive";
/// How many tenants of the list are read at once.
const PAGE: usize = 100;
/// How many tenants are looked after side by side.
const LANES: usize = 4;
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
    /// Says whose round it is, and where it is.
    pub leases: S,
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
        if deadline.for_effects(&*self.clock) < TO_BEGIN {
            return Ok(0);
        }
        let (now, holder) = (self.clock.now(), self.chance.token());
        let lease = self.leases.lease(ROUND, &holder, now, deadline.lease()).await.map_err(Down::of(Store::Delays))?;
        let Some(lease) = lease else { return Ok(0) };
        let mut reached: Option<TenantId> = lease.mark.and_then(|mark| mark.parse().ok());
        let mut moved = 0;
        loop {
            let page = self.tenants.auto_redriven(reached.as_ref(), PAGE).await.map_err(Down::of(Store::Tenants))?;
            let is_last = page.len() < PAGE;
            let end = page.last().map(|row| row.tenant.clone()).filter(|_| !is_last);
            // Before the work: see the head of this file.
            let until = if is_last { after(now, EVERY) } else { deadline.lease() };
            self.stop_at(&holder, until, end.as_ref()).await?;
            let begun = page.len();
            let work: Vec<_> = page.iter().map(|row| self.in_time(row, deadline)).collect();
            let done: Vec<(u64, Stalls)> =
                futures::stream::iter(work).buffered(LANES).filter_map(std::future::ready).collect().await;
            for (of_tenant, held_up) in &done {
                moved += of_tenant;
                stalls.add_all(held_up);
            }
            if done.len() < begun {
                tracing::warn!("the time is up: the round goes on in the next invocation");
                let last = done.len().checked_sub(1).and_then(|index| page.get(index)).map(|row| row.tenant.clone());
                self.stop_at(&holder, self.clock.now(), last.or(reached).as_ref()).await?;
                return Ok(moved);
            }
            if is_last {
                return Ok(moved);
            }
            reached = end;
        }
    }

    async fn stop_at(&self, holder: &str, until: Timestamp, reached: Option<&TenantId>) -> Result<(), Down> {
        let stopped = self.leases.stop_at(ROUND, holder, until, reached.map(TenantId::as_str)).await;
        stopped.map_err(Down::of(Store::Delays))
    }

    /// Redrives what is due of one tenant; `None` where there is no time to begin. Time only grows less, so that of a
    /// list no tenant is left out before one that is not.
    async fn in_time(&self, row: &AutoRedriven, deadline: Deadline) -> Option<(u64, Stalls)> {
        if deadline.for_effects(&*self.clock) < TO_BEGIN {
            return None;
        }
        let mut stalls = Stalls::default();
        let moved = self.tenant(row, deadline, &mut stalls).await;
        Some((moved, stalls))
    }

    /// Redrives what is due of one tenant; a failure is reported, and affects no other tenant.
    async fn tenant(&self, row: &AutoRedriven, deadline: Deadline, stalls: &mut Stalls) -> u64 {
        let tenant = &row.tenant;
        let settings = match AutoRedrive::from_json(&row.settings) {
            Ok(Some(settings)) => settings,
            Ok(None) => return 0,
            Err(issues) => {
                tracing::error!(tenant.id = %tenant, error = %issues, "a tenant's dead letters are not redriven");
                stalls.add(Store::Tenants, 1);
                return 0;
            }
        };
        let names = SinkKind::ALL.map(|kind| QueueName::new(&self.stage, tenant, QueueRole::Sink(kind)));
        let depths = futures::future::join_all(names.iter().map(|name| self.dead_letters_of(name))).await;
        let mut sum = Redriven::default();
        for (name, depth) in names.iter().zip(depths) {
            let redriven = match depth {
                Ok(None) => continue,
                Ok(Some(found)) => self.queue(&settings, tenant, (name, found), deadline).await,
                Err(down) => Err(down),
            };
            match redriven {
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

    /// The dead-letter queue of a sink queue with how many it holds; `None` where there is none, or nothing in it.
    async fn dead_letters_of(&self, name: &QueueName) -> Result<Option<(QueueArn, u64)>, Down> {
        let measured = self.dead_letters.measure(&name.dead_letter()).await.map_err(Down::of(Store::Queues))?;
        Ok(measured.filter(|(_, depth)| *depth > 0))
    }

    /// Redrives what is due of one sink queue.
    async fn queue(
        &self,
        settings: &AutoRedrive,
        tenant: &TenantId,
        (name, (dead_letters, depth)): (&QueueName, (QueueArn, u64)),
        deadline: Deadline,
    ) -> Result<Redriven, Down> {
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
