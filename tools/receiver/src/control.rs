//! The control interface below `/_receiver`: makes endpoints, switches modes, hands out the counts.

use base64::Engine as _;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::endpoint::{Endpoint, Endpoints};
use crate::issuer;

/// What `PUT /_receiver/endpoints/<name>` takes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Definition {
    /// The secrets that may sign; without any, one is made.
    secrets: Vec<String>,
    /// How it answers.
    mode: Option<String>,
    /// Whether requests are kept whole.
    record: bool,
}

/// Answers one control request with a status and JSON.
pub(crate) fn answer(endpoints: &Endpoints, method: &Method, path: &str, query: &str, body: &[u8]) -> (u16, Json) {
    let parts: Vec<&str> = path.split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["stats"]) => (200, stats(endpoints)),
        ("GET", ["attempts"]) => of_endpoint(endpoints, query, |endpoint, _| json!(endpoint.attempts())),
        ("GET", ["requests"]) => of_endpoint(endpoints, query, |endpoint, id| json!(endpoint.requests(id))),
        ("GET", ["issuer", "keys"]) => (200, issuer::keys()),
        ("POST", ["issuer", "token"]) => token(body),
        ("PUT", ["endpoints", name]) => define(endpoints, name, body),
        ("PUT", ["endpoints", name, "mode"]) => switch(endpoints, name, body),
        ("DELETE", ["endpoints", name]) => match endpoints.lock().remove(*name) {
            Some(_) => (200, json!({"endpoint": name})),
            None => unknown(name),
        },
        _ => (404, json!({"error": format!("there is no {method} /_receiver/{path}")})),
    }
}

/// Signs the claims that the body has.
fn token(body: &[u8]) -> (u16, Json) {
    let claims = serde_json::from_slice(body).ok().filter(Json::is_object);
    match claims.as_ref().and_then(issuer::token) {
        Some(token) => (200, json!({"token": token})),
        None => (400, json!({"error": "the body must be the claims of a token, as a JSON object"})),
    }
}

fn stats(endpoints: &Endpoints) -> Json {
    let of_one = |endpoint: &Endpoint| {
        let mut stats = json!(endpoint.stats());
        if let Some(stats) = stats.as_object_mut() {
            stats.insert("mode".to_owned(), json!(endpoint.mode().to_string()));
        }
        stats
    };
    let all: serde_json::Map<String, Json> =
        endpoints.lock().iter().map(|(name, endpoint)| (name.clone(), of_one(endpoint))).collect();
    json!({"endpoints": all})
}

fn of_endpoint(endpoints: &Endpoints, query: &str, read: impl Fn(&Endpoint, Option<&str>) -> Json) -> (u16, Json) {
    let value = |wanted: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let Some(name) = value("endpoint") else { return (400, json!({"error": "say which one: ?endpoint=NAME"})) };
    match endpoints.lock().get(&name) {
        Some(endpoint) => (200, read(endpoint, value("id").as_deref())),
        None => unknown(&name),
    }
}

fn define(endpoints: &Endpoints, name: &str, body: &[u8]) -> (u16, Json) {
    let definition = if body.is_empty() { Ok(Definition::default()) } else { serde_json::from_slice(body) };
    let made = definition.map_err(anyhow::Error::from).and_then(|definition| {
        anyhow::ensure!(!name.is_empty() && !name.starts_with('_'), "{name:?} cannot be the name of an endpoint");
        let secrets = if definition.secrets.is_empty() { vec![new_secret()] } else { definition.secrets };
        let mut endpoint = Endpoint::new(secrets, definition.record)?;
        if let Some(mode) = definition.mode {
            endpoint.switch(mode.parse()?);
        }
        Ok(endpoint)
    });
    match made {
        Ok(endpoint) => {
            let answer = json!({"endpoint": name, "secrets": endpoint.secrets(), "mode": endpoint.mode().to_string()});
            endpoints.lock().insert(name.to_owned(), endpoint);
            (200, answer)
        }
        Err(error) => (400, json!({"error": error.to_string()})),
    }
}

fn switch(endpoints: &Endpoints, name: &str, body: &[u8]) -> (u16, Json) {
    let mode = match String::from_utf8_lossy(body).parse() {
        Ok(mode) => mode,
        Err(error) => return (400, json!({"error": format!("{error}")})),
    };
    match endpoints.lock().get_mut(name) {
        Some(endpoint) => {
            endpoint.switch(mode);
            (200, json!({"endpoint": name, "mode": endpoint.mode().to_string()}))
        }
        None => unknown(name),
    }
}

/// A new signing secret of 32 random bytes.
pub fn new_secret() -> String {
    let bytes: [u8; 32] = rand::random();
    format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

fn unknown(name: &str) -> (u16, Json) {
    (404, json!({"error": format!("there is no endpoint {name:?}")}))
}
