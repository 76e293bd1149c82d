//! A run of a replay that is stored: it holds the replay, writes down how far it is, and learns there that it is to stop.

use acequia_core::flow::redrive::Observer;
use acequia_core::id::TenantId;
use acequia_core::port::{ArchiveReader, Clock, Ledger, ReplayStore, Unavailable};
use acequia_core::replay::{Progress, Replay, Selection, State};
use jiff::Timestamp;

use super::engine::{Ended, Keeper, Way, go};
use super::sender::Sender;

/// What a run needs of the outside world.
pub struct Outside<'a, A, L, S, R, C: ?Sized> {
    /// The archive.
    pub archive: &'a A,
    /// The memory of deliveries.
    pub ledger: &'a L,
    /// Where deliveries go.
    pub sender: &'a S,
    /// Where replays are kept.
    pub replays: &'a R,
    /// The time.
    pub clock: &'a C,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// The replay as it stands.
    pub replay: Replay,
    /// Why it ended before its end, where a service did not answer or refused.
    pub broken: Option<Unavailable>,
}

/// Who runs a replay.
#[derive(Debug, Clone, Copy)]
pub struct Runner<'a> {
    /// A text that no other run has.
    pub token: &'a str,
    /// On whose behalf.
    pub actor: &'a str,
}

/// Goes on with a replay that `runner` holds, until its end, or until somebody stops it. One that the platform runs is
/// left to go on with the next slice where `watch` ends this one, or where a service did not answer.
///
/// # Errors
/// Where it cannot be written down how it ended. It can go on all the same when its lease is over.
pub async fn run<A: ArchiveReader, L: Ledger, S: Sender, R: ReplayStore, C: Clock + ?Sized>(
    outside: &Outside<'_, A, L, S, R, C>,
    tenant: &TenantId,
    selection: &Selection<'_>,
    (replay, runner): (Replay, Runner<'_>),
    watch: &impl Observer,
) -> Result<Ran, Unavailable> {
    let Outside { archive, ledger, sender, replays, clock } = *outside;
    let (mut progress, mut troubles) = (replay.progress.clone(), replay.troubles.clone());
    let (query, mark, as_of) = (replay.query.clone(), replay.mark(), replay.as_of);
    // A count waits for nothing.
    let rate = (!replay.dry_run).then_some(replay.rate);
    let way = Way { archive, ledger, sender, clock, tenant, query: &query, selection, mark, as_of, rate };
    let mut held = Held { tenant, replays, clock, replay, runner, lost: false };
    // On the heap: it holds what is read ahead and what is pending.
    let ended = Box::pin(go(&way, &mut progress, &mut troubles, &mut held, watch)).await;
    let (is_done, is_refused) = (matches!(ended, Ended::Done), matches!(ended, Ended::Refused(_)));
    let broken = match ended {
        Ended::Broken(error) => Some(error),
        Ended::Refused(why) => Some(Unavailable::new("send a replay's deliveries", why)),
        Ended::Done | Ended::Stopped => None,
    };
    (held.replay.progress, held.replay.troubles) = (progress, troubles);
    let failed = broken.as_ref().map(|error| format!("{error:?}"));
    if held.replay.platform && !is_refused {
        held.end(is_done, |replay, now| replay.yielded(failed.as_deref(), now)).await?;
    } else {
        if let Some(error) = failed {
            held.replay.trouble(error);
        }
        held.end(is_done, |replay, now| replay.ended(State::Stopped, runner.actor, now)).await?;
    }
    Ok(Ran { replay: held.replay, broken })
}

/// A replay while it is run.
struct Held<'a, R, C: ?Sized> {
    tenant: &'a TenantId,
    replays: &'a R,
    clock: &'a C,
    /// As it was written last.
    replay: Replay,
    runner: Runner<'a>,
    /// Whether somebody else runs it now.
    lost: bool,
}

impl<R: ReplayStore, C: Clock + ?Sized> Held<'_, R, C> {
    /// Writes how far it is; false where somebody wrote it in between, whose state it then has.
    async fn write(&mut self, next: Replay) -> Result<bool, Unavailable> {
        if self.replays.save(self.tenant, &next).await? {
            self.replay = next;
            return Ok(true);
        }
        // It is there: no replay is ever deleted.
        let Some(there) = self.replays.load(self.tenant, &self.replay.id).await? else { return Ok(false) };
        self.lost =
            there.state == State::Running && there.hold.as_ref().is_some_and(|hold| hold.runner != self.runner.token);
        let progress = next.progress;
        self.replay = Replay { progress, ..there };
        Ok(false)
    }

    /// Writes how it ended; `left` is how it is left where there is more to do.
    async fn end(&mut self, is_done: bool, left: impl Fn(Replay, Timestamp) -> Replay) -> Result<(), Unavailable> {
        while !self.lost {
            let (now, actor) = (self.clock.now(), self.runner.actor);
            let next = match self.replay.state {
                // Who stopped it has said so; what was sent until that was heard is added.
                State::Stopped if !is_done => self.replay.clone().moved(now),
                _ if is_done => self.replay.clone().ended(State::Done, actor, now),
                _ => left(self.replay.clone(), now),
            };
            if self.write(next).await? {
                break;
            }
        }
        Ok(())
    }
}

impl<R: ReplayStore, C: Clock + ?Sized> Keeper for Held<'_, R, C> {
    async fn keep(&mut self, progress: &Progress, troubles: &[String]) -> Result<bool, Unavailable> {
        let mut next = self.replay.clone().held(self.runner.token, self.clock.now());
        next.progress.clone_from(progress);
        next.troubles = troubles.to_vec();
        self.write(next).await
    }
}
