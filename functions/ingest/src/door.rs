//! One request, from what came over HTTP to the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::access::{Principal, Refused, Scope};
use acequia_core::delivery::rate::Rate;
use acequia_core::event::envelope::Envelope;
use acequia_core::event::trace::TraceContext;
use acequia_core::id::{Stage, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{
    Chance, Clock, IntakeStore, Ledger, QueueAddresses, Queues, RateStore, ReplayStore, TenantStore,
};
use acequia_lambda::http::{HttpRequest, HttpResponse};
use acequia_lambda::{CachedTenants, CurrentTenant, Deadline, IntakeMetrics, Telemetry, Timing};

use crate::answer::{EventResult, Results};
use crate::guard::Guard;
use crate::limiter::{Permits, Permitted};
use crate::problem::{Problem, seconds};
use crate::read::{Text, texts};
use crate::route::{Route, route};
use crate::send::{Intakes, send};
use crate::sort::{Reader, Sorted};
use crate::unpack::unpack;
use crate::{events, once, openapi, replays};

/// The ports of the door.
pub trait DoorPorts: Send + Sync {
    /// The tenants' configurations.
    type Tenants: TenantStore;
    /// Who may.
    type Guard: Guard;
    /// SQS.
    type Queues: Queues;
    /// Where tenants' intakes are.
    type QueueAddresses: QueueAddresses;
    /// The memory of what was taken.
    type Intake: IntakeStore;
    /// The rates of tenants.
    type Rates: RateStore;
    /// What became of events.
    type Ledger: Ledger;
    /// The tenants' replays.
    type Replays: ReplayStore;
}

/// What the door is made of.
pub struct Parts<P: DoorPorts> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<P::Tenants>,
    /// Who may.
    pub guard: P::Guard,
    /// SQS.
    pub queues: P::Queues,
    /// Where tenants' intakes are.
    pub addresses: P::QueueAddresses,
    /// The memory of what was taken.
    pub intake: P::Intake,
    /// The rates of tenants.
    pub rates: P::Rates,
    /// What became of events.
    pub ledger: P::Ledger,
    /// The tenants' replays.
    pub replays: P::Replays,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// The stage it belongs to.
    pub stage: Stage,
    /// Where it tells of its work.
    pub telemetry: Telemetry,
}

/// The front door.
pub struct Door<P: DoorPorts> {
    tenants: CachedTenants<P::Tenants>,
    guard: P::Guard,
    queues: P::Queues,
    intakes: Intakes<P::QueueAddresses>,
    store: P::Intake,
    permits: Permits<P::Rates>,
    ledger: P::Ledger,
    replays: P::Replays,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    stage: Stage,
    telemetry: Telemetry,
}

/// Who asks for what, once that is known.
struct Asked<'a> {
    tenant: &'a TenantId,
    current: &'a CurrentTenant,
    principal: &'a Principal,
    trace: Option<&'a TraceContext>,
    timing: Timing<'a>,
}

impl<P: DoorPorts> Door<P> {
    /// A door of these parts.
    pub fn new(parts: Parts<P>) -> Self {
        let intakes = Intakes::new(parts.addresses, parts.stage.clone(), Arc::clone(&parts.clock));
        Self {
            tenants: parts.tenants,
            guard: parts.guard,
            queues: parts.queues,
            intakes,
            store: parts.intake,
            permits: Permits::new(parts.rates),
            ledger: parts.ledger,
            replays: parts.replays,
            clock: parts.clock,
            chance: parts.chance,
            stage: parts.stage,
            telemetry: parts.telemetry,
        }
    }

    /// Answers one request.
    pub async fn answer(&self, request: &HttpRequest, deadline: Deadline) -> HttpResponse {
        let response = match route(&request.method, &request.path) {
            Ok(Route::Health) => health(),
            Ok(Route::OpenApi) => openapi::response(),
            Ok(Route::Events(tenant)) => self.take_in(request, &tenant, deadline).await,
            Ok(Route::Event(tenant, name)) => self.explain(request, &tenant, &name, deadline).await,
            Ok(Route::Replays(tenant)) if request.method == "POST" => {
                self.replay(request, &tenant, replays::Asked::Begin, deadline).await
            }
            Ok(Route::Replays(tenant)) => self.replay(request, &tenant, replays::Asked::List, deadline).await,
            Ok(Route::Replay(tenant, id)) => self.replay(request, &tenant, replays::Asked::Show(id), deadline).await,
            Ok(Route::StopReplay(tenant, id)) => {
                self.replay(request, &tenant, replays::Asked::Stop(id), deadline).await
            }
            Ok(Route::ResumeReplay(tenant, id)) => {
                self.replay(request, &tenant, replays::Asked::Resume(id), deadline).await
            }
            Err(problem) => problem.response(),
        };
        if request.method == "HEAD" { HttpResponse { body: String::new(), ..response } } else { response }
    }

    /// Tells what became of an event.
    async fn explain(&self, request: &HttpRequest, tenant: &TenantId, name: &str, deadline: Deadline) -> HttpResponse {
        let timing = Timing { clock: &*self.clock, deadline };
        let told = async {
            let (_, current) = self.admit(request, tenant, Scope::EventsRead).await?;
            events::explain(&self.ledger, tenant, &current.tenant, name, timing).await
        };
        told.await.unwrap_or_else(|problem| problem.response())
    }

    /// Does what is asked of replays.
    async fn replay(
        &self,
        request: &HttpRequest,
        tenant: &TenantId,
        asked: replays::Asked,
        deadline: Deadline,
    ) -> HttpResponse {
        let timing = Timing { clock: &*self.clock, deadline };
        let told = async {
            let (principal, current) = self.admit(request, tenant, Scope::Replay).await?;
            let by = principal.credential.to_string();
            let chance = &*self.chance;
            let of = replays::Of { tenant, current: &current, by: &by, request, chance, timing };
            replays::answer(&self.replays, &of, asked).await
        };
        told.await.unwrap_or_else(|problem| {
            if problem.kind() == "unavailable" {
                let store = Some(Store::Tenants);
                self.telemetry.write_stall(&self.stage, ("ingest", Some(tenant)), &*self.clock, store);
            }
            problem.response()
        })
    }

    /// Takes events of a tenant in, and tells what became of it.
    async fn take_in(&self, request: &HttpRequest, tenant: &TenantId, deadline: Deadline) -> HttpResponse {
        let begun = self.clock.now();
        let timing = Timing { clock: &*self.clock, deadline };
        let mut metrics = IntakeMetrics { requests: 1, ..IntakeMetrics::default() };
        let mut limits = BTreeMap::new();
        let answered = match self.events(request, tenant, timing, &mut limits).await {
            Ok((results, replayed)) => {
                count(&mut metrics, &results, replayed);
                let mut response = results.response();
                if replayed {
                    response.headers.insert("idempotency-replayed", "true".to_owned());
                }
                response
            }
            Err(problem) => problem.response(),
        };
        metrics.note(answered.status_code);
        metrics.took = Duration::try_from(self.clock.now().duration_since(begun)).unwrap_or_default();
        self.telemetry.write_intake(&self.stage, tenant, begun, &metrics);
        let HttpResponse { status_code, mut headers, body } = answered;
        headers.extend(limits);
        HttpResponse { status_code, headers, body }
    }

    /// Takes events in; answers what became of each, and whether that is the answer to an earlier request.
    async fn events(
        &self,
        request: &HttpRequest,
        tenant: &TenantId,
        timing: Timing<'_>,
        limits: &mut BTreeMap<&'static str, String>,
    ) -> Result<(Results, bool), Problem> {
        let (principal, current) = self.admit(request, tenant, Scope::EventsWrite).await?;
        let trace = request.trace.as_ref();
        let asked = Asked { tenant, current: &current, principal: &principal, trace, timing };
        let key = once::key(request)?;
        let body = unpack(&request.body, request.header("content-encoding"))?;
        let texts = texts(request, &body)?;
        if let Some(rate) = current.tenant.intake.rate {
            self.limit(&asked, rate, texts.len(), limits).await?;
        }
        let Some(key) = key else { return Ok((self.take_all(&asked, &texts, None).await?, false)) };
        let by = (&*principal.credential.to_string(), key);
        match once::begin(&self.store, tenant, by, request, texts.len(), &*self.chance, timing).await? {
            once::Request::Replayed(results) => Ok((results, true)),
            once::Request::Begun(mut begun) => {
                let before = begun.before.take();
                let taken = self.take_all(&asked, &texts, before).await;
                let results = match &taken {
                    Ok(results) => results.clone(),
                    Err(_) => Results::new(vec![EventResult::NotTaken; texts.len()]),
                };
                once::end(&self.store, tenant, begun, &results, timing).await;
                Ok((taken?, false))
            }
        }
    }

    /// Finds out who asks, and whether they may.
    async fn admit(
        &self,
        request: &HttpRequest,
        tenant: &TenantId,
        scope: Scope,
    ) -> Result<(Arc<Principal>, Arc<CurrentTenant>), Problem> {
        self.guard.presented(request).map_err(|refused| self.refuse(request, tenant, refused, None))?;
        // A tenant that is not there has no issuer of its own, and no keys; the platform's issuers may know it.
        let current = match self.tenants.current(tenant).await {
            Ok(current) => Some(current),
            Err(Cause::TenantUnknown) => None,
            Err(cause) => {
                tracing::error!(tenant.id = %tenant, error = %cause, "a request could not be looked at");
                self.telemetry.write_stall(&self.stage, ("ingest", Some(tenant)), &*self.clock, cause.stalled_by(None));
                return Err(Problem::unavailable());
            }
        };
        let admitted = self.guard.admit(request, tenant, current.as_deref()).await;
        let allowed = admitted.map_err(|refused| (refused, None)).and_then(|principal| match principal.may(scope) {
            Ok(()) => Ok(principal),
            Err(refused) => Err((refused, Some(principal.credential.to_string()))),
        });
        let principal = allowed.map_err(|(refused, by)| self.refuse(request, tenant, refused, by.as_deref()))?;
        // Only who may is told that there is no such tenant.
        current.map(|current| (principal, current)).ok_or_else(Problem::tenant_unknown)
    }

    /// Writes the line of the audit log, and answers what the caller is told: never the cause.
    fn refuse(&self, request: &HttpRequest, tenant: &TenantId, refused: Refused, by: Option<&str>) -> Problem {
        let shown = by.map_or_else(|| self.guard.shown(request), |by| Some(by.to_owned()));
        tracing::warn!(
            tenant.id = %tenant, audit = "request-refused", cause = refused.code(), credential = shown, request.id = request.id,
            "a request was refused"
        );
        match refused.status() {
            403 => Problem::forbidden(),
            503 => {
                self.telemetry.write_stall(&self.stage, ("ingest", Some(tenant)), &*self.clock, Some(Store::Tenants));
                Problem::unavailable()
            }
            _ => Problem::unauthorized(),
        }
    }

    /// Lets a request of so many events pass at the tenant's rate, and says in the headers what is left of it
    /// (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>).
    async fn limit(
        &self,
        asked: &Asked<'_>,
        rate: Rate,
        events: usize,
        headers: &mut BTreeMap<&'static str, String>,
    ) -> Result<(), Problem> {
        let wanted = u32::try_from(events).unwrap_or(u32::MAX);
        let taking = self.permits.take(asked.tenant, rate, wanted, &*self.clock);
        let (left, wait) = match asked.timing.for_effects(taking).await {
            Some(Ok(Permitted::Yes(left))) => (left, None),
            Some(Ok(Permitted::After(wait))) => (0, Some(wait)),
            Some(Err(error)) => {
                tracing::warn!(tenant.id = %asked.tenant, error = ?error, "the store of rates does not answer");
                return Err(Problem::unavailable());
            }
            None => return Err(Problem::unavailable()),
        };
        let window = seconds(Duration::from_secs_f64(f64::from(rate.burst) / rate.per_second.max(1e-4)));
        headers.insert("ratelimit-policy", format!("\"events\";q={};w={window}", rate.burst));
        headers.insert("ratelimit", format!("\"events\";r={left};t={}", wait.map_or(window, seconds)));
        wait.map_or(Ok(()), |wait| Err(Problem::rate_limited(wait)))
    }

    /// Takes all events of a request in. `before` is what became of them when the request came the last time.
    async fn take_all(
        &self,
        asked: &Asked<'_>,
        texts: &[Text<'_>],
        before: Option<Results>,
    ) -> Result<Results, Problem> {
        let Some(queue) = self.intake_of(asked).await? else { return Err(Problem::tenant_unknown()) };
        let reader = Reader {
            tenant: asked.tenant,
            current: asked.current,
            principal: asked.principal,
            trace: asked.trace,
            via: &format!("http {}", asked.principal.credential),
            now: self.clock.now(),
        };
        let Sorted { events, mut results } = reader.sort(texts, before);
        let once = match asked.current.tenant.intake.dedupe {
            Some(kept) => {
                let begun =
                    once::begin_events(&self.store, asked.tenant, &events, kept, &*self.chance, asked.timing).await;
                begun.decided.iter().for_each(|(place, decided)| results.put(*place, decided.clone()));
                Some(begun)
            }
            None => None,
        };
        let is_open = |place: usize| once.as_ref().is_none_or(|once| once.sends(place));
        let (places, open): (Vec<usize>, Vec<Envelope>) =
            events.into_iter().filter(|(place, _)| is_open(*place)).unzip();
        let taken = send(&self.queues, &self.intakes, asked.tenant, &queue, &open, asked.timing).await;
        for (place, taken) in places.into_iter().zip(taken) {
            results.put(place, if taken { EventResult::Accepted } else { EventResult::NotTaken });
        }
        if let Some(once) = once {
            once.of_repeated(&mut results);
            once.end(&self.store, asked.tenant, &results, asked.timing).await;
        }
        Ok(results.all())
    }

    async fn intake_of(&self, asked: &Asked<'_>) -> Result<Option<acequia_core::queue::QueueArn>, Problem> {
        let found = asked.timing.for_effects(self.intakes.of(asked.tenant)).await;
        match found {
            Some(Ok(Some(queue))) => Ok(Some(queue)),
            Some(Ok(None)) => {
                tracing::error!(tenant.id = %asked.tenant, "the tenant has a configuration, and no intake: deploy its stack");
                Ok(None)
            }
            Some(Err(error)) => {
                tracing::warn!(tenant.id = %asked.tenant, error = ?error, "SQS does not say where the intake is");
                Err(Problem::unavailable())
            }
            None => Err(Problem::unavailable()),
        }
    }
}

fn count(metrics: &mut IntakeMetrics, results: &Results, replayed: bool) {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    // What an earlier request did is not done again.
    if replayed {
        metrics.replayed = 1;
        return;
    }
    metrics.accepted = number(results.accepted);
    metrics.duplicates = number(results.duplicate);
    metrics.refused = number(results.refused);
    metrics.not_taken = number(results.not_taken);
}

fn health() -> HttpResponse {
    let headers = [("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())].into();
    HttpResponse { status_code: 200, headers, body: r#"{"status":"ok"}"#.to_owned() }
}
