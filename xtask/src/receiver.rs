//! The receiver's control interface (tools/receiver/README.md).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// What has come to one endpoint.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct EndpointStats {
    /// All requests.
    pub(crate) requests: u64,
    /// The requests with a bad signature.
    pub(crate) bad_signatures: u64,
    /// Different ids that were answered with 2xx.
    pub(crate) accepted: u64,
    /// Requests for an id that had been answered with 2xx before.
    pub(crate) duplicates: u64,
}

#[derive(Debug, Deserialize)]
struct Stats {
    endpoints: BTreeMap<String, EndpointStats>,
}

#[derive(Debug, Deserialize)]
struct Recorded {
    body: String,
}

/// A running receiver.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    address: String,
}

impl Receiver {
    /// The receiver at `http://127.0.0.1:<port>`.
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// The URL that a tenant's configuration gets for an endpoint.
    pub(crate) fn url(&self, endpoint: &str) -> String {
        format!("{}/{endpoint}", self.address)
    }

    /// The issuer of tokens that it has, and where that one's keys are.
    pub(crate) fn issuer(address: &str) -> [String; 2] {
        [format!("{address}/_receiver/issuer"), format!("{address}/_receiver/issuer/keys")]
    }

    /// A token of its issuer with these claims.
    pub(crate) fn token(&self, claims: &Json) -> Result<String> {
        let url = self.url("_receiver/issuer/token");
        let answer: Json =
            agent().post(&url).send_json(claims).context("cannot get a token")?.body_mut().read_json()?;
        answer.get("token").and_then(Json::as_str).map(str::to_owned).context("the receiver gave no token")
    }

    /// Makes an endpoint that answers 200 and keeps what comes where it is to `record`; answers the secret that it
    /// trusts.
    pub(crate) fn define(&self, endpoint: &str, record: bool) -> Result<String> {
        let url = self.url(&format!("_receiver/endpoints/{endpoint}"));
        let answer: Json = agent()
            .put(&url)
            .send_json(json!({"record": record}))
            .context("cannot make an endpoint")?
            .body_mut()
            .read_json()?;
        answer.pointer("/secrets/0").and_then(Json::as_str).map(str::to_owned).context("the receiver gave no secret")
    }

    /// Lets an endpoint answer differently from now on.
    pub(crate) fn switch(&self, endpoint: &str, mode: &str) -> Result<()> {
        let url = self.url(&format!("_receiver/endpoints/{endpoint}/mode"));
        agent().put(&url).send(mode).map(drop).with_context(|| format!("cannot switch {endpoint} to {mode}"))
    }

    /// The bodies of all requests to an endpoint that records them.
    pub(crate) fn bodies(&self, endpoint: &str) -> Result<Vec<String>> {
        let requests: Vec<Recorded> = get(&self.url(&format!("_receiver/requests?endpoint={endpoint}")))?;
        Ok(requests.into_iter().map(|request| request.body).collect())
    }

    /// What has come to each endpoint.
    pub(crate) fn stats(&self) -> Result<BTreeMap<String, EndpointStats>> {
        let stats: Stats = get(&self.url("_receiver/stats"))?;
        Ok(stats.endpoints)
    }
}

/// A client for loopback: without the proxy that the environment may name.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().into()
}

/// Reads JSON from a server on loopback.
pub(crate) fn get<T: serde::de::DeserializeOwned>(url: &str) -> Result<T> {
    let mut answer = agent().get(url).call().with_context(|| format!("cannot read {url}"))?;
    answer.body_mut().with_config().limit(256 * 1024 * 1024).read_json().with_context(|| format!("cannot read {url}"))
}
