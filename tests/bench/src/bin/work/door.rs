//! Answers requests by the front door's own code alone: the real door over the in-memory ports, with a real API key.

use std::sync::Arc;
use std::time::Duration;

use acequia_access::{Settings, Verifier};
use acequia_core::access::{Credentials, KeyRing, Principal, Refused};
use acequia_core::audit::{AuditAction, AuditNote};
use acequia_core::egress::{Authorities, Egress};
use acequia_core::id::{Stage, TenantId};
use acequia_core::port::{ApiKeys as _, Clock};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::time::after;
use acequia_lambda::http::HttpRequest;
use acequia_lambda::{CachedTenants, CurrentTenant, Deadline, Reporting, SystemChance, SystemClock, Telemetry};
use acequia_testkit::{
    FixedClock, InMemoryIntake, InMemoryLedger, InMemoryQueues, InMemoryRates, InMemoryReplays, InMemoryStageQueues,
    InMemoryTenants,
};
use anyhow::{Context as _, Result, ensure};
use ingest::{Door, DoorPorts, Guard, Parts};
use serde_json::Value as Json;

struct InMemory;

impl DoorPorts for InMemory {
    type Tenants = InMemoryTenants;
    type Guard = Keys;
    type Queues = InMemoryQueues;
    type QueueAddresses = InMemoryStageQueues;
    type Intake = InMemoryIntake;
    type Rates = InMemoryRates;
    type Ledger = InMemoryLedger;
    type Replays = InMemoryReplays;
}

/// The verifier of API keys, without issuers of tokens.
struct Keys(Verifier<InMemoryTenants>);

fn credentials(request: &HttpRequest) -> Credentials<'_> {
    Credentials { authorization: request.header("authorization"), api_key: request.header("x-api-key") }
}

impl Guard for Keys {
    async fn admit(
        &self,
        request: &HttpRequest,
        tenant: &TenantId,
        _: Option<&CurrentTenant>,
    ) -> Result<Arc<Principal>, Refused> {
        self.0.verify(credentials(request), tenant, &[], SystemClock.now()).await
    }

    fn presented(&self, request: &HttpRequest) -> Result<(), Refused> {
        credentials(request).presented().map(drop)
    }

    fn shown(&self, _: &HttpRequest) -> Option<String> {
        None
    }
}

pub(crate) async fn run(document: &str, requests: &str) -> Result<()> {
    let tenant: TenantId = stub::TENANT.parse()?;
    let stage: Stage = "local".parse()?;
    let document = std::fs::read_to_string(document).context("the document cannot be read")?;
    let lines = std::fs::read_to_string(requests).context("the requests cannot be read")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tenants = InMemoryTenants::new().with(&tenant, document);
    let ring: KeyRing = serde_json::from_str(&stub::door::key_ring(stub::TENANT)?)?;
    let note = AuditNote {
        action: AuditAction::Keys,
        actor: "bench".to_owned(),
        at: clock.now(),
        summary: "a key".to_owned(),
    };
    tenants.change(&tenant, &ring, &note).await?;
    let queues = InMemoryQueues::new(FixedClock::at(clock.now()));
    let addresses = InMemoryStageQueues::new(queues.clone());
    addresses.make(&QueueName::new(&stage, &tenant, QueueRole::Intake));
    let settings =
        Settings { stage: stage.clone(), egress: Egress::Local, authorities: Authorities::Built, issuers: Vec::new() };
    let door = Door::<InMemory>::new(Parts {
        tenants: CachedTenants::new(tenants.clone(), Arc::clone(&clock)),
        guard: Keys(Verifier::new(settings, tenants)),
        queues,
        addresses,
        intake: InMemoryIntake::new(),
        rates: InMemoryRates::new(),
        ledger: InMemoryLedger::new(),
        replays: InMemoryReplays::new(),
        clock: Arc::clone(&clock),
        chance: Arc::new(SystemChance),
        stage,
        telemetry: Telemetry::to_stdout(Reporting::default()),
    });
    for line in lines.lines() {
        let event: Json = serde_json::from_str(line)?;
        let deadline = Deadline::at(after(clock.now(), Duration::from_mins(1)));
        let answer = door.answer(&HttpRequest::read(event)?, deadline).await;
        ensure!(answer.status_code == 202, "a request was answered with {}: {}", answer.status_code, answer.body);
        serde_json::to_string(&answer)?;
    }
    Ok(())
}
