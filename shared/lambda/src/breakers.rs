//! The circuit breakers of the endpoints that this instance calls: asked before a batch, told after it, and in the
//! middle of it where it saw enough.
//!
//! The state is one row per sink, read once per batch and written only when something changes
//! ([`acequia_core::delivery::breaker`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acequia_core::delivery::breaker::{self, Breaker, EndpointState, Gate, Observed, Seen, WHILE_PROBED, Window};
use acequia_core::delivery::ledger::Receipt;
use acequia_core::id::{self, SinkId, TenantId};
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, DisabledBy, Hold};
use acequia_core::port::{Alerts, Chance, Clock, EndpointStore, KnownEndpoint};
use jiff::Timestamp;

use crate::Endpoint;
use crate::alerts::{EndpointAlerts, EndpointRow};

/// The most windows that are kept; one more and all are forgotten.
const MOST_WINDOWS: usize = 1000;

/// The breakers of one function instance.
pub struct Breakers<E, A> {
    endpoints: E,
    alerts: EndpointAlerts<A>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    windows: Mutex<HashMap<(TenantId, SinkId, String), Window>>,
}

/// What is known of the endpoints of some sinks; nothing of one whose row cannot be read, and of none where the store does
/// not answer.
pub(crate) type Known = Option<HashMap<SinkId, Option<EndpointState>>>;

/// What a batch may do with the endpoint of one sink.
#[derive(Clone)]
struct Pass {
    endpoint: String,
    breaker: Option<Breaker>,
    known: Option<EndpointState>,
    /// Why deliveries are not attempted now.
    bar: Option<Cause>,
    /// Whether the first of them is attempted all the same.
    probes: bool,
    begun: bool,
    /// What this instance saw before this batch.
    window: Window,
    /// What this batch saw: in all, and since the circuit was told.
    seen: Seen,
    untold: Seen,
    /// Why the rest of this batch is not attempted.
    tripped: Option<Cause>,
    /// What held deliveries of this batch back because there were too many.
    held_back: Option<Hold>,
}

/// What a batch may do with each sink, and under which name; and what came of it.
pub(crate) struct Passes {
    by: String,
    sinks: Mutex<BTreeMap<SinkId, Pass>>,
    /// How much longer than its time what a batch holds back waits, so that not all comes back at once.
    spread: f64,
    turns: AtomicU64,
    unwritten: AtomicU64,
}

impl Passes {
    /// Why this delivery is not attempted now; asked once for each of a batch, in order.
    pub(crate) fn bar(&self, sink: &SinkId) -> Option<Cause> {
        let mut sinks = self.sinks();
        let pass = sinks.get_mut(sink)?;
        let first = !std::mem::replace(&mut pass.begun, true);
        if pass.probes && first { None } else { pass.bar.clone() }
    }

    /// Why no more of this batch is attempted, by what it saw itself.
    pub(crate) fn stops(&self, sink: &SinkId) -> Option<Cause> {
        self.sinks().get(sink)?.tripped.clone()
    }

    /// Learns what came of one attempt; answers whether that was the one too many.
    pub(crate) fn saw(&self, sink: &SinkId, result: &Result<Receipt, Cause>, now: Timestamp) -> bool {
        let mut sinks = self.sinks();
        let Some(pass) = sinks.get_mut(sink) else { return false };
        if let Err(Cause::Held { by: by @ (Hold::Slow | Hold::Concurrency), .. }) = result {
            pass.held_back = Some(*by);
        }
        pass.seen.add(result);
        pass.untold.add(result);
        if pass.tripped.is_none() {
            pass.tripped = pass.trips(self.spread, now);
            return pass.tripped.is_some();
        }
        false
    }

    fn sinks(&self) -> MutexGuard<'_, BTreeMap<SinkId, Pass>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many circuits opened or closed.
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// How often the state of an endpoint could not be written.
    pub(crate) fn unwritten(&self) -> u64 {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// Notes that the state of an endpoint could not be written.
    pub(crate) fn note_unwritten(&self) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pass {
    /// Why the rest of the batch is held back, where what it saw says enough.
    fn trips(&self, spread: f64, now: Timestamp) -> Option<Cause> {
        if self.seen.gone {
            return Some(Cause::SinkDisabled(DisabledBy::Gone));
        }
        let breaker = self.breaker.as_ref().filter(|_| self.seen.failures > 0)?;
        let mut window = self.window.clone();
        window.add(self.seen, breaker.within, now);
        window.is_bad(breaker).then(|| held(breaker.cool_down, spread))
    }
}

/// A row that cannot be read holds its own endpoint up, and no other of the tenant's.
fn readable(tenant: &TenantId, (sink, row): KnownEndpoint) -> (SinkId, Option<EndpointState>) {
    let state = row.map_err(|error| {
        tracing::error!(tenant.id = %tenant, sink.id = %sink, error = ?error, "the state of an endpoint cannot be read");
    });
    (sink, state.ok())
}

/// The waits are spread, so that what is held back does not come back all at once.
fn held(wait: Duration, spread: f64) -> Cause {
    Cause::Held { by: Hold::CircuitOpen, remaining: wait.mul_f64(1.0 + 0.2 * spread) }
}

impl<E: EndpointStore, A: Alerts> Breakers<E, A> {
    /// Breakers that have seen nothing yet: `endpoints` is what all instances know, `alerts` the way to the operators.
    pub fn new(endpoints: E, alerts: A, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self { endpoints, alerts: EndpointAlerts::new(alerts), clock, chance, windows: Mutex::default() }
    }

    /// Looks at what is known of the endpoints of these sinks, in one read.
    pub(crate) async fn look(&self, tenant: &TenantId, sinks: &[&SinkId]) -> Known {
        let found = match sinks {
            [] => Ok(HashMap::new()),
            [sink] => {
                let state = self.endpoints.state(tenant, sink).await;
                state.map(|state| state.map(|state| ((*sink).clone(), Some(state))).into_iter().collect())
            }
            _ => self
                .endpoints
                .states(tenant)
                .await
                .map(|rows| rows.into_iter().map(|row| readable(tenant, row)).collect()),
        };
        let down = |error| {
            tracing::warn!(tenant.id = %tenant, error = ?error, "the state of endpoints cannot be read");
        };
        found.map_err(down).ok()
    }

    /// Asks what may be done with each endpoint of a batch, by what is known of them. A write where a probe is due.
    pub(crate) async fn ask(
        &self,
        tenant: &TenantId,
        sinks: &BTreeMap<&SinkId, Endpoint<'_>>,
        mut known: Known,
    ) -> Passes {
        let passes = Passes {
            by: self.chance.token(),
            sinks: Mutex::default(),
            spread: self.chance.unit(),
            turns: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
        };
        for (sink, endpoint) in sinks {
            let down = || Cause::StoreDown(Store::Ledger);
            let known = known.as_mut().ok_or_else(down).and_then(|known| match known.remove(*sink) {
                Some(None) => Err(down()),
                known => Ok(known.flatten()),
            });
            let pass = self.ask_one(tenant, sink, (*endpoint, known), &passes).await;
            passes.sinks().insert((*sink).clone(), pass);
        }
        passes
    }

    async fn ask_one(
        &self,
        tenant: &TenantId,
        sink: &SinkId,
        (endpoint, known): (Endpoint<'_>, Result<Option<EndpointState>, Cause>),
        passes: &Passes,
    ) -> Pass {
        let digest = id::digest(endpoint.address.as_bytes());
        let mut pass = Pass {
            window: self.window(tenant, sink, &digest),
            endpoint: digest,
            breaker: endpoint.breaker.cloned(),
            known: None,
            bar: None,
            probes: false,
            begun: false,
            seen: Seen::default(),
            untold: Seen::default(),
            tripped: None,
            held_back: None,
        };
        match known {
            Ok(known) => pass.known = known,
            Err(cause) => {
                pass.bar = Some(cause);
                return pass;
            }
        }
        let (known, breaker) = (pass.known.as_ref(), pass.breaker.as_ref());
        match breaker::gate(known, &pass.endpoint, breaker, &passes.by, self.clock.now()) {
            Gate::Go => {}
            Gate::Disabled(by) => pass.bar = Some(Cause::SinkDisabled(by)),
            Gate::Hold(wait) => pass.bar = Some(held(wait, passes.spread)),
            Gate::Probe(state) => {
                pass.bar = Some(held(WHILE_PROBED, passes.spread));
                match self.endpoints.change(tenant, sink, &state).await {
                    Ok(true) => {
                        tracing::info!(tenant.id = %tenant, sink.id = %sink, "an endpoint whose circuit is open is probed");
                        self.forget(tenant, sink, &pass.endpoint);
                        pass.window.clear();
                        pass.known = Some(*state);
                        pass.probes = true;
                    }
                    // Another instance probes.
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(tenant.id = %tenant, sink.id = %sink, error = ?error, "an endpoint cannot be probed");
                        passes.note_unwritten();
                    }
                }
            }
        }
        pass
    }

    fn window(&self, tenant: &TenantId, sink: &SinkId, endpoint: &str) -> Window {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.get(&(tenant.clone(), sink.clone(), endpoint.to_owned())).cloned().unwrap_or_default()
    }

    fn forget(&self, tenant: &TenantId, sink: &SinkId, endpoint: &str) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.remove(&(tenant.clone(), sink.clone(), endpoint.to_owned()));
    }

    /// Tells the circuits what a batch saw since they were told last.
    pub(crate) async fn tell(&self, tenant: &TenantId, passes: &Passes) {
        let untold: Vec<(SinkId, Pass)> = passes.sinks().iter_mut().filter_map(untold).collect();
        for (sink, pass) in untold {
            if let Some(written) = self.tell_one(tenant, &sink, &pass, passes).await
                && let Some(pass) = passes.sinks().get_mut(&sink)
            {
                pass.known = Some(written);
            }
        }
    }

    /// Notes what held deliveries back, for those who ask where they are.
    pub(crate) async fn note_held_back(&self, tenant: &TenantId, passes: &Passes) {
        let held: Vec<(SinkId, Pass, Hold)> = {
            let sinks = passes.sinks();
            sinks.iter().filter_map(|(sink, pass)| Some((sink.clone(), pass.clone(), pass.held_back?))).collect()
        };
        for (sink, pass, by) in held {
            let now = self.clock.now();
            let noted =
                |known: Option<&EndpointState>| Some((breaker::note_held_back(known, &pass.endpoint, by, now)?, ()));
            self.row(tenant, &sink, passes).change(pass.known.clone(), noted).await;
        }
    }

    /// Sends the alerts that an earlier batch could not.
    pub(crate) async fn retry_alerts(&self, tenant: &TenantId, passes: &Passes) {
        let now = self.clock.now();
        let known: Vec<(SinkId, EndpointState)> = {
            let sinks = passes.sinks();
            // What was pending of another URL is of no use any more.
            let about = |pass: &Pass| pass.known.clone().filter(|known| known.endpoint == pass.endpoint);
            sinks.iter().filter_map(|(sink, pass)| Some((sink.clone(), about(pass)?))).collect()
        };
        for (sink, known) in known {
            self.alerts.retry_pending(&self.row(tenant, &sink, passes), &known, now).await;
        }
    }

    fn row<'a>(&'a self, tenant: &'a TenantId, sink: &'a SinkId, passes: &'a Passes) -> EndpointRow<'a, E> {
        EndpointRow { endpoints: &self.endpoints, tenant, sink, passes }
    }

    /// Answers what the row says, where it was changed.
    async fn tell_one(&self, tenant: &TenantId, sink: &SinkId, pass: &Pass, passes: &Passes) -> Option<EndpointState> {
        let seen = pass.untold;
        let window = self.remember(tenant, sink, pass, seen);
        let row = self.row(tenant, sink, passes);
        let written = row.change(pass.known.clone(), |known| {
            let now = self.clock.now();
            let (breaker, by) = (pass.breaker.as_ref(), &passes.by);
            let observed = breaker::observe(known, &pass.endpoint, breaker, (seen, &window), by, now)?;
            Some((observed.state.clone(), observed))
        });
        let observed = written.await?;
        self.changed(&row, pass, &observed).await;
        Some(observed.state)
    }

    fn remember(&self, tenant: &TenantId, sink: &SinkId, pass: &Pass, seen: Seen) -> Window {
        let Some(breaker) = &pass.breaker else { return Window::default() };
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MOST_WINDOWS {
            windows.clear();
        }
        let window = windows.entry((tenant.clone(), sink.clone(), pass.endpoint.clone())).or_default();
        window.add(seen, breaker.within, self.clock.now());
        window.clone()
    }

    async fn changed(&self, row: &EndpointRow<'_, E>, pass: &Pass, observed: &Observed) {
        let (tenant, sink) = (row.tenant, row.sink);
        if observed.turns {
            row.passes.turns.fetch_add(1, Ordering::Relaxed);
            self.forget(tenant, sink, &pass.endpoint);
            let opens = matches!(observed.state.circuit, breaker::Circuit::Open { .. });
            tracing::warn!(tenant.id = %tenant, sink.id = %sink, circuit.is_open = opens, "a circuit turned");
        }
        if let Some(disabled) = &observed.state.disabled {
            tracing::warn!(tenant.id = %tenant, sink.id = %sink, why = %disabled.by, "an endpoint is disabled");
        }
        if let Some(pending) = observed.pending_alert {
            self.alerts.send(row, &observed.state, pending).await;
        }
    }
}

/// What a circuit is to be told, and is told by this.
fn untold((sink, pass): (&SinkId, &mut Pass)) -> Option<(SinkId, Pass)> {
    let now = pass.clone();
    let untold = std::mem::take(&mut pass.untold);
    (untold != Seen::default()).then(|| (sink.clone(), now))
}
