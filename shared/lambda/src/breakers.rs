//! The circuit breakers of the endpoints that this instance calls: asked before a batch, told after it.
//!
//! The state is one row per sink, read once per batch and written only when something changes
//! ([`acequia_core::delivery::breaker`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acequia_core::delivery::breaker::{self, Breaker, EndpointState, Gate, Observed, Seen, WHILE_PROBED, Window};
use acequia_core::id::{self, SinkId, TenantId};
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, Hold};
use acequia_core::port::{Alerts, Chance, Clock, EndpointStore};

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

/// What a batch may do with the endpoint of one sink.
struct Pass {
    endpoint: String,
    breaker: Option<Breaker>,
    known: Option<EndpointState>,
    /// Why deliveries are not attempted now.
    bar: Option<Cause>,
    /// Whether the first of them is attempted all the same.
    probes: bool,
    begun: bool,
}

/// What a batch may do with each sink, and under which name; and what came of it.
pub(crate) struct Passes {
    by: String,
    sinks: BTreeMap<SinkId, Pass>,
    turns: AtomicU64,
    unwritten: AtomicU64,
}

impl Passes {
    /// Why this delivery is not attempted now; asked once for each of a batch, in order.
    pub(crate) fn bar(&mut self, sink: &SinkId) -> Option<Cause> {
        let pass = self.sinks.get_mut(sink)?;
        let first = !std::mem::replace(&mut pass.begun, true);
        if pass.probes && first { None } else { pass.bar.clone() }
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

impl<E: EndpointStore, A: Alerts> Breakers<E, A> {
    /// Breakers that have seen nothing yet: `endpoints` is what all instances know, `alerts` the way to the operators.
    pub fn new(endpoints: E, alerts: A, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self { endpoints, alerts: EndpointAlerts::new(alerts), clock, chance, windows: Mutex::default() }
    }

    /// Asks what may be done with each endpoint of a batch. One read per sink, and a write where a probe is due.
    pub(crate) async fn ask(&self, tenant: &TenantId, sinks: &BTreeMap<&SinkId, Endpoint<'_>>) -> Passes {
        let mut passes = Passes {
            by: self.chance.token(),
            sinks: BTreeMap::new(),
            turns: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
        };
        for (sink, endpoint) in sinks {
            let pass = self.ask_one(tenant, sink, *endpoint, &passes).await;
            passes.sinks.insert((*sink).clone(), pass);
        }
        passes
    }

    async fn ask_one(&self, tenant: &TenantId, sink: &SinkId, endpoint: Endpoint<'_>, passes: &Passes) -> Pass {
        let mut pass = Pass {
            endpoint: id::digest(endpoint.address.as_bytes()),
            breaker: endpoint.breaker.cloned(),
            known: None,
            bar: None,
            probes: false,
            begun: false,
        };
        match self.endpoints.state(tenant, sink).await {
            Ok(known) => pass.known = known,
            Err(error) => {
                tracing::warn!(tenant.id = %tenant, error = ?error, "the state of endpoints cannot be read");
                pass.bar = Some(Cause::StoreDown(Store::Ledger));
                return pass;
            }
        }
        let (known, breaker) = (pass.known.as_ref(), pass.breaker.as_ref());
        match breaker::gate(known, &pass.endpoint, breaker, &passes.by, self.clock.now()) {
            Gate::Go => {}
            Gate::Disabled(by) => pass.bar = Some(Cause::SinkDisabled(by)),
            Gate::Hold(wait) => pass.bar = Some(self.held(wait)),
            Gate::Probe(state) => {
                pass.bar = Some(self.held(WHILE_PROBED));
                match self.endpoints.change(tenant, sink, &state).await {
                    Ok(true) => {
                        tracing::info!(tenant.id = %tenant, sink.id = %sink, "an endpoint whose circuit is open is probed");
                        self.forget(tenant, sink, &pass.endpoint);
                        pass.known = Some(state);
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

    /// The waits are spread, so that what is held back does not come back all at once.
    fn held(&self, wait: Duration) -> Cause {
        Cause::Held { by: Hold::CircuitOpen, remaining: wait.mul_f64(1.0 + 0.2 * self.chance.unit()) }
    }

    fn forget(&self, tenant: &TenantId, sink: &SinkId, endpoint: &str) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.remove(&(tenant.clone(), sink.clone(), endpoint.to_owned()));
    }

    /// Says what a batch saw of each endpoint.
    pub(crate) async fn tell(&self, tenant: &TenantId, seen: &BTreeMap<&SinkId, Seen>, passes: &Passes) {
        for (sink, seen) in seen {
            if let Some(pass) = passes.sinks.get(*sink)
                && *seen != Seen::default()
            {
                self.tell_one(tenant, sink, (pass, *seen), passes).await;
            }
        }
        for (sink, pass) in &passes.sinks {
            // What was pending of another URL is of no use any more.
            if let Some(known) = pass.known.as_ref().filter(|known| known.endpoint == pass.endpoint) {
                let row = self.row(tenant, sink, passes);
                self.alerts.retry_pending(&row, known, self.clock.now()).await;
            }
        }
    }

    fn row<'a>(&'a self, tenant: &'a TenantId, sink: &'a SinkId, passes: &'a Passes) -> EndpointRow<'a, E> {
        EndpointRow { endpoints: &self.endpoints, tenant, sink, passes }
    }

    async fn tell_one(&self, tenant: &TenantId, sink: &SinkId, (pass, seen): (&Pass, Seen), passes: &Passes) {
        let window = self.remember(tenant, sink, pass, seen);
        let row = self.row(tenant, sink, passes);
        let written = row.change(pass.known.clone(), |known| {
            let now = self.clock.now();
            let (breaker, by) = (pass.breaker.as_ref(), &passes.by);
            let observed = breaker::observe(known, &pass.endpoint, breaker, (seen, &window), by, now)?;
            Some((observed.state.clone(), observed))
        });
        if let Some(observed) = written.await {
            self.changed(&row, pass, &observed).await;
        }
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
