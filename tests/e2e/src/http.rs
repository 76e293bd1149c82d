//! HTTP to servers on loopback.

use serde_json::Value as Json;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// Sends a request; answers the status and the body.
pub fn send(request: Request<Vec<u8>>) -> (u16, String) {
    let (status, body) = send_for_bytes(request);
    (status, String::from_utf8(body).unwrap())
}

/// Sends a request; answers the status and the body, which need not be text.
pub fn send_for_bytes(request: Request<Vec<u8>>) -> (u16, Vec<u8>) {
    let agent: Agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let mut response = agent.run(request).unwrap();
    let body = response.body_mut().with_config().limit(256 * 1024 * 1024).read_to_vec().unwrap();
    (response.status().as_u16(), body)
}

/// What a server answers, JSON as a rule.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where it is no JSON.
    pub body: Json,
}

/// Sends a request; answers all of the answer.
pub fn call(request: Request<Vec<u8>>) -> Answer {
    let agent: Agent = Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let mut response = agent.run(request).unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: serde_json::from_str(&body).unwrap_or(Json::Null) }
}

/// Reads JSON.
pub fn get(url: &str) -> Json {
    let (status, body) = send(Request::get(url).body(Vec::new()).unwrap());
    assert_eq!(status, 200, "{url}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Puts a body; reads JSON.
pub fn put(url: &str, body: impl Into<Vec<u8>>) -> Json {
    let (status, body) = send(Request::put(url).body(body.into()).unwrap());
    assert_eq!(status, 200, "{url}: {body}");
    serde_json::from_str(&body).unwrap()
}
