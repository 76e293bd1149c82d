//! The request of one attempt: the event's own bytes with the headers of Standard Webhooks.

use acequia_core::delivery::Delivery;
use acequia_core::event::trace::{TRACEPARENT, TRACESTATE};
use acequia_core::id::{SecretName, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{SecretError, Secrets};
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_core::tenant::{HeaderValue as Value, SinkFormat, WebhookSink};
use acequia_core::wire::REPLAY_OF;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::signing::{self, Key};

/// What the body is: one cloud event in structured mode. A tenant may say otherwise by a header of its own.
/// Ids, numbers and base64 always can.
const UNSENDABLE: &str = "a value is none that a header can have";

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");

/// What Proca says that its messages are, and takes.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What all requests of a batch to one sink have in common: the headers that are always the same, and the keys that
/// sign.
///
/// Secrets are read, and made keys of, once for a batch and not for each of its requests.
pub struct Sender {
    fixed: Vec<(HeaderName, HeaderValue)>,
    keys: Vec<Key>,
}

impl Sender {
    /// Reads the secrets of a sink.
    ///
    /// # Errors
    /// [`Cause::SecretMissing`], [`Cause::SecretMalformed`] or [`Cause::StoreDown`].
    pub async fn of(secrets: &impl Secrets, tenant: &TenantId, sink: &WebhookSink) -> Result<Self, Cause> {
        let mut fixed = Vec::with_capacity(sink.headers.len() + 2);
        match sink.format {
            SinkFormat::Event => fixed.push((CONTENT_TYPE, MEDIA_TYPE)),
            SinkFormat::Proca => fixed.extend([(ACCEPT, JSON), (CONTENT_TYPE, JSON)]),
        }
        for header in &sink.headers {
            let value = match &header.value {
                Value::Plain(value) => value.clone(),
                Value::Secret(name) => {
                    let value = secret(secrets, tenant, SecretPurpose::Header, name).await?;
                    value.header_value().map_err(|unusable| Cause::SecretMalformed(name.clone(), unusable))?;
                    value
                }
            };
            let name = HeaderName::from_bytes(header.name.as_bytes())
                .map_err(|_| Cause::Rejected("a header's name".to_owned()))?;
            let mut value =
                HeaderValue::from_str(value.expose()).map_err(|_| Cause::Rejected("a header's value".to_owned()))?;
            value.set_sensitive(true);
            fixed.push((name, value));
        }
        let mut keys = Vec::with_capacity(sink.secrets.len());
        for name in &sink.secrets {
            keys.push(Key::read(name, &secret(secrets, tenant, SecretPurpose::Webhook, name).await?)?);
        }
        Ok(Self { fixed, keys })
    }

    /// The headers of one attempt, signed at `now`.
    ///
    /// # Errors
    /// [`Cause::Bug`], where a value were none that a header can have: ids, numbers and base64 always are.
    pub fn headers(&self, delivery: &Delivery, now: Timestamp) -> Result<HeaderMap, Cause> {
        let mut headers = HeaderMap::with_capacity(self.fixed.len() + 5);
        // A header of the tenant's own of that name counts more.
        if let Some(trace) = &delivery.envelope.trace {
            let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Cause::Bug(UNSENDABLE));
            headers.insert(HeaderName::from_static(TRACEPARENT), value(trace.parent())?);
            if let Some(state) = trace.state() {
                headers.insert(HeaderName::from_static(TRACESTATE), value(state)?);
            }
        }
        for (name, value) in &self.fixed {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(first) = delivery.repeats() {
            let value = HeaderValue::from_str(first.as_str()).map_err(|_| Cause::Bug(UNSENDABLE))?;
            headers.insert(HeaderName::from_static(REPLAY_OF), value);
        }
        // A receiver that reads Proca's messages as they are may have no secret to check them with.
        if self.keys.is_empty() {
            return Ok(headers);
        }
        let timestamp = now.as_second();
        let body = delivery.envelope.body.as_bytes();
        let signature = signing::signature(&self.keys, delivery.id.as_str(), timestamp, body);
        headers.insert(WEBHOOK_ID, HeaderValue::from_str(delivery.id.as_str()).map_err(|_| Cause::Bug(UNSENDABLE))?);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp));
        headers.insert(WEBHOOK_SIGNATURE, HeaderValue::try_from(signature).map_err(|_| Cause::Bug(UNSENDABLE))?);
        Ok(headers)
    }
}

async fn secret(
    secrets: &impl Secrets,
    tenant: &TenantId,
    purpose: SecretPurpose,
    name: &SecretName,
) -> Result<Secret, Cause> {
    secrets.secret(tenant, purpose, name).await.map_err(|error| match error {
        SecretError::Missing(name) => Cause::SecretMissing(name),
        SecretError::Unavailable(error) => {
            tracing::warn!(tenant.id = %tenant, error = ?error, "the store of secrets does not answer");
            Cause::StoreDown(Store::Secrets)
        }
    })
}
