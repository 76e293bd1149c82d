//! Signed calls of services that the project has no SDK crate of: REST with JSON, JSON alone, and the query protocol with XML.
//!
//! Endpoints are those of the partitions `aws`, `aws-cn`, `aws-us-gov` and the European sovereign cloud, or the one of `AWS_ENDPOINT_URL`.

use std::time::{Duration, SystemTime};

use acequia_core::port::Unavailable;
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

use super::xml::Xml;
use crate::error::EntryError;

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

/// A service by its name in signatures, with its endpoint's when that is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) signs_as: &'static str,
    pub(super) host: &'static str,
    /// Whether all regions share one endpoint.
    pub(super) global: bool,
}

impl Service {
    pub(super) const fn regional(signs_as: &'static str, host: &'static str) -> Self {
        Self { signs_as, host, global: false }
    }

    /// Where it is called, and the region that the signature names.
    fn place(self, region: &str) -> (String, String) {
        let (suffix, home) = match region {
            region if region.starts_with("cn-") => ("amazonaws.com.cn", "cn-north-1"),
            region if region.starts_with("us-gov-") => ("amazonaws.com", "us-gov-west-1"),
            region if region.starts_with("eusc-") => ("amazonaws.eu", "eusc-de-east-1"),
            _ => ("amazonaws.com", "us-east-1"),
        };
        let host = self.host;
        match (self.global, home) {
            (false, _) => (format!("https://{host}.{region}.{suffix}"), region.to_owned()),
            (true, "us-east-1") => (format!("https://{host}.{suffix}"), home.to_owned()),
            (true, "us-gov-west-1") => (format!("https://{host}.us-gov.{suffix}"), home.to_owned()),
            (true, _) => (format!("https://{host}.{home}.{suffix}"), home.to_owned()),
        }
    }
}

/// What one try came to that brought no answer.
struct Refusal {
    error: Box<dyn std::error::Error + Send + Sync>,
    /// Whether the next try may do better.
    passing: bool,
}

impl Refusal {
    fn passing(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { error: error.into(), passing: true }
    }

    fn lasting(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { error: error.into(), passing: false }
    }
}

struct Call<'a> {
    service: Service,
    method: &'static str,
    path: &'a str,
    body: String,
    content_type: &'static str,
    /// The operation, where the protocol names it in a header.
    target: Option<&'static str>,
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
        let call =
            Call { service, method: "GET", path, body: String::new(), content_type: "application/json", target: None };
        let answer = self.call(operation, &call).await?;
        serde_json::from_str(&answer).map_err(|error| Unavailable::new(operation, error))
    }

    /// Carries out an operation of the JSON protocol, by its target.
    pub(super) async fn json(
        &self,
        operation: &'static str,
        service: Service,
        target: &'static str,
        body: &Json,
    ) -> Result<Json, Unavailable> {
        let (body, content_type) = (body.to_string(), "application/x-amz-json-1.0");
        let call = Call { service, method: "POST", path: "/", body, content_type, target: Some(target) };
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
        let call = Call { service, method: "POST", path: "/", body: pairs.join("&"), content_type, target: None };
        let answer = self.call(operation, &call).await?;
        let unreadable = || Unavailable::new(operation, EntryError::new("Unreadable", "the answer is not XML"));
        Xml::parse(&answer).ok_or_else(unreadable)
    }

    async fn call(&self, operation: &'static str, call: &Call<'_>) -> Result<String, Unavailable> {
        let mut attempt = 0;
        loop {
            let answer = tokio::time::timeout(TRY, self.attempt(call)).await;
            let refusal = match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(refusal)) => refusal,
                Err(elapsed) => Refusal::passing(elapsed),
            };
            attempt += 1;
            if attempt >= TRIES || !refusal.passing {
                return Err(Unavailable::new(operation, refusal.error));
            }
            tokio::time::sleep(FIRST_WAIT.saturating_mul(1 << attempt)).await;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<String, Refusal> {
        if self.region.is_empty() {
            return Err(Refusal::lasting(EntryError::new("MissingRegion", "region must be set")));
        }
        let provider = self.credentials.as_ref();
        let provider =
            provider.ok_or_else(|| Refusal::lasting(EntryError::new("CredentialsNotLoaded", "there are none")))?;
        let credentials = provider.provide_credentials().await.map_err(Refusal::lasting)?;
        let request = self.signed(call, &credentials).map_err(Refusal::lasting)?;
        let response = self.connector.call(request).await.map_err(Refusal::passing)?;
        let status = response.status();
        let body = ByteStream::new(response.into_body()).collect().await.map_err(Refusal::passing)?;
        let body = String::from_utf8_lossy(&body.into_bytes()).into_owned();
        if status.is_success() {
            return Ok(body);
        }
        let error = refused(&body, status.as_u16());
        let passing = status.is_server_error() || status.as_u16() == 429 || error.code.contains("Throttl");
        Err(Refusal { error: error.into(), passing })
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
        let target = call.target.map(|target| ("x-amz-target", target));
        let headers: Vec<_> = [("content-type", call.content_type)].into_iter().chain(target).collect();
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

/// What a service said when it refused: its code and its words, in JSON or XML.
fn refused(body: &str, status: u16) -> EntryError {
    let word = |json: &Json, names: [&str; 3]| {
        names.iter().find_map(|name| json.get(name)).and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    if let Ok(json) = serde_json::from_str::<Json>(body) {
        // Lambda names its code so; others have a namespace before it.
        let code = word(&json, ["__type", "code", "Code"]);
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        let code = if code.is_empty() { by_status(status) } else { code };
        return EntryError::new(code, word(&json, ["message", "Message", "Reason"]));
    }
    match Xml::parse(body).as_ref().and_then(|answer| answer.find("Error").cloned()) {
        Some(error) => EntryError::new(error.text("Code"), error.text("Message")),
        None => EntryError::new(by_status(status), "no reason given"),
    }
}

fn by_status(status: u16) -> String {
    if status == 403 { "AccessDenied".to_owned() } else { format!("HTTP {status}") }
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
    fn a_service_is_called_where_its_partition_has_it() {
        let lambda = Service::regional("lambda", "lambda");
        let iam = Service { global: true, ..Service::regional("iam", "iam") };
        for (service, region, url, signed_for) in [
            (lambda, "eu-west-1", "https://lambda.eu-west-1.amazonaws.com", "eu-west-1"),
            (lambda, "cn-north-1", "https://lambda.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (iam, "eu-west-1", "https://iam.amazonaws.com", "us-east-1"),
            (iam, "us-gov-east-1", "https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
            (iam, "cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ] {
            assert_eq!(service.place(region), (url.to_owned(), signed_for.to_owned()), "{region}");
        }
    }

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
