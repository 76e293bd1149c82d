//! A door over the in-memory ports, and who knocks at it.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::access::{Credential, Limits, Principal, Refused, Scope};
use acequia_core::id::TenantId;
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::time::after;
use acequia_lambda::http::{HttpRequest, HttpResponse};
use acequia_lambda::{CachedTenants, CurrentTenant, Deadline, Reporting, Telemetry};
use acequia_testkit::{
    FixedClock, InMemoryIntake, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryRates, InMemoryReplays,
    InMemoryStageQueues, InMemoryTenants, SeededChance, build,
};
use ingest::{Door, DoorPorts, Guard, Parts};
use serde_json::{Value as Json, json};

pub(crate) struct InMemory;

impl DoorPorts for InMemory {
    type Tenants = InMemoryTenants;
    type Guard = Tokens;
    type Queues = InMemoryQueues;
    type QueueAddresses = InMemoryStageQueues;
    type Intake = InMemoryIntake;
    type Rates = InMemoryRates;
    type Ledger = InMemoryLedger;
    type Replays = InMemoryReplays;
}

/// Tokens that say in plain words who asks: `TENANT SCOPE TYPE`.
pub(crate) struct Tokens;

impl Guard for Tokens {
    async fn admit(
        &self,
        request: &HttpRequest,
        tenant: &TenantId,
        _: Option<&CurrentTenant>,
    ) -> Result<Arc<Principal>, Refused> {
        let token = request.header("authorization").ok_or(Refused::NoCredential)?;
        let [of, scope, types] = token.split(' ').collect::<Vec<_>>()[..] else { return Err(Refused::MalformedHeader) };
        if of != tenant.as_str() {
            return Err(Refused::OtherTenant);
        }
        Ok(Arc::new(Principal {
            tenant: tenant.clone(),
            scopes: scope.split(',').map(|scope| scope.parse::<Scope>().unwrap()).collect(),
            limits: Limits::read([types], None).unwrap(),
            credential: Credential::Token { issuer: "https://id.example".to_owned(), subject: None },
        }))
    }

    fn presented(&self, request: &HttpRequest) -> Result<(), Refused> {
        request.header("authorization").map(drop).ok_or(Refused::NoCredential)
    }

    fn shown(&self, _: &HttpRequest) -> Option<String> {
        None
    }
}

pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) tenants: InMemoryTenants,
    pub(crate) queues: InMemoryQueues,
    pub(crate) stage_queues: InMemoryStageQueues,
    pub(crate) intake: InMemoryIntake,
    pub(crate) rates: InMemoryRates,
    pub(crate) replays: InMemoryReplays,
    pub(crate) lines: InMemoryLines,
    pub(crate) door: Door<InMemory>,
    pub(crate) token: &'static str,
}

pub(crate) fn document(intake: &str) -> String {
    format!(
        r#"{{"tenant":"acme","name":"Acme","intake":{{{intake}}},"sinks":[{{"id":"out","kind":"forward","types":["*"],"queue":"out"}}]}}"#
    )
}

pub(crate) fn world(intake: &str) -> World {
    let clock = FixedClock::default();
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document(intake));
    let queues = InMemoryQueues::new(clock.clone());
    let stage_queues = InMemoryStageQueues::new(queues.clone());
    stage_queues.make(&QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake));
    let (store, rates, lines) = (InMemoryIntake::new(), InMemoryRates::new(), InMemoryLines::new());
    let replays = InMemoryReplays::new();
    let door = Door::new(Parts {
        tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
        guard: Tokens,
        queues: queues.clone(),
        addresses: stage_queues.clone(),
        intake: store.clone(),
        rates: rates.clone(),
        ledger: InMemoryLedger::new(),
        replays: replays.clone(),
        clock: Arc::new(clock.clone()),
        chance: Arc::new(SeededChance::new(1)),
        stage: build::stage(),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    });
    World {
        clock,
        tenants,
        queues,
        stage_queues,
        intake: store,
        rates,
        replays,
        lines,
        door,
        token: "acme events:write *",
    }
}

pub(crate) fn event(id: &str) -> String {
    format!(r#"{{"specversion":"1.0", "id":"{id}","source":"/forms","type":"action.signed","data":{{"n":1.10}}}}"#)
}

pub(crate) fn lines(texts: &[&str]) -> String {
    texts.join("\n")
}

impl World {
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (HttpResponse, Json) {
        let mut headers: serde_json::Map<String, Json> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        headers.entry("Authorization").or_insert_with(|| json!(self.token));
        let event = json!({"rawPath": path, "headers": headers, "body": body, "isBase64Encoded": false,
            "requestContext": {"stage": "$default", "requestId": "r-1", "http": {"method": method}}});
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_secs(29)));
        let response = self.door.answer(&HttpRequest::read(event).unwrap(), deadline).await;
        let body = serde_json::from_str(&response.body).unwrap_or(Json::Null);
        (response, body)
    }

    /// Sends lines, under a key if there is one.
    pub(crate) async fn send(&self, key: Option<&str>, body: &str) -> (HttpResponse, Json) {
        let mut headers = vec![("content-type", "application/x-ndjson")];
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        self.request("POST", "/v1/tenants/acme/events", &headers, body).await
    }

    pub(crate) fn intake_queue() -> QueueArn {
        build::queue("acme", QueueRole::Intake)
    }

    /// The bodies that are in the intake, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.queues.messages(&Self::intake_queue()).into_iter().map(|message| message.body).collect()
    }

    /// The sum of a metric over all requests.
    pub(crate) fn counted(&self, metric: &str) -> u64 {
        let lines = self.lines.written();
        let numbers = lines.iter().filter_map(|line| serde_json::from_str::<Json>(line).unwrap()[metric].as_u64());
        numbers.sum()
    }
}
