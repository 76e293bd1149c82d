//! Signed calls of services that the project has no SDK crate of: REST with JSON, and the query protocol with XML.

use std::time::{Duration, SystemTime};

use acequia_core::port::{Refusal, Unavailable};
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::Value as Json;

use crate::error::EntryError;
use crate::json_client;
use crate::refusal::{Refused as _, unavailable};
use crate::service::Service;
use crate::xml::Xml;

/// One try of a call, and how many there are: a service that throttles does so for a second or two.
const TRY: Duration = Duration::from_secs(5);
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Signs and sends.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    connector: SharedHttpConnector,
    credentials: Option<SharedCredentialsProvider>,
    region: String,
    endpoint: Option<String>,
}

/// What one try came to that brought no answer.
struct Failed {
    error: Box<dyn std::error::Error + Send + Sync>,
    refusal: Option<Refusal>,
    /// Whether the next try may do better.
    passing: bool,
}

impl Failed {
    /// No answer came.
    fn passing(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { error: error.into(), refusal: Some(Refusal::NoAnswer), passing: true }
    }

    fn lasting(error: impl Into<Box<dyn std::error::Error + Send + Sync>>, refusal: Option<Refusal>) -> Self {
        Self { error: error.into(), refusal, passing: false }
    }
}

struct Call<'a> {
    service: Service,
    method: &'static str,
    path: &'a str,
    body: String,
    content_type: &'static str,
}

impl Wire {
    pub(super) fn new(config: &SdkConfig) -> Self {
        let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build();
        Self {
            connector: SharedHttpConnector::new(connector),
            credentials: config.credentials_provider(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            endpoint: config.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
        }
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Reads JSON from a path, which has its query behind it.
    pub(super) async fn get(&self, operation: &'static str, service: Service, path: &str) -> Result<Json, Unavailable> {
        let call = Call { service, method: "GET", path, body: String::new(), content_type: "application/json" };
        let answer = self.call(operation, &call).await?;
        serde_json::from_str(&answer).map_err(|error| Unavailable::new(operation, error))
    }

    /// Carries out an action of the query protocol.
    pub(super) async fn query(
        &self,
        operation: &'static str,
        service: Service,
        parameters: &[(String, String)],
    ) -> Result<Xml, Unavailable> {
        let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let content_type = "application/x-www-form-urlencoded";
        let call = Call { service, method: "POST", path: "/", body: pairs.join("&"), content_type };
        let answer = self.call(operation, &call).await?;
        let unreadable = || unavailable(operation, EntryError::new("Unreadable", "the answer is not XML"));
        Xml::parse(&answer).ok_or_else(unreadable)
    }

    async fn call(&self, operation: &'static str, call: &Call<'_>) -> Result<String, Unavailable> {
        let mut attempt = 0;
        loop {
            let answer = tokio::time::timeout(TRY, self.attempt(call)).await;
            let failed = match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failed)) => failed,
                Err(elapsed) => Failed::passing(elapsed),
            };
            attempt += 1;
            if attempt >= TRIES || !failed.passing {
                return Err(Unavailable::new(operation, failed.error).for_refusal(failed.refusal));
            }
            tokio::time::sleep(FIRST_WAIT.saturating_mul(1 << attempt)).await;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<String, Failed> {
        if self.region.is_empty() {
            return Err(Failed::lasting(EntryError::new("MissingRegion", "region must be set"), None));
        }
        let none = Some(Refusal::NoCredentials);
        let provider = self.credentials.as_ref();
        let provider = provider.ok_or_else(|| Failed::lasting("there are no credentials", none))?;
        let credentials = provider.provide_credentials().await.map_err(|error| Failed::lasting(error, none))?;
        let request = self.signed(call, &credentials).map_err(|error| Failed::lasting(error, None))?;
        let response = self.connector.call(request).await.map_err(Failed::passing)?;
        let status = response.status();
        let body = ByteStream::new(response.into_body()).collect().await.map_err(Failed::passing)?;
        let body = String::from_utf8_lossy(&body.into_bytes()).into_owned();
        if status.is_success() {
            return Ok(body);
        }
        let error = refused(&body, status.as_u16());
        let passing = status.is_server_error() || status.as_u16() == 429 || error.code.contains("Throttl");
        Err(Failed { refusal: error.refusal(), error: error.into(), passing })
    }

    #[expect(clippy::disallowed_methods, reason = "a signature carries the real time")]
    fn signed(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
    ) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
        let (endpoint, region) = call.service.place(&self.region);
        let url = format!("{}{}", self.endpoint.as_ref().unwrap_or(&endpoint), call.path);
        let identity = credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name(call.service.signs_as)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = [("content-type", call.content_type)];
        let body = SignableBody::Bytes(call.body.as_bytes());
        let signable = SignableRequest::new(call.method, &url, headers.iter().copied(), body)?;
        let (signing, _) = sign(signable, &parameters)?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(call.body.as_str()));
        request.set_method(call.method)?;
        request.set_uri(url)?;
        for (name, value) in headers.into_iter().chain(signing.headers()) {
            request.headers_mut().try_append(name.to_owned(), value.to_owned())?;
        }
        Ok(request)
    }
}

/// What a service said when it refused, in JSON or XML.
fn refused(body: &str, status: u16) -> EntryError {
    match Xml::parse(body).as_ref().and_then(|answer| answer.find("Error").cloned()) {
        Some(error) => EntryError::new(error.text("Code"), error.text("Message")),
        None => json_client::refused(body, status),
    }
}

/// A value as a form has it, and a query.
pub(super) fn encoded(text: &str) -> String {
    let of_byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(of_byte).collect()
}

/// A parameter of the query protocol.
pub(super) fn pair(name: impl Into<String>, value: impl Into<String>) -> (String, String) {
    (name.into(), value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_in_each_protocol() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        for (body, status, said) in [
            (xml, 403, "AccessDenied: no"),
            (r#"{"__type": "x#AccessDeniedException", "message": "no"}"#, 400, "AccessDeniedException: no"),
            (r#"{"Message": "is not authorized"}"#, 403, "AccessDenied: is not authorized"),
            ("<html>", 502, "HTTP 502: no reason given"),
        ] {
            assert_eq!(refused(body, status).to_string(), said, "{body}");
        }
    }

    #[test]
    fn values_are_encoded_for_forms() {
        assert_eq!(encoded("arn:aws:iam::1:role/a b+ü"), "arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b%2B%C3%BC");
    }
}
