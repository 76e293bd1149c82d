//! The circuit breakers of the endpoints that this instance calls: asked before a batch, told after it.
//!
//! The state is one row per sink, read once per batch and written only when something changes ([`acequia_core::delivery::breaker`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acequia_core::delivery::breaker::{
    self, Alert, Breaker, EndpointState, Gate, OPENED, Observed, PendingAlert, Seen, WHILE_PROBED, Window,
};
use acequia_core::id::{self, SinkId, TenantId};
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, Hold};
use acequia_core::port::{Alerts, Chance, Clock, EndpointStore};
use acequia_core::tenant::{Target, WebhookSink as Endpoint};
use acequia_lambda::{Attempted, Job};

/// How often a change is tried that lost to another one.
const TRIES: usize = 3;

/// The most windows that are kept; one more and all are forgotten.
const MOST_WINDOWS: usize = 1000;

/// The endpoint of a job; `None` for a job of another kind.
pub(crate) fn endpoint(job: &Job) -> Option<&Endpoint> {
    match &job.sink.target {
        Target::Webhook(endpoint) => Some(endpoint),
        Target::Email(_) | Target::Forward(_) => None,
    }
}

/// The breakers of one function instance.
pub struct Breakers<E, O> {
    /// What all instances know of endpoints.
    pub endpoints: E,
    /// Who is told of endpoints that fail for long.
    pub alerts: O,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance: it names invocations and spreads waits.
    pub chance: Arc<dyn Chance>,
    windows: Mutex<HashMap<(TenantId, SinkId, String), Window>>,
    turns: AtomicU64,
    unwritten: AtomicU64,
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

/// What a batch may do with each sink, and under which name.
pub struct Passes {
    by: String,
    sinks: BTreeMap<SinkId, Pass>,
}

impl Passes {
    /// Why this job is not attempted now; asked once for each job, in order.
    pub fn bar(&mut self, sink: &SinkId) -> Option<Cause> {
        let pass = self.sinks.get_mut(sink)?;
        let first = !std::mem::replace(&mut pass.begun, true);
        if pass.probes && first { None } else { pass.bar.clone() }
    }
}

impl<E: EndpointStore, O: Alerts> Breakers<E, O> {
    /// Breakers that have seen nothing yet.
    pub fn new(endpoints: E, alerts: O, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self {
            endpoints,
            alerts,
            clock,
            chance,
            windows: Mutex::default(),
            turns: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
        }
    }

    /// How many circuits opened or closed since the last call.
    pub(crate) fn take_turns(&self) -> u64 {
        self.turns.swap(0, Ordering::Relaxed)
    }

    /// How often what the breakers know could not be written since the last call.
    pub(crate) fn take_unwritten(&self) -> u64 {
        self.unwritten.swap(0, Ordering::Relaxed)
    }

    /// Notes that what the breakers know could not be written.
    pub(crate) fn note_unwritten(&self) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks what may be done with each endpoint of a batch. One read per sink, and a write where a probe is due.
    pub async fn ask(&self, tenant: &TenantId, jobs: &[Job]) -> Passes {
        let mut passes = Passes { by: self.chance.token(), sinks: BTreeMap::new() };
        let sinks: BTreeMap<&SinkId, &Endpoint> =
            jobs.iter().filter_map(|job| Some((&job.sink.id, endpoint(job)?))).collect();
        for (sink, endpoint) in sinks {
            let pass = self.ask_one(tenant, sink, endpoint, &passes.by).await;
            passes.sinks.insert(sink.clone(), pass);
        }
        passes
    }

    async fn ask_one(&self, tenant: &TenantId, sink: &SinkId, endpoint: &Endpoint, by: &str) -> Pass {
        let mut pass = Pass {
            endpoint: id::digest(endpoint.url.as_str().as_bytes()),
            breaker: endpoint.breaker.clone(),
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
        let gate = breaker::gate(pass.known.as_ref(), &pass.endpoint, pass.breaker.as_ref(), by, self.clock.now());
        match gate {
            Gate::Go => {}
            Gate::Disabled(why) => pass.bar = Some(Cause::SinkDisabled(why)),
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
                        self.note_unwritten();
                    }
                }
            }
        }
        pass
    }

    /// The waits are spread, so that those who are held back do not come back all at once.
    fn held(&self, wait: Duration) -> Cause {
        Cause::Held { by: Hold::CircuitOpen, remaining: wait.mul_f64(1.0 + 0.2 * self.chance.unit()) }
    }

    fn forget(&self, tenant: &TenantId, sink: &SinkId, endpoint: &str) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.remove(&(tenant.clone(), sink.clone(), endpoint.to_owned()));
    }

    /// Says what came of a batch.
    pub async fn tell(&self, tenant: &TenantId, jobs: &[Job], attempts: &[Attempted], passes: &Passes) {
        let mut seen: BTreeMap<&SinkId, Seen> = BTreeMap::new();
        for (job, attempted) in jobs.iter().zip(attempts) {
            count(seen.entry(&job.sink.id).or_default(), attempted);
        }
        for (sink, seen) in seen {
            if let Some(pass) = passes.sinks.get(sink)
                && seen != Seen::default()
            {
                self.tell_one(tenant, sink, pass, seen, &passes.by).await;
            }
        }
        for (sink, pass) in &passes.sinks {
            // What was pending of another URL is of no use any more.
            if let Some(known) = pass.known.as_ref().filter(|known| known.endpoint == pass.endpoint) {
                self.retry_pending(tenant, sink, known).await;
            }
        }
    }

    async fn tell_one(&self, tenant: &TenantId, sink: &SinkId, pass: &Pass, seen: Seen, by: &str) {
        let window = self.remember(tenant, sink, pass, seen);
        let written = self.write(tenant, sink, pass.known.clone(), |known| {
            let now = self.clock.now();
            let observed = breaker::observe(known, &pass.endpoint, pass.breaker.as_ref(), (seen, &window), by, now)?;
            Some((observed.state.clone(), observed))
        });
        if let Some(observed) = written.await {
            self.changed(tenant, sink, pass, &observed).await;
        }
    }

    /// Writes what follows from what is known, or else from what another instance wrote meanwhile; answers what came with it, once it
    /// is written.
    async fn write<T>(
        &self,
        tenant: &TenantId,
        sink: &SinkId,
        mut known: Option<EndpointState>,
        follows: impl Fn(Option<&EndpointState>) -> Option<(EndpointState, T)>,
    ) -> Option<T> {
        for _ in 0..TRIES {
            let (state, with) = follows(known.as_ref())?;
            let changed = match self.endpoints.change(tenant, sink, &state).await {
                Ok(true) => return Some(with),
                Ok(false) => self.endpoints.state(tenant, sink).await,
                Err(error) => Err(error),
            };
            match changed {
                Ok(now) => known = now,
                // The next batch sees the same, and tries again.
                Err(error) => {
                    self.not_written(tenant, sink, &error);
                    return None;
                }
            }
        }
        None
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

    async fn changed(&self, tenant: &TenantId, sink: &SinkId, pass: &Pass, observed: &Observed) {
        if observed.turns {
            self.turns.fetch_add(1, Ordering::Relaxed);
            self.forget(tenant, sink, &pass.endpoint);
            let opens = matches!(observed.state.circuit, breaker::Circuit::Open { .. });
            tracing::warn!(tenant.id = %tenant, sink.id = %sink, circuit.is_open = opens, "a circuit turned");
        }
        if let Some(disabled) = &observed.state.disabled {
            tracing::warn!(tenant.id = %tenant, sink.id = %sink, why = disabled.why, "an endpoint is disabled");
        }
        if let Some(pending_alert) = observed.pending_alert {
            self.inform(tenant, sink, &observed.state, pending_alert).await;
        }
    }

    /// Tells what an earlier batch could not, if something is pending for longer than telling takes.
    async fn retry_pending(&self, tenant: &TenantId, sink: &SinkId, known: &EndpointState) {
        let Some(taken) = breaker::take_alert(known, self.clock.now()) else { return };
        match self.endpoints.change(tenant, sink, &taken).await {
            Ok(true) => {
                if let Some(pending_alert) = taken.pending_alert {
                    self.inform(tenant, sink, &taken, pending_alert).await;
                }
            }
            // Another instance tells it, or this batch changed the row: the next one sees what is still pending.
            Ok(false) => {}
            Err(error) => self.not_written(tenant, sink, &error),
        }
    }

    /// Tells the operators what is pending, and writes that they know it.
    async fn inform(&self, tenant: &TenantId, sink: &SinkId, known: &EndpointState, pending_alert: PendingAlert) {
        let (subject, text) = words(tenant, sink, pending_alert.alert);
        if let Err(error) = self.alerts.send(tenant, &subject, &text).await {
            tracing::error!(tenant.id = %tenant, sink.id = %sink, alert = ?pending_alert.alert, error = ?error,
                "the operators could not be told of an endpoint that fails: a later batch for it tries again");
            return;
        }
        self.write(tenant, sink, Some(known.clone()), |known| Some((breaker::mark_sent(known?, pending_alert)?, ())))
            .await;
    }

    fn not_written(&self, tenant: &TenantId, sink: &SinkId, error: &acequia_core::port::Unavailable) {
        tracing::error!(tenant.id = %tenant, sink.id = %sink, error = ?error, "the state of an endpoint could not be written");
        self.note_unwritten();
    }
}

/// Adds what one attempt says of its endpoint. An answer that refuses this payload for good is an answer all the same: the endpoint lives.
fn count(seen: &mut Seen, attempted: &Attempted) {
    match &attempted.result {
        Err(Cause::Status { code: 410, .. }) => seen.gone = true,
        Ok(_) | Err(Cause::Permanent { .. }) => seen.successes += 1,
        Err(cause @ Cause::Status { .. }) if !cause.comes_back() => seen.successes += 1,
        Err(Cause::Status { .. } | Cause::Timeout(_) | Cause::Connection(_)) => seen.failures += 1,
        Err(_) => {}
    }
}

/// The subject, of at most 100 characters, and the text of an alert.
fn words(tenant: &TenantId, sink: &SinkId, alert: Alert) -> (String, String) {
    let why = match alert {
        Alert::Fails { since, .. } => format!("has failed since {since} without a success"),
        Alert::Gone => "answered 410 Gone: that it will not come back".to_owned(),
    };
    let (state, after) = match alert {
        Alert::Fails { percent: OPENED, .. } => (
            "fails: its circuit is open".to_owned(),
            format!(
                "Its deliveries wait, and one at a time tries whether it is well again. acequia status {tenant} shows how it stands, acequia explain what it answered."
            ),
        ),
        Alert::Fails { percent: percent @ 0..100, .. } => (
            format!("fails: {percent} % of the way to being disabled"),
            format!("Its deliveries wait and are tried again. acequia status {tenant} shows how it stands."),
        ),
        Alert::Fails { .. } | Alert::Gone => (
            "is disabled".to_owned(),
            format!(
                "Deliveries to it now go to the dead-letter queue. When it is mended: acequia tenant resume {tenant} {sink}, then acequia dlq redrive {tenant}"
            ),
        ),
    };
    let subject = format!("Acequia: {sink} of {tenant} {state}");
    let text = format!("The endpoint of the sink {sink} of tenant {tenant} {why}, and {state}. {after}");
    (subject.chars().take(100).collect(), text)
}
