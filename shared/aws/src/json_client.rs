//! Clients of services of which a few operations are needed: what an SDK crate of theirs would do, without the hundreds
//! of operations that it brings to every build and into every function ([ADR
//! 51](../../../docs/adr/0051-calls-without-sdk-crates.md)).
//!
//! A call is put together from the parts that the SDK's own clients have: their HTTP client, credentials, signature,
//! retries and time limits. Its form is the JSON protocol
//! (<https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>): the operation's name in a header, and one object
//! each way.

use std::fmt;

use acequia_core::port::Unavailable;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::{Operation, OperationBuilder};
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError, SensitiveOutput};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::error::EntryError;
use crate::refusal::unavailable;
use crate::service::Service;

/// Where an error is told, its answer is cut to so many characters.
const TOLD: usize = 300;

/// A service that is called so.
#[derive(Debug, Clone, Copy)]
pub struct JsonService {
    /// Its name, for people.
    pub name: &'static str,
    /// Where it is.
    pub service: Service,
    /// What stands before the name of an operation.
    pub target: &'static str,
    /// The version of the protocol: `1.0` or `1.1`.
    pub version: &'static str,
    /// Whether a call that may do better a moment later is made again.
    pub retries: bool,
}

/// Makes the calls of one service.
pub struct JsonClient {
    service: JsonService,
    operation: Operation<Question, Answer, Refused>,
}

impl fmt::Debug for JsonClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonClient").field(&self.service.name).finish()
    }
}

/// One call. What it says may be a secret, and shows nowhere.
struct Question {
    target: String,
    content_type: String,
    body: String,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Question").field(&self.target).finish()
    }
}

/// What came back. It may be a secret, and shows nowhere.
struct Answer(Vec<u8>);

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// What a service said when it refused.
#[derive(Debug)]
pub struct Refused(pub(crate) ErrorMetadata);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code().unwrap_or_default(), self.0.message().unwrap_or_default())
    }
}

impl std::error::Error for Refused {}

impl ProvideErrorMetadata for Refused {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// A call that did not bring what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It was refused, or there was no answer.
    #[error(transparent)]
    Failed(Box<SdkError<Refused, HttpResponse>>),
    /// The answer is no JSON, or not as it is documented.
    #[error("the answer is not understood")]
    NotUnderstood(#[source] serde_json::Error),
}

impl CallError {
    /// Whether the service refused it with this code.
    pub fn is(&self, code: &str) -> bool {
        match self {
            Self::Failed(error) => error.as_service_error().is_some_and(|refused| refused.code() == Some(code)),
            Self::NotUnderstood(_) => false,
        }
    }

    /// The code and the words of a refusal; `None` where there was no answer, or one that is not understood.
    pub fn refused(&self) -> Option<(&str, &str)> {
        match self {
            Self::Failed(error) => {
                let refused = error.as_service_error()?;
                Some((refused.code().unwrap_or_default(), refused.message().unwrap_or_default()))
            }
            Self::NotUnderstood(_) => None,
        }
    }

    /// The same as an error of a port.
    pub fn unavailable(self, operation: &'static str) -> Unavailable {
        match self {
            Self::Failed(error) => unavailable(operation, *error),
            not_understood @ Self::NotUnderstood(_) => Unavailable::new(operation, not_understood),
        }
    }
}

impl JsonClient {
    /// A client of this configuration's account and region.
    pub fn new(config: &SdkConfig, service: JsonService) -> Self {
        let (endpoint, plugin) = plugin(config, service.name, service.service, SigningOptions::default());
        let operation = operation(config, (service.name, service.name), config.endpoint_url().unwrap_or(&endpoint));
        let operation = if service.retries { retrying(operation, config) } else { operation.no_retry() };
        let operation = operation.runtime_plugin(plugin).serializer(request).deserializer(answer).build();
        Self { service, operation }
    }

    /// Carries out an operation.
    ///
    /// # Errors
    /// When it is refused, not answered in time, or its answer is not what is documented.
    pub async fn call<T: DeserializeOwned>(&self, operation: &str, asked: &Json) -> Result<T, CallError> {
        let question = Question {
            target: format!("{}.{operation}", self.service.target),
            content_type: format!("application/x-amz-json-{}", self.service.version),
            body: asked.to_string(),
        };
        let answer = self.operation.invoke(question).await.map_err(|error| CallError::Failed(Box::new(error)))?;
        serde_json::from_slice(&answer.0).map_err(CallError::NotUnderstood)
    }
}

/// An operation of a service, by both names, with the configuration's time limits.
pub(crate) fn operation(
    config: &SdkConfig,
    (service, name): (&'static str, &'static str),
    endpoint: &str,
) -> OperationBuilder {
    Operation::builder()
        .service_name(service)
        .operation_name(name)
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .timeout_config(config.timeout_config().cloned().unwrap_or_else(crate::clients::timeouts))
}

/// The operation, whose calls are made again where that may do better.
pub(crate) fn retrying(operation: OperationBuilder, config: &SdkConfig) -> OperationBuilder {
    operation
        .standard_retry(&config.retry_config().cloned().unwrap_or_else(crate::clients::retries))
        .retry_classifier(HttpStatusCodeClassifier::default())
        .retry_classifier(TransientErrorClassifier::<Refused>::new())
        .retry_classifier(AwsErrorCodeClassifier::<Refused>::new())
}

/// What calls of a service are signed and sent by; and where the service is, unless the configuration says otherwise.
pub(crate) fn plugin(
    config: &SdkConfig,
    name: &'static str,
    service: Service,
    signing_options: SigningOptions,
) -> (String, StaticRuntimePlugin) {
    let region = config.region().cloned().unwrap_or_else(|| Region::new(""));
    let (endpoint, signed_for) = service.place(region.as_ref());
    let mut layer = Layer::new(name);
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(Region::new(signed_for))),
        name: Some(SigningName::from_static(service.signs_as)),
        signing_options,
        ..SigV4OperationSigningConfig::default()
    });
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SensitiveOutput);
    let cache = config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build());
    let components = RuntimeComponentsBuilder::new(name)
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
        .with_identity_cache(Some(cache))
        .with_http_client(config.http_client());
    let components = match config.credentials_provider() {
        Some(provider) => components.with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(provider)),
        None => components,
    };
    (endpoint, StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components))
}

fn request(question: Question) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(question.body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().try_insert("content-type", question.content_type)?;
    request.headers_mut().try_insert("x-amz-target", question.target)?;
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<Answer, OrchestratorError<Refused>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(Answer(body.to_vec()));
    }
    let EntryError { code, message } = refused(&String::from_utf8_lossy(body), response.status().as_u16());
    let message: String = message.chars().take(TOLD).collect();
    Err(OrchestratorError::operation(Refused(ErrorMetadata::builder().code(code).message(message).build())))
}

/// What a service said when it refused, in JSON: its code and its words.
pub(crate) fn refused(body: &str, status: u16) -> EntryError {
    let Ok(json) = serde_json::from_str::<Json>(body) else { return EntryError::new(by_status(status), NO_REASON) };
    let word = |names: [&str; 3]| {
        names.iter().find_map(|name| json.get(name)).and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    // Lambda names its code so; others have a namespace before it.
    let code = word(["__type", "code", "Code"]);
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let code = if code.is_empty() { by_status(status) } else { code };
    EntryError::new(code, word(["message", "Message", "Reason"]))
}

/// What is said where a service says nothing.
pub(crate) const NO_REASON: &str = "no reason given";

/// The code of an answer that has none.
pub(crate) fn by_status(status: u16) -> String {
    if status == 403 { "AccessDenied".to_owned() } else { format!("HTTP {status}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_its_code_and_its_words() {
        for (body, status, said) in [
            (r#"{"__type": "x#AccessDeniedException", "message": "no"}"#, 400, "AccessDeniedException: no"),
            (r#"{"Message": "is not authorized"}"#, 403, "AccessDenied: is not authorized"),
            ("<html>", 502, "HTTP 502: no reason given"),
        ] {
            assert_eq!(refused(body, status).to_string(), said, "{body}");
        }
    }

    #[test]
    fn what_is_asked_and_answered_shows_nowhere() {
        let (target, content_type) = ("T.Put".to_owned(), String::new());
        let question = Question { target, content_type, body: "s3cret".to_owned() };
        assert_eq!(format!("{question:?} {:?}", Answer(b"s3cret".to_vec())), "Question(\"T.Put\") Answer");
    }
}
