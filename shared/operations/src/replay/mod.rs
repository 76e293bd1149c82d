//! Replays: what one would send, beginning one, going on with it, stopping it.
//!
//! A caller makes an [`Order`], looks at its [`preview()`], and begins it with the `as_of` and the version that it looked
//! at: then it sends exactly that. Who runs it may die: [`resume`] goes on behind the place that was written down last.
//!
//! [`engine`] is the way through the archive, which both go; [`runner`] holds a replay while it is run.

mod ahead;
pub mod engine;
#[cfg(test)]
mod killed;
mod report;
pub mod request;
pub mod runner;
mod sender;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use acequia_core::flow::redrive::Observer;
use acequia_core::id::{ReplayId, SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::port::{Begun, Chance as _, Clock as _, ReplayStore as _, TenantStore as _, Unavailable};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::replay::{Plan, Progress, Query, Replay, Selection, State, price};
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::wire::ReplayIds;
use jiff::Timestamp;

use self::engine::{Ended, Keeper, Way, go};
use self::runner::{Outside, Ran, Runner};
use crate::{OperationError, Ports, configuration, queues_of};

pub use report::{Asked, Figures, Noted, Preview, ReplayStatus, Standing};
pub use sender::{Nowhere, Sender, ToQueues};

/// What an operator orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is to be sent.
    pub query: Query,
    /// Which ids receivers see.
    pub ids: ReplayIds,
    /// The most deliveries a second.
    pub rate: u32,
}

/// What an order is looked at by: so that a run sends what a preview counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// The version of the configuration.
    pub config_version: u64,
    /// Objects that were kept later are left out.
    pub as_of: Timestamp,
}

impl Order {
    fn plan(&self, basis: Basis) -> Plan {
        let Self { query, ids, rate } = self.clone();
        Plan { query, ids, rate, config_version: basis.config_version, as_of: basis.as_of }
    }
}

/// Leaves an order to the platform, which begins with it within a minute or two; nothing is sent yet.
///
/// # Errors
/// As [`begin`].
pub async fn ask(
    ports: &impl Ports,
    tenant: &TenantId,
    order: &Order,
    basis: Basis,
    (actor, alone): (&str, bool),
) -> Result<ReplayStatus, OperationError> {
    let configured = configured(ports, tenant, basis.config_version).await?;
    let selection = select(tenant, &order.query, &configured, ports.clock().now())?;
    queues(ports, tenant, &selection).await?;
    let id = ReplayId::of(ports.chance().bytes());
    let wish = request::Wish { plan: order.plan(basis), id, dry_run: false, alone };
    let asked = request::ask(&ports.replays(), (tenant, &configured), wish, (actor, ports.clock().now())).await?;
    Ok(asked.status)
}

/// By what an order would be looked at now.
///
/// # Errors
/// [`OperationError::NoConfiguration`], or when the store does not answer.
pub async fn basis(ports: &impl Ports, tenant: &TenantId) -> Result<Basis, OperationError> {
    let version = ports.tenants().current_version(tenant).await?;
    let config_version = version.ok_or_else(|| configuration::missing(ports, tenant))?;
    // S3 says to the second when it got an object: those of this second are left out.
    let second = ports.clock().now().as_second();
    Ok(Basis { config_version, as_of: Timestamp::from_second(second).unwrap_or_default() })
}

/// Counts what an order would send, and sends nothing.
///
/// # Errors
/// [`OperationError::Query`] where it cannot be asked; [`OperationError::NoQueue`] where a sink has no queue;
/// [`OperationError::Ended`] where the observer ended it; or when a service does not answer.
pub async fn preview(
    ports: &impl Ports,
    tenant: &TenantId,
    order: &Order,
    basis: Basis,
    watch: &impl Observer,
) -> Result<Preview, OperationError> {
    let configured = configured(ports, tenant, basis.config_version).await?;
    let selection = select(tenant, &order.query, &configured, ports.clock().now())?;
    let queues = queues(ports, tenant, &selection).await?;
    let (archive, ledger, clock) = (ports.archive(queues.any()?), ports.ledger(), ports.clock());
    let plan = order.plan(basis);
    // No delivery leaves, so any id will do.
    let mark = Replay::begin(ReplayId::of([0; 32]), plan.clone(), "", clock.now()).mark();
    let way = Way {
        archive: &archive,
        ledger: &ledger,
        sender: &Nowhere,
        clock: &clock,
        tenant,
        query: &order.query,
        selection: &selection,
        mark,
        as_of: basis.as_of,
        rate: None,
    };
    let (mut progress, mut troubles) = (Progress::default(), Vec::new());
    match Box::pin(go(&way, &mut progress, &mut troubles, &mut Unkept, watch)).await {
        Ended::Done => {}
        Ended::Stopped | Ended::Refused(_) => return Err(OperationError::Ended),
        Ended::Broken(error) => return Err(error.into()),
    }
    let kind = |sink: &SinkId| {
        let known = configured.sink(sink);
        known.map_or((SinkKind::Webhook, false), |sink| (sink.kind(), sink.claims))
    };
    let price = price(&progress.tally, selection.asks_ledger(), kind);
    let sinks = selection.sinks().map(|sink| sink.id.clone()).collect();
    Ok(Preview::of((tenant, &plan), sinks, &progress, (price, troubles)))
}

/// A dry run has nothing to go on with.
struct Unkept;

impl Keeper for Unkept {
    async fn keep(&mut self, _: &Progress, _: &[String]) -> Result<bool, Unavailable> {
        Ok(true)
    }
}

/// A replay that is begun, and held by who is to run it.
#[derive(Debug)]
pub struct Begin {
    replay: Replay,
    token: String,
    actor: String,
}

impl Begin {
    /// Its id.
    pub fn id(&self) -> &ReplayId {
        &self.replay.id
    }
}

/// Writes down that a replay begins; nothing is sent yet. `alone`: only where no other of the tenant is under way.
///
/// # Errors
/// As [`preview()`], and [`OperationError::ReplayBusy`] where another is under way.
pub async fn begin(
    ports: &impl Ports,
    tenant: &TenantId,
    order: &Order,
    basis: Basis,
    (actor, alone): (&str, bool),
) -> Result<Begin, OperationError> {
    let configured = configured(ports, tenant, basis.config_version).await?;
    let (now, chance) = (ports.clock().now(), ports.chance());
    let selection = select(tenant, &order.query, &configured, now)?;
    queues(ports, tenant, &selection).await?;
    let token = chance.token();
    let replay = Replay::begin(ReplayId::of(chance.bytes()), order.plan(basis), actor, now).held(&token, now);
    take(ports, tenant, replay, (token, actor, alone)).await
}

/// Takes a replay that was stopped, or whose runner died, to go on with it.
///
/// # Errors
/// [`OperationError::NoReplay`] where there is none of that id; [`OperationError::ReplayDone`] where nothing is left to do;
/// [`OperationError::ReplayBusy`] where it, or another one, is under way; or when the store does not answer.
pub async fn resume(
    ports: &impl Ports,
    tenant: &TenantId,
    id: &ReplayId,
    (actor, rate, alone): (&str, Option<u32>, bool),
) -> Result<Begin, OperationError> {
    let (replay, now) = (request::load(&ports.replays(), tenant, id).await?, ports.clock().now());
    if replay.state == State::Done {
        return Err(OperationError::ReplayDone { tenant: tenant.clone(), replay: id.clone() });
    }
    request::is_free(tenant, &replay, now)?;
    // What would end it at once is told before it is taken.
    let configured = configured(ports, tenant, replay.config_version).await?;
    queues(ports, tenant, &select(tenant, &replay.query, &configured, replay.created_at)?).await?;
    let token = ports.chance().token();
    let mut replay = replay.held(&token, now).noting(actor, "resumed", now);
    replay.rate = rate.unwrap_or(replay.rate);
    // Who goes on with it runs it.
    replay.platform = false;
    take(ports, tenant, replay, (token, actor, alone)).await
}

async fn take(
    ports: &impl Ports,
    tenant: &TenantId,
    replay: Replay,
    (token, actor, alone): (String, &str, bool),
) -> Result<Begin, OperationError> {
    match ports.replays().begin(tenant, &replay, alone).await? {
        Begun::Yes => Ok(Begin { replay, token, actor: actor.to_owned() }),
        Begun::Busy(other) => Err(OperationError::ReplayBusy { tenant: tenant.clone(), replay: other, until: None }),
        Begun::Changed => Err(OperationError::ReplayContested { tenant: tenant.clone(), replay: replay.id }),
    }
}

/// Runs a replay to its end, or until it is stopped: by the observer, or by [`stop`].
///
/// # Errors
/// As [`preview()`], before anything is sent; and where it cannot be written down how it ended. What broke it on the way
/// is told beside its status.
pub async fn run(
    ports: &impl Ports,
    tenant: &TenantId,
    begin: Begin,
    watch: &impl Observer,
) -> Result<(ReplayStatus, Option<Unavailable>), OperationError> {
    let Begin { replay, token, actor } = begin;
    let configured = configured(ports, tenant, replay.config_version).await?;
    // What the ledger remembers is asked when a replay begins.
    let selection = select(tenant, &replay.query, &configured, replay.created_at)?;
    let queues = queues(ports, tenant, &selection).await?;
    let (archive, ledger, replays, clock) =
        (ports.archive(queues.any()?), ports.ledger(), ports.replays(), ports.clock());
    let SinkQueues { of, kinds } = &queues;
    let sender = ToQueues { queues: ports.sending(), of: of.clone(), kinds: kinds.clone() };
    let outside = Outside { archive: &archive, ledger: &ledger, sender: &sender, replays: &replays, clock: &clock };
    let runner = Runner { token: &token, actor: &actor };
    let Ran { replay, broken } = runner::run(&outside, tenant, &selection, (replay, runner), watch).await?;
    Ok((ReplayStatus::of(tenant, replay, clock.now()), broken))
}

/// Stops a replay: its runner ends after the step under way, within some seconds.
///
/// # Errors
/// [`OperationError::NoReplay`] and [`OperationError::ReplayDone`], as [`resume`]; or when the store does not answer.
pub async fn stop(
    ports: &impl Ports,
    tenant: &TenantId,
    id: &ReplayId,
    actor: &str,
) -> Result<ReplayStatus, OperationError> {
    request::stop(&ports.replays(), tenant, id, (actor, &ports.clock())).await
}

/// All replays of a tenant, the last one first.
///
/// # Errors
/// When the store does not answer.
pub async fn list(ports: &impl Ports, tenant: &TenantId) -> Result<Vec<ReplayStatus>, OperationError> {
    let (replays, now) = (ports.replays().list(tenant).await?, ports.clock().now());
    Ok(replays.into_iter().map(|replay| ReplayStatus::of(tenant, replay, now)).collect())
}

/// One replay.
///
/// # Errors
/// [`OperationError::NoReplay`], or when the store does not answer.
pub async fn show(ports: &impl Ports, tenant: &TenantId, id: &ReplayId) -> Result<ReplayStatus, OperationError> {
    let replay = request::load(&ports.replays(), tenant, id).await?;
    Ok(ReplayStatus::of(tenant, replay, ports.clock().now()))
}

/// A version of the configuration, as functions go by it.
async fn configured(ports: &impl Ports, tenant: &TenantId, version: u64) -> Result<Tenant, OperationError> {
    let raw: RawTenant = configuration::version(ports, tenant, version).await?.raw;
    Tenant::of_stored(&raw).map_err(|issues| OperationError::UnreadableConfiguration {
        tenant: tenant.clone(),
        version,
        issues,
    })
}

fn select<'t>(
    tenant: &TenantId,
    query: &Query,
    configured: &'t Tenant,
    now: Timestamp,
) -> Result<Selection<'t>, OperationError> {
    Selection::new(query, configured, now)
        .map_err(|source| OperationError::Query { tenant: tenant.clone(), source: Box::new(source) })
}

/// The queues of the sinks that are sent to.
struct SinkQueues {
    of: BTreeMap<SinkKind, QueueArn>,
    kinds: BTreeMap<SinkId, SinkKind>,
}

impl SinkQueues {
    /// One of them: its address says in which account and region the platform is.
    fn any(&self) -> Result<&QueueArn, OperationError> {
        self.of.values().next().ok_or(OperationError::Ended)
    }
}

async fn queues(
    ports: &impl Ports,
    tenant: &TenantId,
    selection: &Selection<'_>,
) -> Result<SinkQueues, OperationError> {
    let found = queues_of(ports, tenant).await?;
    let mut queues = SinkQueues { of: BTreeMap::new(), kinds: BTreeMap::new() };
    for sink in selection.sinks().map(Arc::as_ref) {
        let (kind, role) = (sink.kind(), QueueRole::Sink(sink.kind()));
        let known = found.iter().find(|(name, _)| name.role == role && !name.dlq);
        let Some((_, queue)) = known else {
            let name = acequia_core::queue::QueueName::new(ports.stage(), tenant, role);
            return Err(OperationError::NoQueue { name });
        };
        queues.of.insert(kind, queue.clone());
        queues.kinds.insert(sink.id.clone(), kind);
    }
    Ok(queues)
}
