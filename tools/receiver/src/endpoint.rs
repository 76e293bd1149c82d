//! What is known of each endpoint: its secrets, its mode, and what has come to it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use standardwebhooks::Webhook;

use crate::mode::Mode;

/// The most requests that are kept whole, of each endpoint.
const KEPT_REQUESTS: usize = 20_000;

/// One request as it came, kept for tests.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
    /// Whether a secret of the endpoint made the signature.
    pub verified: bool,
}

/// What has come to one endpoint.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// All requests.
    pub requests: u64,
    /// The requests with a good signature.
    pub verified: u64,
    /// The requests with a bad signature, or none.
    pub bad_signatures: u64,
    /// Different `webhook-id`s among the verified ones.
    pub distinct: u64,
    /// Different `webhook-id`s among the requests that were answered with 2xx.
    pub accepted: u64,
    /// Requests for an id that had been answered with 2xx before.
    pub duplicates: u64,
    /// When the first came, in milliseconds since 1970.
    pub first_ms: Option<u64>,
    /// When the last came, in milliseconds since 1970.
    pub last_ms: Option<u64>,
    /// How often each status was answered; 0 stands for no answer.
    pub answers: BTreeMap<u16, u64>,
}

/// One endpoint.
pub struct Endpoint {
    secrets: Vec<(String, Webhook)>,
    mode: Mode,
    record: bool,
    stats: Stats,
    chance: Option<StdRng>,
    attempts: BTreeMap<String, (u32, bool)>,
    requests: Vec<Request>,
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) wait: Duration,
    /// `None` closes the connection.
    pub(crate) status: Option<u16>,
    pub(crate) header: Option<(&'static str, String)>,
}

impl Endpoint {
    /// An endpoint that trusts these secrets (`whsec_...`).
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn new(secrets: Vec<String>, record: bool) -> anyhow::Result<Self> {
        let secrets = secrets
            .into_iter()
            .map(|secret| Ok((secret.clone(), Webhook::new(&secret)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            secrets,
            mode: Mode::default(),
            record,
            stats: Stats::default(),
            chance: None,
            attempts: BTreeMap::new(),
            requests: Vec::new(),
        })
    }

    /// Its secrets.
    pub fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// How it answers.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Answers differently from now on.
    pub fn switch(&mut self, mode: Mode) {
        self.chance = match mode {
            Mode::Flaky { seed, .. } => Some(StdRng::seed_from_u64(seed)),
            _ => None,
        };
        self.mode = mode;
    }

    /// What has come.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How often each `webhook-id` came.
    pub fn attempts(&self) -> BTreeMap<&str, u32> {
        self.attempts.iter().map(|(id, (count, _))| (id.as_str(), *count)).collect()
    }

    /// Returns the requests that were kept, only the ones of one `webhook-id` where it is given.
    pub fn requests(&self, id: Option<&str>) -> Vec<&Request> {
        let wanted = |request: &&Request| id.is_none() || request.headers.get("webhook-id").map(String::as_str) == id;
        self.requests.iter().filter(wanted).collect()
    }

    /// Takes a request in and says how to answer it.
    pub(crate) fn take(&mut self, at_ms: u64, headers: &HeaderMap, body: &[u8]) -> Answer {
        let verified = self.secrets.iter().any(|(_, webhook)| webhook.verify(body, headers).is_ok());
        let answer = self.answer();
        let status = answer.status.unwrap_or(0);
        self.stats.requests += 1;
        self.stats.first_ms.get_or_insert(at_ms);
        self.stats.last_ms = Some(at_ms);
        *self.stats.answers.entry(status).or_default() += 1;
        if verified {
            self.stats.verified += 1;
            let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
            let (count, accepted) = self.attempts.entry(id.to_owned()).or_default();
            self.stats.distinct += u64::from(*count == 0);
            self.stats.duplicates += u64::from(*accepted);
            *count += 1;
            if (200..300).contains(&status) && !*accepted {
                *accepted = true;
                self.stats.accepted += 1;
            }
        } else {
            self.stats.bad_signatures += 1;
        }
        if self.record && self.requests.len() < KEPT_REQUESTS {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect();
            let body = String::from_utf8_lossy(body).into_owned();
            self.requests.push(Request { at_ms, headers, body, verified });
        }
        answer
    }

    fn answer(&mut self) -> Answer {
        let plain = |code| Answer { wait: Duration::ZERO, status: Some(code), header: None };
        match &self.mode {
            Mode::Status { code, header } => Answer { header: header.clone(), ..plain(*code) },
            Mode::Hang => Answer { wait: Duration::from_hours(1), ..plain(200) },
            Mode::Close => Answer { status: None, ..plain(200) },
            Mode::Slow(wait) => Answer { wait: *wait, ..plain(200) },
            Mode::Flaky { share, .. } => {
                let fails = self.chance.as_mut().is_some_and(|chance| chance.random_bool(*share));
                plain(if fails { 500 } else { 200 })
            }
        }
    }
}

/// All endpoints by name, shared between the connections.
#[derive(Default)]
pub struct Endpoints(Mutex<BTreeMap<String, Endpoint>>);

impl Endpoints {
    /// Looks at them. Nothing that holds the guard can leave them half changed, so a panic elsewhere does not matter.
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Endpoint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signed(id: &str, body: &[u8]) -> HeaderMap {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let signature = Webhook::new(SECRET).unwrap().sign(id, i64::try_from(now).unwrap(), body).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", now.to_string().parse().unwrap());
        headers.insert("webhook-signature", signature.parse().unwrap());
        headers
    }

    #[test]
    fn an_id_counts_once_and_a_repetition_after_success_is_a_duplicate() {
        let mut endpoint = Endpoint::new(vec![SECRET.to_owned()], true).unwrap();
        endpoint.switch("503".parse().unwrap());
        endpoint.take(1, &signed("a", b"x"), b"x");
        endpoint.switch("200".parse().unwrap());
        endpoint.take(2, &signed("a", b"x"), b"x");
        endpoint.take(3, &signed("a", b"x"), b"x");
        endpoint.take(4, &signed("b", b"x"), b"other");
        let stats = endpoint.stats();
        assert_eq!((stats.requests, stats.verified, stats.bad_signatures), (4, 3, 1));
        assert_eq!((stats.distinct, stats.accepted, stats.duplicates), (1, 1, 1));
        assert_eq!((stats.first_ms, stats.last_ms), (Some(1), Some(4)));
        assert_eq!(endpoint.attempts(), BTreeMap::from([("a", 3)]));
        assert_eq!(endpoint.requests(Some("b")).len(), 1);
    }

    #[test]
    fn a_flaky_endpoint_fails_in_the_same_order_with_the_same_seed() {
        let run = || {
            let mut endpoint = Endpoint::new(vec![], false).unwrap();
            endpoint.switch("flaky 0.5 seed=7".parse().unwrap());
            (0..40).map(|_| endpoint.answer().status).collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
        assert!(run().contains(&Some(500)) && run().contains(&Some(200)));
    }

    #[test]
    fn a_malformed_secret_is_refused() {
        assert!(Endpoint::new(vec!["whsec_%%%".to_owned()], false).is_err());
    }
}
