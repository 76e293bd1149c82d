//! The front door's reader of bodies: the real door over the in-memory ports.
//!
//! Of the bytes the first says how the body is meant: three bits the content type, the next two how it is packed.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::access::{Credential, Limits, Principal, Refused, Scope};
use acequia_core::event::envelope::Envelope;
use acequia_core::id::TenantId;
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::time::after;
use acequia_lambda::http::{Body, HttpRequest, HttpResponse};
use acequia_lambda::{CachedTenants, CurrentTenant, Deadline, Reporting, Telemetry};
use acequia_testkit::{
    FixedClock, InMemoryIntake, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryRates, InMemoryReplays,
    InMemoryStageQueues, InMemoryTenants, SeededChance, build,
};
use ingest::{Door, DoorPorts, Guard, Parts};
use serde_json::Value as Json;

/// What is taken at the most (docs/API.md).
const MAX_EVENTS: usize = 1_000;
const MAX_UNPACKED: usize = 10 * 1024 * 1024;
const KINDS: [&str; 8] = [
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-ndjson",
    "application/json",
    "application/json;binary",
    "text/csv",
    "application/cloudevents+json; charset=utf-8",
    "",
];
const PACKED: [&str; 4] = ["", "gzip", "zstd", "br"];
const DOCUMENT: &str =
    r#"{"tenant":"acme","name":"Acme","sinks":[{"id":"out","kind":"forward","types":["*"],"queue":"out"}]}"#;

struct InMemory;

impl DoorPorts for InMemory {
    type Tenants = InMemoryTenants;
    type Guard = Anybody;
    type Queues = InMemoryQueues;
    type QueueAddresses = InMemoryStageQueues;
    type Intake = InMemoryIntake;
    type Rates = InMemoryRates;
    type Ledger = InMemoryLedger;
    type Replays = InMemoryReplays;
}

/// Lets everybody in: who may is the target `token`'s.
struct Anybody;

impl Guard for Anybody {
    async fn admit(
        &self,
        _: &HttpRequest,
        tenant: &TenantId,
        _: Option<&CurrentTenant>,
    ) -> Result<Arc<Principal>, Refused> {
        Ok(Arc::new(Principal {
            tenant: tenant.clone(),
            scopes: [Scope::EventsWrite].into_iter().collect(),
            limits: Limits::default(),
            credential: Credential::Token { issuer: "https://id.example".to_owned(), subject: None },
        }))
    }

    fn presented(&self, _: &HttpRequest) -> Result<(), Refused> {
        Ok(())
    }

    fn shown(&self, _: &HttpRequest) -> Option<String> {
        None
    }
}

/// Hands bytes in as the body of a request.
///
/// # Panics
/// Where a promise of the reader is broken.
pub fn door(bytes: &[u8]) -> bool {
    let (Some((form, body)), Some(tenant), Some(stage)) = (bytes.split_first(), crate::tenant(), crate::stage()) else {
        return false;
    };
    let clock = FixedClock::at(build::start());
    let queues = InMemoryQueues::new(clock.clone());
    let addresses = InMemoryStageQueues::new(queues.clone());
    let name = QueueName::new(&stage, &tenant, QueueRole::Intake);
    addresses.make(&name);
    let configurations = InMemoryTenants::new().with(&tenant, DOCUMENT);
    let door = Door::<InMemory>::new(Parts {
        tenants: CachedTenants::new(configurations, Arc::new(clock.clone())),
        guard: Anybody,
        queues: queues.clone(),
        addresses,
        intake: InMemoryIntake::new(),
        rates: InMemoryRates::new(),
        ledger: InMemoryLedger::new(),
        replays: InMemoryReplays::new(),
        clock: Arc::new(clock.clone()),
        chance: Arc::new(SeededChance::new(1)),
        stage,
        telemetry: Telemetry::new(Reporting::default(), InMemoryLines::new()),
    });
    let deadline = Deadline::at(after(clock.now(), Duration::from_secs(29)));
    let request = request(*form, body);
    let Some(answer) = crate::finish(door.answer(&request, deadline)) else { return false };
    let taken: Vec<String> =
        queues.names().iter().flat_map(|queue| queues.messages(queue)).map(|message| message.body).collect();
    check(&tenant, &request, body, &answer, &taken);
    !taken.is_empty()
}

fn request(form: u8, body: &[u8]) -> HttpRequest {
    let kind = KINDS.get(usize::from(form & 7)).copied().unwrap_or_default();
    let packed = PACKED.get(usize::from(form >> 3 & 3)).copied().unwrap_or_default();
    let mut headers = vec![("content-type", kind)];
    if !packed.is_empty() {
        headers.push(("content-encoding", packed));
    }
    if kind.ends_with(";binary") {
        headers.extend([("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/a"), ("ce-type", "t")]);
    }
    HttpRequest {
        method: "POST".to_owned(),
        path: "/v1/tenants/acme/events".to_owned(),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: Body::Bytes(body.to_vec()),
        ..HttpRequest::default()
    }
}

fn check(tenant: &TenantId, request: &HttpRequest, body: &[u8], answer: &HttpResponse, taken: &[String]) {
    let status = answer.status_code;
    let told: Json = serde_json::from_str(&answer.body).unwrap_or_default();
    let number = |name: &str| told.get(name).and_then(Json::as_u64).and_then(|count| usize::try_from(count).ok());
    let Some(results) = told.get("results").and_then(Json::as_array) else {
        assert!([400, 413, 415].contains(&status), "{status}: {}", answer.body);
        assert!(told.get("detail").is_some_and(Json::is_string), "an error without a word of what to do");
        assert!(taken.is_empty(), "{} events of a request that was refused", taken.len());
        return;
    };
    let of = |wanted: &str| {
        let is = |result: &&Json| result.get("status").and_then(Json::as_str) == Some(wanted);
        results.iter().filter(is).count()
    };
    assert!(results.len() <= MAX_EVENTS, "{} results", results.len());
    assert_eq!(of("accepted") + of("refused"), results.len(), "nothing here throttles, and nothing is remembered");
    assert_eq!((number("accepted"), number("refused")), (Some(of("accepted")), Some(of("refused"))));
    assert_eq!(taken.len(), of("accepted"), "SQS has what was accepted, and nothing else");
    let wanted = match (of("accepted"), of("refused")) {
        (_, 0) => 202,
        (0, _) => 422,
        _ => 207,
    };
    assert_eq!(status, wanted, "{}", answer.body);
    assert!(taken.iter().map(String::len).sum::<usize>() <= MAX_UNPACKED + 1024, "more than a body may become");
    let is_plain = request.header("content-encoding").is_none() && request.header("ce-id").is_none();
    for text in taken {
        assert!(Envelope::parse_text(tenant, build::start(), text).is_ok(), "the router could not read it: {text}");
        let is_in = || body.windows(text.len().max(1)).any(|window| window == text.as_bytes());
        assert!(!is_plain || is_in(), "the text of an event was changed: {text}");
    }
}
