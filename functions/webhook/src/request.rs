//! The request of one attempt: the event's own bytes with the headers of Standard Webhooks.

use acequia_core::config::{HeaderValue as Value, SinkFormat, WebhookSink};
use acequia_core::delivery::Delivery;
use acequia_core::id::{SecretName, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::port::{SecretError, Secrets};
use acequia_core::secret::Secret;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::signing;

/// What the body is: one cloud event in structured mode. A tenant may say otherwise by a header of its own.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");

/// What Proca says that its messages are, and takes.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The headers of one attempt, signed at `now`.
///
/// # Errors
/// [`Cause::SecretMissing`], [`Cause::SecretMalformed`] or [`Cause::SecretsDown`].
pub async fn headers(
    secrets: &impl Secrets,
    tenant: &TenantId,
    sink: &WebhookSink,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<HeaderMap, Cause> {
    let mut headers = HeaderMap::with_capacity(sink.headers.len() + 4);
    match sink.format {
        SinkFormat::Event => headers.insert(CONTENT_TYPE, MEDIA_TYPE),
        SinkFormat::Proca => {
            headers.insert(ACCEPT, JSON);
            headers.insert(CONTENT_TYPE, JSON)
        }
    };
    for header in &sink.headers {
        let value = match &header.value {
            Value::Plain(value) => value.clone(),
            Value::Secret(name) => secret(secrets, tenant, name).await?,
        };
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| Cause::Rejected("a header's name".to_owned()))?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| Cause::SecretMissing(header.name.clone()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    // Who reads Proca's messages as they are may have no secret to check them with.
    if sink.secrets.is_empty() {
        return Ok(headers);
    }
    let mut keys = Vec::with_capacity(sink.secrets.len());
    for name in &sink.secrets {
        keys.push((name.as_str(), secret(secrets, tenant, name).await?));
    }
    let timestamp = now.as_second();
    let signature = signing::signature(&keys, delivery.id.as_str(), timestamp, delivery.envelope.body.as_bytes())?;
    // Ids, numbers and base64 are always valid header values.
    let text = |value: &str| HeaderValue::from_str(value).map_err(|_| Cause::Panic);
    headers.insert("webhook-id", text(delivery.id.as_str())?);
    headers.insert("webhook-timestamp", HeaderValue::from(timestamp));
    headers.insert("webhook-signature", text(&signature)?);
    Ok(headers)
}

async fn secret(secrets: &impl Secrets, tenant: &TenantId, name: &SecretName) -> Result<Secret, Cause> {
    secrets.secret(tenant, name).await.map_err(|error| match error {
        SecretError::Missing(name) => Cause::SecretMissing(name),
        SecretError::Unavailable(error) => {
            tracing::warn!(tenant.id = %tenant, error = ?error, "the store of secrets does not answer");
            Cause::SecretsDown
        }
    })
}
