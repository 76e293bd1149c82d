//! AWS as far as the functions call it: which service a request is for, and what it answers.

mod dynamodb;
mod events;
mod s3;
mod ses;
mod sqs;
mod ssm;

use std::sync::PoisonError;
use std::time::Duration;

use hyper::http::request::Parts;
use serde_json::{Value as Json, json};

use crate::count::Tally;
use crate::fixture::World;
use crate::latency::Latencies;

pub(crate) use dynamodb::value_size;

/// An answer, and what the request counts for.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
    /// The operation and its tally, where the request was one that AWS would have taken.
    pub(crate) counted: Option<(String, Tally)>,
    /// How long the service takes.
    pub(crate) latency: Duration,
    /// What was wrong with the request.
    pub(crate) problem: Option<String>,
}

/// What one service makes of a request: the name under which it counts, the tally, how long it takes, and the answer.
pub(crate) struct Taken {
    operation: String,
    tally: Tally,
    latency: Duration,
    answer: Json,
}

/// What changes answers ([`crate::Stub::twist`]).
pub(crate) type Twist = dyn FnMut(&str, &Json, &mut Json) -> u16 + Send;

/// Why a service refuses a request.
type Refusal = String;

const JSON: &str = "application/json";

/// Answers a request.
pub(crate) fn answer(
    world: &World,
    latencies: &Latencies,
    twist: Option<&mut Twist>,
    head: &Parts,
    body: &[u8],
) -> Answer {
    let path = head.uri.path();
    let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    if target.is_none() && path.starts_with(crate::fixture::ENDPOINT_PATH) {
        let tally = Tally { calls: 1, items: 1, units: 1, bytes: crate::count::count(body.len()) };
        let counted = Some((format!("webhook:{}", head.method), tally));
        return Answer {
            status: 204,
            content_type: JSON,
            body: String::new(),
            counted,
            latency: latencies.webhook,
            problem: None,
        };
    }
    if let Some(key) = path.strip_prefix(&format!("/{}/", crate::fixture::ARCHIVE)) {
        return s3::answer(latencies, head, key, body);
    }
    let Ok(request) = serde_json::from_slice::<Json>(body) else {
        return refuse(JSON, &format!("{} {path}: the body is not JSON", head.method));
    };
    let (content_type, taken) = match target.map(|target| target.split_once('.').unwrap_or((target, ""))) {
        Some(("DynamoDB_20120810", operation)) if world.store.is_some() => {
            return kept(world, latencies, operation, &request, body.len());
        }
        Some(("DynamoDB_20120810", operation)) => {
            ("application/x-amz-json-1.0", dynamodb::take(world, latencies, operation, &request))
        }
        Some(("AmazonSQS", operation)) => ("application/x-amz-json-1.0", sqs::take(latencies, operation, &request)),
        Some(("AWSEvents", operation)) => ("application/x-amz-json-1.1", events::take(latencies, operation, &request)),
        Some(("AmazonSSM", operation)) => ("application/x-amz-json-1.1", ssm::take(latencies, operation, &request)),
        None if path.starts_with("/v2/email/") => (JSON, ses::take(latencies, head.method.as_str(), path, &request)),
        _ => (JSON, Err(format!("{} {path} {}: an unknown service", head.method, target.unwrap_or_default()))),
    };
    match taken {
        Ok(Taken { operation, mut tally, latency, mut answer }) => {
            tally.calls = 1;
            tally.bytes = crate::count::count(body.len());
            let status = twist.map_or(200, |twist| twist(&operation, &request, &mut answer));
            let counted = Some((operation, tally));
            Answer { status, content_type, body: answer.to_string(), counted, latency, problem: None }
        }
        Err(refusal) => refuse(content_type, &refusal),
    }
}

/// The answer of a table that keeps what is written.
fn kept(world: &World, latencies: &Latencies, operation: &str, request: &Json, bytes: usize) -> Answer {
    const CONTENT: &str = "application/x-amz-json-1.0";
    let Some(store) = &world.store else { return refuse(CONTENT, "nothing is kept") };
    match store.lock().unwrap_or_else(PoisonError::into_inner).take(operation, request) {
        Ok(done) => {
            let table = done.table.trim_start_matches("bench-");
            let tally = Tally { calls: 1, bytes: crate::count::count(bytes), ..done.tally };
            let counted = Some((format!("dynamodb:{operation}({table})"), tally));
            let (status, body, latency) = (done.status, done.answer.to_string(), latencies.dynamodb_batch);
            Answer { status, content_type: CONTENT, body, counted, latency, problem: None }
        }
        Err(refusal) => refuse(CONTENT, &refusal),
    }
}

/// The answer to what AWS would not take. It is no error that the SDK repeats.
fn refuse(content_type: &'static str, refusal: &str) -> Answer {
    let body = json!({"__type": "com.amazonaws.stub#ValidationException", "message": refusal}).to_string();
    let problem = Some(refusal.to_owned());
    Answer { status: 400, content_type, body, counted: None, latency: Duration::ZERO, problem }
}

/// The entries of a batch, of which a service takes from 1 to `most`.
fn entries<'a>(request: &'a Json, pointer: &str, most: usize) -> Result<&'a [Json], Refusal> {
    let found = request.pointer(pointer).and_then(Json::as_array).map(Vec::as_slice);
    match found {
        Some(entries) if (1..=most).contains(&entries.len()) => Ok(entries),
        Some(entries) => Err(format!("{pointer} has {} entries; 1 to {most} are allowed", entries.len())),
        None => Err(format!("{pointer} is missing")),
    }
}

/// A text of a request.
fn text<'a>(request: &'a Json, name: &str) -> Result<&'a str, Refusal> {
    request.get(name).and_then(Json::as_str).ok_or_else(|| format!("{name} is missing"))
}
