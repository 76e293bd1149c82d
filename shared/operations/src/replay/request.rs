//! Replays that somebody asks for and the platform runs: over the store alone, so that the front door can do it as the
//! command does.

use acequia_core::id::{ReplayId, TenantId};
use acequia_core::port::{Begun, Clock, ReplayStore};
use acequia_core::replay::{Plan, Replay, Selection, State};
use acequia_core::tenant::Tenant;
use jiff::Timestamp;

use super::ReplayStatus;
use crate::OperationError;

/// A runner writes its replay every few seconds.
const TRIES: usize = 10;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What is to be sent.
    pub plan: Plan,
    /// What it is to be called. Who asks again by the same name gets the answer that he got.
    pub id: ReplayId,
    /// Whether it only counts.
    pub dry_run: bool,
    /// Whether no other of the tenant may be under way.
    pub alone: bool,
}

/// A replay that was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where it stands.
    pub status: ReplayStatus,
    /// Whether it was there before.
    pub repeated: bool,
}

/// Leaves a replay to the platform.
///
/// # Errors
/// [`OperationError::Query`] where it cannot be asked for; [`OperationError::ReplayBusy`] where another is under way;
/// [`OperationError::ReplayContested`] where another one is called so; or when the store does not answer.
pub async fn ask(
    store: &impl ReplayStore,
    (tenant, configured): (&TenantId, &Tenant),
    wish: Wish,
    (actor, now): (&str, Timestamp),
) -> Result<Asked, OperationError> {
    Selection::new(&wish.plan.query, configured, now)
        .map_err(|source| OperationError::Query { tenant: tenant.clone(), source: Box::new(source) })?;
    // Before the other one is looked for that may be under way.
    if let Some(there) = store.load(tenant, &wish.id).await? {
        return repeated(tenant, &wish, there, now);
    }
    let begun = Replay::begin(wish.id.clone(), wish.plan.clone(), actor, now);
    let replay = Replay { dry_run: wish.dry_run, ..begun }.waiting(now);
    match store.begin(tenant, &replay, wish.alone).await? {
        Begun::Yes => Ok(Asked { status: ReplayStatus::of(tenant, replay, now), repeated: false }),
        Begun::Busy(replay) => Err(OperationError::ReplayBusy { tenant: tenant.clone(), replay, until: None }),
        Begun::Changed => repeated(tenant, &wish, load(store, tenant, &wish.id).await?, now),
    }
}

/// The replay of this name, where it is what is asked for. By when it is looked at, and by which configuration, was said
/// the first time.
fn repeated(tenant: &TenantId, wish: &Wish, there: Replay, now: Timestamp) -> Result<Asked, OperationError> {
    let Plan { query, ids, rate, .. } = &wish.plan;
    let is_same = there.query == *query && there.ids == *ids && there.rate == *rate && there.dry_run == wish.dry_run;
    if !is_same {
        return Err(OperationError::ReplayContested { tenant: tenant.clone(), replay: there.id });
    }
    Ok(Asked { status: ReplayStatus::of(tenant, there, now), repeated: true })
}

/// Stops a replay, whoever runs it.
///
/// # Errors
/// [`OperationError::NoReplay`], [`OperationError::ReplayDone`], or when the store does not answer.
pub async fn stop(
    store: &impl ReplayStore,
    tenant: &TenantId,
    id: &ReplayId,
    (actor, clock): (&str, &(impl Clock + ?Sized)),
) -> Result<ReplayStatus, OperationError> {
    for _ in 0..TRIES {
        let (replay, now) = (load(store, tenant, id).await?, clock.now());
        let stopped = match replay.state {
            State::Done => return Err(OperationError::ReplayDone { tenant: tenant.clone(), replay: id.clone() }),
            State::Stopped => return Ok(ReplayStatus::of(tenant, replay, now)),
            State::Waiting | State::Running => replay.ended(State::Stopped, actor, now),
        };
        if store.save(tenant, &stopped).await? {
            return Ok(ReplayStatus::of(tenant, stopped, now));
        }
    }
    Err(OperationError::ReplayContested { tenant: tenant.clone(), replay: id.clone() })
}

/// Leaves a replay to the platform that was stopped, or whose runner died.
///
/// # Errors
/// [`OperationError::NoReplay`], [`OperationError::ReplayDone`]; [`OperationError::ReplayBusy`] where it, or another one,
/// is under way; or when the store does not answer.
pub async fn resume(
    store: &impl ReplayStore,
    tenant: &TenantId,
    id: &ReplayId,
    (rate, alone): (Option<u32>, bool),
    (actor, now): (&str, Timestamp),
) -> Result<ReplayStatus, OperationError> {
    let replay = load(store, tenant, id).await?;
    if replay.state == State::Done {
        return Err(OperationError::ReplayDone { tenant: tenant.clone(), replay: id.clone() });
    }
    is_free(tenant, &replay, now)?;
    let mut replay = replay.waiting(now).noting(actor, "resumed", now);
    replay.rate = rate.unwrap_or(replay.rate);
    match store.begin(tenant, &replay, alone).await? {
        Begun::Yes => Ok(ReplayStatus::of(tenant, replay, now)),
        Begun::Busy(other) => Err(OperationError::ReplayBusy { tenant: tenant.clone(), replay: other, until: None }),
        Begun::Changed => Err(OperationError::ReplayContested { tenant: tenant.clone(), replay: replay.id }),
    }
}

/// That nobody runs a replay, or is about to.
///
/// # Errors
/// [`OperationError::ReplayBusy`].
pub(super) fn is_free(tenant: &TenantId, replay: &Replay, now: Timestamp) -> Result<(), OperationError> {
    let until = replay.runner(now).map(|hold| hold.until);
    if until.is_some() || (replay.platform && replay.state.is_under_way()) {
        return Err(OperationError::ReplayBusy { tenant: tenant.clone(), replay: replay.id.clone(), until });
    }
    Ok(())
}

/// One replay.
///
/// # Errors
/// [`OperationError::NoReplay`], or when the store does not answer.
pub async fn load(store: &impl ReplayStore, tenant: &TenantId, id: &ReplayId) -> Result<Replay, OperationError> {
    let found = store.load(tenant, id).await?;
    found.ok_or_else(|| OperationError::NoReplay { tenant: tenant.clone(), replay: id.clone() })
}
