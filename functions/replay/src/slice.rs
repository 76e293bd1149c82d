//! A slice of one replay: taken, run for some seconds, and left for the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::audit::{AuditAction, AuditNote};
use acequia_core::flow::redrive::Observer;
use acequia_core::id::TenantId;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{
    ArchiveReader, Clock, Ledger, QueueAddresses, Queued, Queues, ReplayStore, TenantStore, Unavailable,
};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::replay::{Replay, Selection, State};
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::time::after;
use acequia_lambda::{Deadline, within};
use acequia_operations::replay::runner::{Outside, Ran, Runner, run};
use acequia_operations::replay::{Nowhere, Sender, ToQueues};
use jiff::Timestamp;

use crate::replayer::{Replayer, Sliced};

/// How long a slice takes before the next replay has its turn.
const SLICE: Duration = Duration::from_secs(20);
/// A slice ends when so much is left of the invocation: a queue that does not answer is tried for 15 seconds.
const SPARE: Duration = Duration::from_secs(20);

/// Ends a slice when its time is up.
struct Until<'a> {
    clock: &'a dyn Clock,
    end: Timestamp,
    tenant: &'a TenantId,
}

impl Observer for Until<'_> {
    fn dealt(&self, _: u64) {}

    fn trouble(&self, text: &str) {
        tracing::warn!(tenant.id = %self.tenant, error = text, "an archived event is not replayed");
    }

    fn ends(&self) -> bool {
        self.clock.now() >= self.end
    }
}

/// Why a slice comes to nothing.
enum NoSlice {
    /// A store of ours does not answer.
    Down(Store, Unavailable),
    /// Nothing would change that: the replay is stopped, and says why.
    Never(String),
    /// There is nothing to be done just now.
    Idle,
}

impl NoSlice {
    fn of(store: Store) -> impl Fn(Unavailable) -> Self {
        move |error| Self::Down(store, error)
    }
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
    /// Does what is to be done with one replay of the list now.
    pub(crate) async fn slice(&self, queued: &Queued, replay: Replay, deadline: Deadline) -> Sliced {
        let (tenant, id) = (&queued.tenant, &queued.id);
        match self.work(queued, replay, deadline).await {
            Ok(sliced) => sliced,
            Err(NoSlice::Idle) => Sliced { rests: true, ..Sliced::default() },
            Err(NoSlice::Down(store, error)) => {
                tracing::error!(tenant.id = %tenant, replay.id = %id, error = ?error, "a replay does not go on this time");
                Sliced { failed: true, stalled: Some(store), ..Sliced::default() }
            }
            Err(NoSlice::Never(why)) => {
                tracing::error!(tenant.id = %tenant, replay.id = %id, error = why, "a replay cannot go on, and is stopped");
                Sliced { failed: true, ..Sliced::default() }
            }
        }
    }

    async fn work(&self, queued: &Queued, replay: Replay, deadline: Deadline) -> Result<Sliced, NoSlice> {
        let tenant = &queued.tenant;
        if !replay.platform || !replay.state.is_under_way() {
            self.leave(queued, &replay).await?;
            return Ok(Sliced::default());
        }
        let Some((replay, token)) = self.take(tenant, replay).await? else { return Err(NoSlice::Idle) };
        let before = replay.progress.tally.deliveries;
        let ran = match self.run(tenant, &replay, &token, deadline).await {
            Ok(ran) => ran,
            Err(NoSlice::Never(why)) => {
                self.stop(tenant, replay, &why).await?;
                return Err(NoSlice::Never(why));
            }
            Err(NoSlice::Down(store, error)) => {
                let left = replay.yielded(Some(&format!("{error:?}")), self.clock.now());
                self.save(tenant, &left).await?;
                return Err(NoSlice::Down(store, error));
            }
            Err(NoSlice::Idle) => return Err(NoSlice::Idle),
        };
        let sent = if ran.replay.dry_run { 0 } else { ran.replay.progress.tally.deliveries.saturating_sub(before) };
        if !ran.replay.state.is_under_way() {
            self.leave(queued, &ran.replay).await?;
        }
        if let Some(error) = &ran.broken {
            tracing::warn!(tenant.id = %tenant, replay.id = %queued.id, error = ?error, "a slice of a replay broke off");
        }
        Ok(Sliced { sent, failed: ran.broken.is_some(), ..Sliced::default() })
    }

    /// Takes a replay, for one slice: nothing where another invocation was before.
    async fn take(&self, tenant: &TenantId, mut replay: Replay) -> Result<Option<(Replay, String)>, NoSlice> {
        let token = self.chance.token();
        if replay.state == State::Waiting {
            // Before anything is sent.
            self.note(tenant, &replay, format!("begun: replay {} by the platform", replay.id)).await?;
        } else if replay.hold.is_some() {
            // What ended it may end the next one, too.
            replay = replay.yielded(Some("the runner of a slice died"), self.clock.now());
            if !self.save(tenant, &replay).await? || !replay.state.is_under_way() {
                return Ok(None);
            }
        }
        let held = replay.held(&token, self.clock.now());
        Ok(self.save(tenant, &held).await?.then_some((held, token)))
    }

    async fn run(&self, tenant: &TenantId, replay: &Replay, token: &str, deadline: Deadline) -> Result<Ran, NoSlice> {
        let configured = self.configured(tenant, replay.config_version).await?;
        let selection = Selection::new(&replay.query, &configured, replay.created_at)
            .map_err(|error| NoSlice::Never(error.to_string()))?;
        let left = deadline.for_effects(&*self.clock);
        let end = after(self.clock.now(), SLICE.min(left.saturating_sub(SPARE)));
        let watch = Until { clock: &*self.clock, end, tenant };
        let ran = if replay.dry_run {
            self.run_into(&Nowhere, (tenant, &selection), (replay, token), (&watch, left)).await
        } else {
            let sender = self.sender(tenant, &selection).await?;
            self.run_into(&sender, (tenant, &selection), (replay, token), (&watch, left)).await
        };
        match ran {
            Some(Ok(ran)) => Ok(ran),
            Some(Err(error)) => Err(NoSlice::Down(Store::Tenants, error)),
            // It is dropped where it stands, as if it were killed; its lease ends.
            None => Err(NoSlice::Idle),
        }
    }

    async fn run_into<S: Sender>(
        &self,
        sender: &S,
        (tenant, selection): (&TenantId, &Selection<'_>),
        (replay, token): (&Replay, &str),
        (watch, left): (&Until<'_>, Duration),
    ) -> Option<Result<Ran, Unavailable>> {
        let Self { archive, ledger, replays, .. } = self;
        let outside = Outside { archive, ledger, sender, replays, clock: &*self.clock };
        let runner = Runner { token, actor: actor(replay) };
        let running = Box::pin(run(&outside, tenant, selection, (replay.clone(), runner), watch));
        within(&*self.clock, left, running).await
    }

    async fn configured(&self, tenant: &TenantId, version: u64) -> Result<Tenant, NoSlice> {
        let stored = self.tenants.version(tenant, version).await.map_err(NoSlice::of(Store::Tenants))?;
        let never = |why: String| NoSlice::Never(format!("version {version} of the configuration {why}"));
        let stored = stored.ok_or_else(|| never("is not there".to_owned()))?;
        let raw = RawTenant::from_json(&stored.document).map_err(|error| never(format!("cannot be read: {error}")))?;
        Tenant::of_stored(&raw).map_err(|issues| never(format!("cannot be read: {issues}")))
    }

    async fn sender(&self, tenant: &TenantId, selection: &Selection<'_>) -> Result<ToQueues<Q>, NoSlice> {
        let (mut of, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        for sink in selection.sinks() {
            let kind = sink.kind();
            kinds.insert(sink.id.clone(), kind);
            if of.contains_key(&kind) {
                continue;
            }
            let name = QueueName::new(&self.stage, tenant, QueueRole::Sink(kind));
            let found = self.addresses.locate(&name).await.map_err(NoSlice::of(Store::Queues))?;
            let queue =
                found.ok_or_else(|| NoSlice::Never(format!("there is no queue {name}: deploy the tenant's stack")))?;
            of.insert(kind, queue);
        }
        Ok(ToQueues { queues: self.queues.clone(), of, kinds })
    }

    async fn stop(&self, tenant: &TenantId, mut replay: Replay, why: &str) -> Result<(), NoSlice> {
        replay.trouble(why);
        let stopped = replay.ended(State::Stopped, acequia_core::replay::PLATFORM, self.clock.now());
        self.save(tenant, &stopped).await.map(drop)
    }

    /// Takes a replay out of the list that is none of the platform's any more, when the audit log has what it came to.
    async fn leave(&self, queued: &Queued, replay: &Replay) -> Result<(), NoSlice> {
        if replay.platform {
            let (state, sent) = (replay.state.as_str(), replay.progress.tally.deliveries);
            let did = if replay.dry_run { "counted" } else { "sent" };
            self.note(&queued.tenant, replay, format!("ended: replay {} {state}, {sent} deliveries {did}", replay.id))
                .await?;
        }
        self.replays.unqueue(queued).await.map_err(NoSlice::of(Store::Tenants))
    }

    async fn save(&self, tenant: &TenantId, replay: &Replay) -> Result<bool, NoSlice> {
        self.replays.save(tenant, replay).await.map_err(NoSlice::of(Store::Tenants))
    }

    async fn note(&self, tenant: &TenantId, replay: &Replay, summary: String) -> Result<(), NoSlice> {
        let actor = actor(replay).to_owned();
        let note = AuditNote { action: AuditAction::Replay, actor, at: self.clock.now(), summary };
        self.tenants.note(tenant, &note).await.map_err(NoSlice::of(Store::Tenants))
    }
}

/// Who did the last thing with it.
fn actor(replay: &Replay) -> &str {
    replay.notes.last().map_or(acequia_core::replay::PLATFORM, |note| &note.actor)
}
