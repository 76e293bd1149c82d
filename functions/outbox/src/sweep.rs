//! The sweep: what the stream left, and the reminders that are due, of all tenants in turn.
//!
//! - It knows all that is due before it begins, so that no tenant's row waits behind another's
//!   ([`acequia_core::consent::agenda`]).
//! - Of a tenant of which nothing works it tries a few rows and no more; these are put off, and the next sweep tries
//!   others.
//! - A row that a process may have died of comes last, alone.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use acequia_core::consent::agenda::{SHARDS, Survey, wait_after};
use acequia_core::consent::{Answer, ConsentKey, Due, DuePage, RowKey, Waiting};
use acequia_core::flow::consent::ConsentCommands;
use acequia_core::id::TenantId;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Agenda, Consents, Ledger, Queues, Secrets, TenantStore, Unavailable};
use acequia_core::time::after;
use acequia_lambda::{Deadline, unwind};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::Outbox;
use crate::outbox::{AT_ONCE, Obstacle};

/// How many keys a page of the index has, and how many rows are read together.
const PAGE: usize = 500;
const READ: usize = 25;
/// After so many failures of a tenant in one sweep the rest of it waits for the next one.
const FAILURES: u32 = 3;
/// How long what waits for a store of ours is left alone: until the next sweep, as a rule.
const UNTIL_MENDED: Duration = Duration::from_mins(1);
/// How long a reminder is left alone that could not be given.
const REMIND_LATER: Duration = Duration::from_hours(1);

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Rows that the stream had left, and that are carried out now.
    pub published: usize,
    /// Rows that still could not be carried out.
    pub failed: usize,
    /// Rows and reminders that were not tried, because nothing else of their tenant worked.
    pub left: usize,
    /// Reminders that were sent.
    pub reminded: usize,
}

/// A sweep under way.
struct Sweep {
    deadline: Deadline,
    swept: Swept,
    /// How much is not due any more.
    handled: usize,
    failures: BTreeMap<TenantId, u32>,
    suspects: Vec<(TenantId, Waiting)>,
    /// What was looked at: a row that is put off meanwhile stands in the index at two places for a moment.
    seen: BTreeSet<(TenantId, RowKey)>,
}

impl Sweep {
    fn goes_on(&self, tenant: &TenantId) -> bool {
        self.failures.get(tenant).is_none_or(|failures| *failures < FAILURES)
    }

    fn fail(&mut self, tenant: &TenantId, obstacle: Obstacle) {
        // What is slow takes the time of all.
        let counts = if obstacle == Obstacle::Slow { FAILURES } else { 1 };
        *self.failures.entry(tenant.clone()).or_default() += counts;
    }

    fn count(&mut self, tenant: &TenantId, end: Option<Result<(), Obstacle>>) {
        self.handled += usize::from(end.is_some());
        match end {
            Some(Ok(())) => self.swept.published += 1,
            Some(Err(obstacle)) => {
                self.swept.failed += 1;
                self.fail(tenant, obstacle);
            }
            None => {}
        }
    }

    /// Takes out the rows of tenants that are to be left alone.
    fn thin(&mut self, left: &mut Vec<Due<impl Sized>>) {
        let before = left.len();
        left.retain(|due| self.goes_on(&due.tenant));
        self.swept.left += before - left.len();
    }
}

impl<T: TenantStore, L: Ledger, Q: Queues, C: Consents + Agenda, S: Secrets> Outbox<T, L, Q, C, S> {
    /// Takes up what the stream left, and sends the reminders that are due.
    ///
    /// # Errors
    /// When the store does not answer; the next sweep does it then.
    pub async fn sweep(&self, deadline: Deadline) -> Result<Swept, Unavailable> {
        let mut sweep = Sweep {
            deadline,
            swept: Swept::default(),
            handled: 0,
            failures: BTreeMap::new(),
            suspects: Vec::new(),
            seen: BTreeSet::new(),
        };
        let now = self.clock.now();
        let end = self.go_through(now, &mut sweep).await;
        end.inspect_err(|_| self.stalled(None, Some(Store::Consents)))?;
        Ok(sweep.swept)
    }

    async fn go_through(&self, now: Timestamp, sweep: &mut Sweep) -> Result<(), Unavailable> {
        loop {
            let survey = survey(|shard, from| self.consents.overdue(shard, now, from, PAGE)).await?;
            let (left, before) = (survey.left(), sweep.handled);
            self.rows(now, survey.in_turn(), sweep).await?;
            if left == 0 || sweep.handled == before {
                break;
            }
            // If a tenant has very much to do, more of it is found now that some is done.
        }
        loop {
            let survey = survey(|shard, from| self.consents.to_remind(shard, now, from, PAGE)).await?;
            let (left, before) = (survey.left(), sweep.handled);
            self.reminders(survey.in_turn(), sweep).await;
            if left == 0 || sweep.handled == before {
                break;
            }
        }
        self.suspects(sweep).await;
        Ok(())
    }

    async fn rows(&self, now: Timestamp, mut due: Vec<Due<RowKey>>, sweep: &mut Sweep) -> Result<(), Unavailable> {
        while !due.is_empty() {
            if !self.has_time(sweep.deadline) {
                tracing::warn!(outbox.rows = due.len(), "the time is up: the other rows wait for the next sweep");
                return Ok(());
            }
            sweep.thin(&mut due);
            let rest = due.split_off(due.len().min(READ));
            let some = std::mem::replace(&mut due, rest).into_iter().map(|due| (due.tenant, due.key));
            let names: Vec<_> = some.filter(|name| sweep.seen.insert(name.clone())).collect();
            let mut found = self.look_up(&names).await;
            if found.len() == READ && found.iter().all(Result::is_err) {
                // Not one of so many can be read: the store does not answer.
                return found.pop().map_or(Ok(()), |error| error.map(|_| ()));
            }
            let mut ready: Vec<(TenantId, Waiting)> = Vec::with_capacity(names.len());
            for ((tenant, _), found) in names.iter().zip(found) {
                match found {
                    Ok(Some(waiting)) if !waiting.is_due(now) => {}
                    Ok(Some(waiting)) if waiting.taken => sweep.suspects.push((tenant.clone(), waiting)),
                    Ok(Some(waiting)) => ready.push((tenant.clone(), waiting)),
                    // The index is a moment behind: it is carried out.
                    Ok(None) => {}
                    // One that cannot be read keeps back nothing else of its tenant's.
                    Err(_) => sweep.swept.failed += 1,
                }
            }
            while !ready.is_empty() {
                let rest = ready.split_off(ready.len().min(AT_ONCE));
                let some = std::mem::replace(&mut ready, rest);
                self.together(some, sweep).await;
            }
        }
        Ok(())
    }

    /// Carries out a few rows at once.
    async fn together(&self, rows: Vec<(TenantId, Waiting)>, sweep: &mut Sweep) {
        let deadline = sweep.deadline;
        let work = rows
            .iter()
            .filter(|(tenant, _)| sweep.goes_on(tenant))
            .map(|(tenant, waiting)| async move { (tenant, self.one(tenant, waiting, deadline).await) });
        let work: Vec<_> = work.collect();
        sweep.swept.left += rows.len() - work.len();
        for (tenant, end) in futures::future::join_all(work).await {
            sweep.count(tenant, end);
        }
    }

    /// Takes a row and carries it out; `None` where another invocation has it, or that is unknown.
    async fn one(&self, tenant: &TenantId, waiting: &Waiting, deadline: Deadline) -> Option<Result<(), Obstacle>> {
        let now = self.clock.now();
        match self.consents.take(tenant, waiting, waiting.next_due(now)).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                tracing::warn!(tenant.id = %tenant, outbox.row = waiting.row.id, error = ?error, "an outbox row could not be taken");
                self.stalled(Some(tenant), Some(Store::Consents));
                return Some(Err(Obstacle::Ours));
            }
        }
        let end = self.carry_out(tenant, &waiting.row, deadline).await;
        let name = waiting.row.name();
        let tries = waiting.tries.saturating_add(1);
        match end {
            Ok(()) => {}
            Err(Obstacle::Ours) => self.leave(tenant, &name, waiting.tries, UNTIL_MENDED).await,
            Err(Obstacle::Own | Obstacle::Slow) => self.leave(tenant, &name, tries, wait_after(tries)).await,
        }
        Some(end)
    }

    /// Puts a row off. Where that fails, it is as if the process had died with it.
    async fn leave(&self, tenant: &TenantId, row: &RowKey, tries: u32, wait: Duration) {
        if let Err(error) = self.consents.put_off(tenant, row, tries, after(self.clock.now(), wait)).await {
            tracing::warn!(tenant.id = %tenant, outbox.row = row.id, error = ?error, "an outbox row could not be put off");
            self.stalled(Some(tenant), Some(Store::Consents));
        }
    }

    /// Carries out, one by one, the rows that an earlier process may have died of. If this one does, it has done all
    /// else.
    async fn suspects(&self, sweep: &mut Sweep) {
        let mut suspects = std::mem::take(&mut sweep.suspects);
        // If several rows were in hand when a process died, all but one are innocent. The row that was taken most often
        // is the least likely to be innocent.
        suspects.sort_by_key(|(_, waiting)| (waiting.tries, waiting.due_at));
        for (tenant, waiting) in suspects {
            if !self.has_time(sweep.deadline) {
                return;
            }
            if !sweep.goes_on(&tenant) {
                sweep.swept.left += 1;
                continue;
            }
            tracing::warn!(tenant.id = %tenant, outbox.row = waiting.row.id, outbox.tries = waiting.tries,
                "an outbox row that an earlier invocation may have died of is carried out alone");
            let end = self.one(&tenant, &waiting, sweep.deadline).await;
            sweep.count(&tenant, end);
        }
    }

    async fn reminders(&self, mut due: Vec<Due<ConsentKey>>, sweep: &mut Sweep) {
        while !due.is_empty() && self.has_time(sweep.deadline) {
            sweep.thin(&mut due);
            let rest = due.split_off(due.len().min(AT_ONCE));
            let some = std::mem::replace(&mut due, rest);
            let work = some.iter().map(|due| async move { (&due.tenant, self.remind(due).await) });
            for (tenant, end) in futures::future::join_all(work).await {
                sweep.handled += 1;
                match end {
                    Ok(reminded) => sweep.swept.reminded += usize::from(reminded),
                    Err(obstacle) => sweep.fail(tenant, obstacle),
                }
            }
        }
    }

    /// Sends a reminder, if it is to be sent; what cannot be decided now is put off.
    async fn remind(&self, due: &Due<ConsentKey>) -> Result<bool, Obstacle> {
        let (tenant, now) = (&due.tenant, self.clock.now());
        let current = match self.tenants.current(tenant).await {
            Ok(current) => current,
            // The tenant is gone: no reminder is left to send.
            Err(Cause::TenantUnknown) => return self.forget_reminder(due).await,
            Err(cause) => {
                tracing::warn!(tenant.id = %tenant, error = %cause, "a reminder waits for the tenant's configuration");
                let wait = if cause == Cause::StoreDown(Store::Tenants) { UNTIL_MENDED } else { REMIND_LATER };
                return self.remind_later(due, cause.stalled_by(None), wait).await;
            }
        };
        let Some(settings) = &current.tenant.consent else { return self.forget_reminder(due).await };
        let commands =
            ConsentCommands { consents: &self.consents, tenant, settings, config_version: current.version, now };
        match unwind(commands.remind(due.key)).await {
            Ok(Ok(answer)) => Ok(answer == Some(Answer::Done)),
            Ok(Err(error)) => {
                tracing::warn!(tenant.id = %tenant, error = ?error, "a reminder could not be decided");
                self.remind_later(due, error.stalled_by(), UNTIL_MENDED).await
            }
            Err(cause) => {
                tracing::warn!(tenant.id = %tenant, error = %cause, "a reminder could not be decided");
                self.remind_later(due, None, REMIND_LATER).await
            }
        }
    }

    async fn remind_later(
        &self,
        due: &Due<ConsentKey>,
        store: Option<Store>,
        wait: Duration,
    ) -> Result<bool, Obstacle> {
        self.stalled(Some(&due.tenant), store);
        self.put_off_reminder(due, Some(after(self.clock.now(), wait))).await;
        Err(if store.is_some() { Obstacle::Ours } else { Obstacle::Own })
    }

    /// Forgets a reminder, because the tenant does not ask any more.
    async fn forget_reminder(&self, due: &Due<ConsentKey>) -> Result<bool, Obstacle> {
        self.put_off_reminder(due, None).await;
        Ok(false)
    }

    async fn put_off_reminder(&self, due: &Due<ConsentKey>, until: Option<Timestamp>) {
        if let Err(error) = self.consents.put_off_reminder(due, until).await {
            tracing::warn!(tenant.id = %due.tenant, error = ?error, "a reminder could not be put off");
            self.stalled(Some(&due.tenant), Some(Store::Consents));
        }
    }
}

/// All that is due, page by page, a page of each shard in turn.
async fn survey<K: Ord, F>(page: impl Fn(u8, Option<String>) -> F) -> Result<Survey<K>, Unavailable>
where
    F: Future<Output = Result<DuePage<K>, Unavailable>>,
{
    let mut survey = Survey::default();
    let mut open: Vec<(u8, Option<String>)> = (0..SHARDS).map(|shard| (shard, None)).collect();
    while !open.is_empty() {
        let calls = open.into_iter().map(|(shard, from)| {
            let page = page(shard, from);
            async move { page.await.map(|page| (shard, page)) }
        });
        let calls: Vec<_> = calls.collect();
        let answers: Vec<_> = futures::stream::iter(calls).buffered(AT_ONCE).collect().await;
        open = Vec::new();
        for answer in answers {
            let (shard, page) = answer?;
            survey.add(page.found);
            if page.next.is_some() {
                open.push((shard, page.next));
            }
        }
    }
    Ok(survey)
}
