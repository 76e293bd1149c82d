//! Requests and answers as an HTTP API hands them over (payload format 2.0,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
//!
//! A body whose content type the API takes for text comes as text, any other in base64; either is handed on as the
//! bytes that it stands for. Names of headers are in lower case. A header that a request has twice comes as one, its
//! values joined by commas.

use std::collections::BTreeMap;

use acequia_core::event::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpRequest {
    /// The method, in capital letters as a rule.
    pub method: String,
    /// The path, without a named stage before it.
    pub path: String,
    /// The query, without its question mark.
    pub query: String,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Body,
    /// What the API calls the request.
    pub id: String,
    /// The trace that it belongs to: what its headers say, else what Lambda says where that is sampled.
    pub trace: Option<TraceContext>,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It came as text: whatever the client sent, the API has read it as UTF-8.
    Text(String),
    /// It came byte for byte.
    Bytes(Vec<u8>),
    /// It was to come in base64, and is none.
    Broken,
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    request_context: Context,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    http: Http,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    request_id: String,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

impl HttpRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// When it is none of an HTTP API's.
    pub fn read(event: serde_json::Value) -> Result<Self, serde_json::Error> {
        let Payload { raw_path, raw_query_string, request_context, headers, body, is_base64_encoded } =
            serde_json::from_value(event)?;
        let body = body.unwrap_or_default();
        let body =
            if is_base64_encoded { STANDARD.decode(body).map_or(Body::Broken, Body::Bytes) } else { Body::Text(body) };
        // A named stage stands before the path; the default one does not.
        let stage = format!("/{}/", request_context.stage);
        let path = raw_path.strip_prefix(stage.as_str()).map(|rest| format!("/{rest}")).unwrap_or(raw_path);
        let headers: BTreeMap<String, String> =
            headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let parent = headers.get(TRACEPARENT);
        let trace = parent.and_then(|parent| TraceContext::read(parent, headers.get(TRACESTATE).map(String::as_str)));
        Ok(Self {
            method: request_context.http.method,
            path,
            query: raw_query_string,
            headers,
            body,
            id: request_context.request_id,
            trace,
        })
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Body {
    /// The bytes; none where it is broken.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            Self::Broken => None,
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpResponse {
    /// The status.
    pub status_code: u16,
    /// The headers.
    pub headers: BTreeMap<&'static str, String>,
    /// What is in it.
    pub body: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_with_its_body_in_either_form_and_under_any_stage() {
        for (body, encoded, wanted) in [
            ("do=act&x=%C3%A9", false, Body::Text("do=act&x=%C3%A9".to_owned())),
            ("ZG89YWN0", true, Body::Bytes(b"do=act".to_vec())),
            ("***", true, Body::Broken),
        ] {
            let event = serde_json::json!({"rawPath": "/live/c/acme/links.a.b", "rawQueryString": "a=b",
                "requestContext": {"stage": "live", "requestId": "r-1", "http": {"method": "POST"}},
                "headers": {"Accept-Language": "fr-CA,fr;q=0.9"}, "body": body, "isBase64Encoded": encoded});
            let request = HttpRequest::read(event).unwrap();
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/c/acme/links.a.b"));
            assert_eq!(request.header("accept-language"), Some("fr-CA,fr;q=0.9"));
            assert_eq!((request.id.as_str(), request.query.as_str(), request.body), ("r-1", "a=b", wanted));
        }
        assert!(HttpRequest::read(serde_json::json!({"Records": []})).is_err());
        let plain = serde_json::json!({"rawPath": "//v1//x/", "requestContext": {"stage": "$default", "http": {"method": "GET"}}});
        assert_eq!(HttpRequest::read(plain).unwrap().path, "//v1//x/");
    }
}
