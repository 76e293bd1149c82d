//! Signed calls to AWS by their wire formats, as the administrator or as a function's role.
//!
//! No SDK: the tests call a handful of operations of seven services, and each SDK crate costs half a minute to compile.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::{Value as Json, json};
use ureq::http::Request;

use crate::http;

/// The account of the local AWS.
pub const ACCOUNT: &str = "000000000000";

/// One identity at one endpoint.
#[derive(Debug, Clone)]
pub struct Aws {
    endpoint: String,
    region: String,
    credentials: Credentials,
}

/// A call that AWS refused: the code, and the whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The answer's body.
    pub body: String,
}

impl Refusal {
    /// Whether it was refused for want of a permission.
    pub fn is_denied(&self) -> bool {
        self.body.contains("AccessDenied") || self.body.contains("is not authorized to perform")
    }
}

impl Aws {
    /// The administrator.
    pub fn administrator(endpoint: &str, region: &str) -> Self {
        let credentials = Credentials::new("test", "test", None, None, "e2e");
        Self { endpoint: endpoint.to_owned(), region: region.to_owned(), credentials }
    }

    #[expect(clippy::disallowed_methods, reason = "a signature carries the real time")]
    fn call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<String, Refusal> {
        let url = format!("{}{path}", self.endpoint);
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let signable = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new(method, &url, headers.iter().copied(), signable).unwrap();
        let (signing, _) = sign(signable, &parameters).unwrap().into_parts();
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers.iter().copied().chain(signing.headers()) {
            request = request.header(name, value);
        }
        let (status, body) = http::send(request.body(body.as_bytes().to_vec()).unwrap());
        if (200..300).contains(&status) { Ok(body) } else { Err(Refusal { status, body }) }
    }

    /// A call of a service that speaks JSON, by its target such as `AmazonSQS.SendMessage`.
    ///
    /// # Errors
    /// When AWS refuses it.
    pub fn json(&self, service: &str, target: &str, body: &Json) -> Result<Json, Refusal> {
        // SQS and DynamoDB have version 1.0 of the protocol, the others 1.1.
        let version = if ["sqs", "dynamodb"].contains(&service) { "1.0" } else { "1.1" };
        let content_type = format!("application/x-amz-json-{version}");
        let headers = [("content-type", content_type.as_str()), ("x-amz-target", target)];
        let answer = self.call(service, "POST", "/", &headers, &body.to_string())?;
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }

    /// A call of a service that speaks REST and JSON.
    ///
    /// # Errors
    /// When AWS refuses it.
    pub fn rest(&self, service: &str, method: &str, path: &str, body: &Json) -> Result<Json, Refusal> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.call(service, method, path, &[("content-type", "application/json")], &body)?;
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }

    /// A call of a service that speaks the query protocol; answers XML.
    ///
    /// # Errors
    /// When AWS refuses it.
    pub fn query(&self, service: &str, parameters: &[(&str, &str)]) -> Result<String, Refusal> {
        let encode = |text: &str| {
            let of_byte = |byte: u8| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            };
            text.bytes().map(of_byte).collect::<String>()
        };
        let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.call(service, "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], &pairs.join("&"))
    }

    /// Becomes the role of one of the platform's functions, with exactly the permissions that were deployed.
    ///
    /// Only Lambda may take such a role, so the administrator is let in first; what the role may do stays as it is.
    #[must_use]
    pub fn role_of(&self, function: &str) -> Self {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let configuration = self.rest("lambda", "GET", &path, &Json::Null).unwrap();
        let role = configuration["Role"].as_str().unwrap();
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
            {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole"},
        ]});
        let update = [
            ("Action", "UpdateAssumeRolePolicy"),
            ("Version", "2010-05-08"),
            ("RoleName", role.rsplit('/').next().unwrap()),
            ("PolicyDocument", &trust.to_string()),
        ];
        self.query("iam", &update).unwrap();
        let assume =
            [("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role), ("RoleSessionName", "e2e")];
        let answer = self.query("sts", &assume).unwrap();
        let part = |name: &str| {
            let (_, rest) = answer.split_once(&format!("<{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        let credentials =
            Credentials::new(part("AccessKeyId"), part("SecretAccessKey"), Some(part("SessionToken")), None, "e2e");
        Self { credentials, ..self.clone() }
    }
}
