//! Requests to the front door, as an HTTP API hands them over, and the API key that they show.

use acequia_core::access::{ApiKey, KeyRing, Limits, NewKey, Scope};
use acequia_core::id::{Stage, TenantId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::StubError;
use crate::fixture::{STAGE, TENANTS_TABLE, event};
use crate::store::Store;

fn invalid(error: &dyn std::fmt::Display) -> StubError {
    StubError::Fixture(error.to_string())
}

/// The API key of a tenant's producer. It is made of bytes that anybody can guess, and of no worth.
fn api_key(tenant: &str) -> Result<ApiKey, StubError> {
    let stage: Stage = STAGE.parse().map_err(|error| invalid(&error))?;
    let tenant: TenantId = tenant.parse().map_err(|error| invalid(&error))?;
    Ok(ApiKey::make(&stage, &tenant, [1; 32], [2; 32]))
}

/// The tenant's keys, of which there is one, as they are stored.
///
/// # Errors
/// [`StubError::Fixture`] where the name of the tenant is none.
pub fn key_ring(tenant: &str) -> Result<String, StubError> {
    let new = NewKey {
        name: "bench".to_owned(),
        scopes: [Scope::EventsWrite].into_iter().collect(),
        limits: Limits::default(),
        lives: None,
    };
    let mut ring = KeyRing::default();
    ring.create(&api_key(tenant)?, new, "bench", Timestamp::UNIX_EPOCH).map_err(|error| invalid(&error))?;
    serde_json::to_string(&ring).map_err(|error| invalid(&error))
}

/// The payload of a request with these events: a batch of `CloudEvents`, or structured mode where there is one. The API
/// hands both over in base64.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
///
/// # Errors
/// [`StubError::Fixture`] where the name of the tenant is none.
pub fn request(tenant: &str, events: &[String], idempotency_key: Option<&str>) -> Result<String, StubError> {
    let (kind, body) = match events {
        [one] => ("application/cloudevents+json", one.clone()),
        many => ("application/cloudevents-batch+json", format!("[{}]", many.join(","))),
    };
    let path = format!("/v1/tenants/{tenant}/events");
    let mut headers = json!({
        "accept": "*/*",
        "authorization": format!("Bearer {}", api_key(tenant)?.expose()),
        "content-length": body.len().to_string(),
        "content-type": kind,
        "host": "events.acequia.example",
        "user-agent": "bench/1",
        "x-amzn-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    });
    if let (Some(key), Some(headers)) = (idempotency_key, headers.as_object_mut()) {
        headers.insert("idempotency-key".to_owned(), Json::from(key));
    }
    let context = json!({
        "accountId": "123456789012",
        "apiId": "bench",
        "domainName": "events.acequia.example",
        "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench/1"},
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "$default",
        "stage": "$default",
        "timeEpoch": 1_767_225_600_000_u64,
    });
    let payload = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": context,
        "body": STANDARD.encode(body),
        "isBase64Encoded": true,
    });
    Ok(payload.to_string())
}

/// A request of so many events of about a kilobyte. Those of another `serial` are others.
///
/// # Errors
/// As [`request`].
pub fn request_of(tenant: &str, serial: u64, events: usize) -> Result<String, StubError> {
    let comment = "Water is a common good. ".repeat(20);
    let events: Vec<String> = (0..events).map(|number| event(&format!("{serial:08}-{number:08}"), &comment)).collect();
    request(tenant, &events, None)
}

/// Writes a tenant whose events come in by these rules, with its key, into tables that keep what is written.
///
/// # Errors
/// [`StubError::Fixture`] where the name of the tenant is none.
pub fn settle(store: &mut Store, tenant: &str, intake: &Json) -> Result<(), StubError> {
    let sinks = json!([{"id": "out", "kind": "forward", "types": ["*"], "queue": "out"}]);
    let document = json!({"tenant": tenant, "name": "Bench", "intake": intake, "sinks": sinks}).to_string();
    let rows = [
        json!({"sk": "latest", "document": document}),
        json!({"sk": "current", "audit_hash": "0"}),
        json!({"sk": "config#00000000000000000001", "document": document}),
        json!({"sk": "keys", "doc": key_ring(tenant)?, "revision": 1}),
    ];
    for mut row in rows {
        if let Some(row) = row.as_object_mut() {
            row.insert("pk".to_owned(), tenant.into());
            row.entry("version").or_insert_with(|| 1.into());
        }
        store.put(TENANTS_TABLE, &row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_request_is_one_that_the_tenant_has() {
        let ring: KeyRing = serde_json::from_str(&key_ring("acme").unwrap()).unwrap();
        let payload: Json = serde_json::from_str(&request_of("acme", 1, 2).unwrap()).unwrap();
        let shown = payload["headers"]["authorization"].as_str().unwrap().trim_start_matches("Bearer ").to_owned();
        let key = ApiKey::parse(&shown).unwrap();
        assert!(ring.find(&key.id).unwrap().judge(&key, Timestamp::UNIX_EPOCH).is_ok());
        let body = STANDARD.decode(payload["body"].as_str().unwrap()).unwrap();
        let events: Vec<Json> = serde_json::from_slice(&body).unwrap();
        assert_eq!(events.len(), 2);
        assert_ne!(events[0]["id"], events[1]["id"]);
    }
}
