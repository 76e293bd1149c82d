//! What a request is answered that is not done: problem details (RFC 9457).

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_lambda::http::HttpResponse;
use serde::Serialize;

/// Where the kinds of problems are explained.
const EXPLAINED: &str = "https://github.com/acequia/acequia/blob/main/docs/API.md#";

/// A request that is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    kind: &'static str,
    status: u16,
    title: &'static str,
    detail: String,
    headers: BTreeMap<&'static str, String>,
}

/// Problem details, as RFC 9457 has them.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Problem"))]
pub(crate) struct Details<'a> {
    /// The kind of problem, as an address that explains it.
    r#type: String,
    /// The kind, in words.
    title: &'a str,
    /// The status of the answer.
    status: u16,
    /// What is wrong with this request, and what to do.
    detail: &'a str,
}

impl Problem {
    fn new(status: u16, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, status, title, detail: detail.into(), headers: BTreeMap::new() }
    }

    /// There is nothing at this path.
    pub fn not_found() -> Self {
        Self::new(
            404,
            "not-found",
            "There is nothing at this path",
            "Events are posted to /v1/tenants/{tenant}/events, and replays to /v1/tenants/{tenant}/replays.",
        )
    }

    /// Something else is done at this path.
    pub fn method(allowed: &str) -> Self {
        let detail = format!("This path takes {allowed}.");
        Self::new(405, "method-not-allowed", "The method is not for this path", detail).with("allow", allowed)
    }

    /// Who asks is not known. It never says why: that stands in the audit log.
    pub fn unauthorized() -> Self {
        let detail = "Send a token or a key that is valid for this tenant: Authorization: Bearer ...";
        Self::new(401, "unauthorized", "The credentials are missing or not valid", detail)
            .with("www-authenticate", "Bearer realm=\"acequia\"")
    }

    /// Who asks may not do this.
    pub fn forbidden() -> Self {
        let detail = "The credentials are valid, and do not allow this: ask for the scope, or use the tenant's own.";
        Self::new(403, "forbidden", "The credentials do not allow this", detail)
    }

    /// There is no such tenant.
    pub fn tenant_unknown() -> Self {
        let detail = "The tenant has no configuration here: its operator applies one with acequia tenant apply.";
        Self::new(404, "tenant-unknown", "There is no such tenant", detail)
    }

    /// A name of an event that is none.
    pub fn event_name() -> Self {
        let detail =
            "An event is named source|id, with what a path cannot hold escaped: /v1/tenants/acme/events/%2Fforms%7C17.";
        Self::new(404, "event-name", "This is no name of an event", detail)
    }

    /// An event of which nothing is recorded.
    pub fn nothing_recorded() -> Self {
        let detail = "Nothing is recorded of this event: it never came, is still in the intake queue, has expired, or the tenant records failures alone.";
        Self::new(404, "nothing-recorded", "Nothing is recorded of this event", detail)
    }

    /// A replay that is not there.
    pub fn replay_unknown() -> Self {
        let detail = "The tenant has no replay of this id: GET /v1/tenants/{tenant}/replays lists those that it has.";
        Self::new(404, "replay-unknown", "There is no such replay", detail)
    }

    /// A body that is no replay.
    pub fn replay_body(detail: impl Into<String>) -> Self {
        Self::new(400, "replay-body", "The body is no replay", detail)
    }

    /// A body of a replay in another content type.
    pub fn json_wanted() -> Self {
        let detail = "Send the replay as JSON, with the content type application/json and without a content encoding.";
        Self::new(415, "media-type", "The content type is not JSON", detail).with("accept", "application/json")
    }

    /// A replay that cannot be asked for.
    pub fn replay_query(detail: impl Into<String>) -> Self {
        Self::new(422, "replay-query", "The replay cannot be asked for", detail)
    }

    /// Another replay, or this one, is in the way.
    pub fn replay_state(detail: impl Into<String>) -> Self {
        Self::new(409, "replay-state", "The replay stands otherwise", detail)
    }

    /// A body of a kind that is not read.
    pub fn media_type(found: Option<&str>) -> Self {
        let found =
            found.map_or("none".to_owned(), |found| format!("{:?}", found.chars().take(100).collect::<String>()));
        let detail = format!(
            "The content type is {found}. Send application/cloudevents+json (one event), \
             application/cloudevents-batch+json (a list of events) or application/x-ndjson (an event a line); or any \
             content type with ce- headers (one event in binary mode)."
        );
        Self::new(415, "media-type", "The content type is none of events", detail)
            .with("accept", "application/cloudevents+json, application/cloudevents-batch+json, application/x-ndjson")
    }

    /// A body that is packed in a way that is not read, or was destroyed on the way here.
    pub fn encoding(detail: &'static str) -> Self {
        Self::new(415, "content-encoding", "The content encoding cannot be read", detail)
            .with("accept-encoding", "gzip, zstd")
    }

    /// A body that is no list of events as a whole.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(400, "malformed-body", "The body cannot be read", detail)
    }

    /// More than is read.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(413, "content-too-large", "The request is too large", detail)
    }

    /// A key of idempotency that is none.
    pub fn idempotency_key() -> Self {
        let detail =
            "Idempotency-Key is 1 to 255 visible ASCII characters, with or without quotation marks: a UUID, say.";
        Self::new(400, "idempotency-key", "The Idempotency-Key is none", detail)
    }

    /// The same key came with another request.
    pub fn key_reused() -> Self {
        let detail =
            "This Idempotency-Key came with another body within the last 24 hours. Use a new key for a new request.";
        Self::new(422, "idempotency-key-reused", "The Idempotency-Key was used for another request", detail)
    }

    /// The request with this key is under way.
    pub fn key_running(left: Duration) -> Self {
        let detail = "A request with this Idempotency-Key is under way. Send it again a little later.";
        Self::new(409, "idempotency-key-in-use", "The first request is still under way", detail).retry_after(left)
    }

    /// The tenant's rate is used up.
    pub fn rate_limited(wait: Duration) -> Self {
        let detail =
            "The tenant's rate of events is used up, and nothing of this request was taken. Send it again later.";
        Self::new(429, "rate-limited", "Too many events", detail).retry_after(wait)
    }

    /// Something of ours does not answer.
    pub fn unavailable() -> Self {
        let detail =
            "Nothing of this request is known to be taken. Send it again, with the same Idempotency-Key if it has one.";
        Self::new(503, "unavailable", "The service does not answer just now", detail)
            .retry_after(Duration::from_secs(2))
    }

    /// What a kind of problem is called.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The kind's address.
    pub(crate) fn address(kind: &str) -> String {
        format!("{EXPLAINED}{kind}")
    }

    fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(header, value.into());
        self
    }

    fn retry_after(self, wait: Duration) -> Self {
        self.with("retry-after", seconds(wait).to_string())
    }

    /// The answer.
    pub fn response(&self) -> HttpResponse {
        let details =
            Details { r#type: Self::address(self.kind), title: self.title, status: self.status, detail: &self.detail };
        let mut headers = self.headers.clone();
        headers.insert("content-type", "application/problem+json".to_owned());
        headers.insert("cache-control", "no-store".to_owned());
        // A struct of texts and a number always has a JSON form.
        let body = serde_json::to_string(&details).unwrap_or_default();
        HttpResponse { status_code: self.status, headers, body }
    }
}

/// Whole seconds, at least one: what Retry-After says.
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}
