//! The endpoint of webhooks: how long it takes to answer, whether what comes is signed, and when it came.
//!
//! A path may say how long its endpoint takes: `/endpoint/500ms/crm` answers after half a second. Others answer after
//! what [`crate::Latencies`] say.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::http::request::Parts;
use standardwebhooks::Webhook;

use crate::fixture::{ENDPOINT_PATH, SECRET};
use crate::{StubError, clock};

/// A request that came to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The last part of the endpoint's path.
    pub endpoint: String,
    /// Its `webhook-id`.
    pub id: String,
    /// When it was there as a whole.
    pub at: Instant,
}

/// What came to the endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Every request, as they came.
    pub arrivals: Vec<Arrival>,
    /// The ids of those that were answered: their senders still waited when the answer was due.
    pub answered: BTreeSet<String>,
}

/// All endpoints.
pub(crate) struct Endpoints {
    signed: Webhook,
    traffic: Mutex<Traffic>,
}

/// What is to be done with a request.
pub(crate) struct Taken {
    pub(crate) id: String,
    /// How long the endpoint takes, where its path says so.
    pub(crate) latency: Option<Duration>,
    pub(crate) problem: Option<String>,
}

impl Endpoints {
    pub(crate) fn new() -> Result<Self, StubError> {
        let signed = Webhook::new(SECRET).map_err(|error| StubError::Fixture(error.to_string()))?;
        Ok(Self { signed, traffic: Mutex::default() })
    }

    /// Takes a request in; `None` where it is for no endpoint.
    pub(crate) fn take(&self, head: &Parts, body: &[u8]) -> Option<Taken> {
        let path = head.uri.path().strip_prefix(ENDPOINT_PATH)?;
        let (latency, endpoint) = match path.split_once('/') {
            Some((latency, endpoint)) => (milliseconds(latency), endpoint),
            None => (None, path),
        };
        let id = head.headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let verified = self.signed.verify(body, &head.headers);
        let problem = verified.err().map(|error| format!("{} {path}: the signature is bad: {error}", head.method));
        let arrival = Arrival { endpoint: endpoint.to_owned(), id: id.clone(), at: clock::now() };
        self.with_traffic(|traffic| traffic.arrivals.push(arrival));
        Some(Taken { id, latency, problem })
    }

    /// Notes that a request is answered now.
    pub(crate) fn answer(&self, id: String) {
        self.with_traffic(|traffic| traffic.answered.insert(id));
    }

    /// What came since this was last asked.
    pub(crate) fn take_traffic(&self) -> Traffic {
        self.with_traffic(std::mem::take)
    }

    fn with_traffic<T>(&self, then: impl FnOnce(&mut Traffic) -> T) -> T {
        then(&mut self.traffic.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.strip_suffix("ms")?.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn request(path: &str, id: &str, body: &str, signed: &str) -> Parts {
        let now = i64::try_from(clock::since_epoch().as_secs()).unwrap();
        let signature = Webhook::new(SECRET).unwrap().sign(id, now, signed.as_bytes()).unwrap();
        let request = Request::post(path)
            .header("webhook-id", id)
            .header("webhook-timestamp", now.to_string())
            .header("webhook-signature", signature);
        request.body(body.to_owned()).unwrap().into_parts().0
    }

    #[test]
    fn a_path_says_how_long_its_endpoint_takes_and_each_request_is_noted() {
        let endpoints = Endpoints::new().unwrap();
        let slow = endpoints.take(&request("/endpoint/500ms/crm", "a", "x", "x"), b"x").unwrap();
        let usual = endpoints.take(&request("/endpoint/crm", "b", "x", "x"), b"x").unwrap();
        assert_eq!((slow.latency, usual.latency), (Some(Duration::from_millis(500)), None));
        assert_eq!((slow.problem, usual.problem), (None, None));
        endpoints.answer(slow.id);
        let traffic = endpoints.take_traffic();
        let came: Vec<_> = traffic.arrivals.iter().map(|one| (one.endpoint.as_str(), one.id.as_str())).collect();
        assert_eq!(came, [("crm", "a"), ("crm", "b")]);
        assert_eq!(traffic.answered, BTreeSet::from(["a".to_owned()]));
        assert_eq!(endpoints.take_traffic(), Traffic::default());
    }

    #[test]
    fn a_bad_signature_is_a_problem() {
        let endpoints = Endpoints::new().unwrap();
        assert!(endpoints.take(&request("/endpoint/crm", "a", "x", "y"), b"x").unwrap().problem.is_some());
        assert!(endpoints.take(&request("/elsewhere", "a", "x", "x"), b"x").is_none());
    }
}
