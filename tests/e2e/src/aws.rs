//! Signed calls to AWS by their wire formats, as the administrator or as a function's role.
//!
//! No SDK: the tests call a handful of operations of seven services, and each SDK crate costs half a minute to compile.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use serde_json::{Value as Json, json};
use ureq::http::Request;

use crate::http;

/// The account of the local AWS.
pub const ACCOUNT: &str = "000000000000";

/// How a service wants to be signed for: S3 wants a path as it is sent, and the digest of the body beside the signature
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>).
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

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

    fn call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<String, Refusal> {
        let (status, body) = http::send(self.signed(service, method, path, headers, body));
        if (200..300).contains(&status) { Ok(body) } else { Err(Refusal { status, body }) }
    }

    #[expect(clippy::disallowed_methods, reason = "a signature carries the real time")]
    fn signed(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Request<Vec<u8>> {
        let url = format!("{}{path}", self.endpoint);
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings(service))
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
        request.body(body.as_bytes().to_vec()).unwrap()
    }

    /// A call of S3, which has bytes.
    ///
    /// # Errors
    /// When AWS refuses it.
    pub fn s3(&self, method: &str, path: &str, body: &str) -> Result<Vec<u8>, Refusal> {
        let (status, body) = http::send_for_bytes(self.signed("s3", method, path, &[], body));
        let told = || String::from_utf8_lossy(&body).into_owned();
        if (200..300).contains(&status) { Ok(body) } else { Err(Refusal { status, body: told() }) }
    }

    /// Copies an object of S3; both are a bucket and a key, as they stand in a path.
    ///
    /// # Errors
    /// When AWS refuses it.
    pub fn s3_copy(&self, from: &str, to: &str) -> Result<(), Refusal> {
        let headers = [("x-amz-copy-source", from)];
        let (status, body) = http::send_for_bytes(self.signed("s3", "PUT", &format!("/{to}"), &headers, ""));
        let told = || String::from_utf8_lossy(&body).into_owned();
        if (200..300).contains(&status) { Ok(()) } else { Err(Refusal { status, body: told() }) }
    }

    /// A call of a service that speaks JSON, by its target such as `AmazonSQS.SendMessage`.
    ///
    /// # Errors
    /// When AWS refuses it.
    pub fn json(&self, service: &str, target: &str, body: &Json) -> Result<Json, Refusal> {
        // SQS, DynamoDB and CloudWatch have version 1.0 of the protocol, the others 1.1.
        let version = if ["sqs", "dynamodb", "monitoring"].contains(&service) { "1.0" } else { "1.1" };
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
        self.assume(role, None)
    }

    /// Makes a role with these managed policies and nothing else, which the administrator may take; answers its ARN.
    pub fn make_role(&self, name: &str, policies: &[String]) -> String {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole"},
        ]});
        let create = [
            ("Action", "CreateRole"),
            ("Version", "2010-05-08"),
            ("RoleName", name),
            ("AssumeRolePolicyDocument", &trust.to_string()),
        ];
        if let Err(refusal) = self.query("iam", &create) {
            // It is there already where the tests run again in the same environment.
            assert!(refusal.body.contains("EntityAlreadyExists"), "{refusal:?}");
        }
        for policy in policies {
            let attach =
                [("Action", "AttachRolePolicy"), ("Version", "2010-05-08"), ("RoleName", name), ("PolicyArn", policy)];
            self.query("iam", &attach).unwrap();
        }
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    /// Makes a user with this policy and nothing else, and becomes it.
    #[must_use]
    pub fn make_user(&self, name: &str, policy: &Json) -> Self {
        let iam = |action: &str, more: &[(&str, &str)]| {
            let call = [&[("Action", action), ("Version", "2010-05-08"), ("UserName", name)], more].concat();
            self.query("iam", &call)
        };
        if let Err(refusal) = iam("CreateUser", &[]) {
            assert!(refusal.body.contains("EntityAlreadyExists"), "{refusal:?}");
        }
        iam("PutUserPolicy", &[("PolicyName", "own"), ("PolicyDocument", &policy.to_string())]).unwrap();
        let key = iam("CreateAccessKey", &[]).unwrap();
        let part = |name: &str| tag(&key, name).unwrap().to_owned();
        let credentials = Credentials::new(part("AccessKeyId"), part("SecretAccessKey"), None, None, "e2e");
        Self { credentials, ..self.clone() }
    }

    /// Takes on a role, narrowed by a session policy where there is one.
    #[must_use]
    pub fn assume(&self, role: &str, narrowed: Option<&Json>) -> Self {
        let narrowed = narrowed.map(Json::to_string);
        let mut assume =
            vec![("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role), ("RoleSessionName", "e2e")];
        assume.extend(narrowed.as_deref().map(|policy| ("Policy", policy)));
        let answer = self.query("sts", &assume).unwrap();
        let part = |name: &str| tag(&answer, name).unwrap().to_owned();
        let credentials =
            Credentials::new(part("AccessKeyId"), part("SecretAccessKey"), Some(part("SessionToken")), None, "e2e");
        Self { credentials, ..self.clone() }
    }

    /// The value that a stack exports under a name.
    pub fn exported(&self, name: &str) -> String {
        let list = [("Action", "ListExports"), ("Version", "2010-05-15")];
        let answer = self.query("cloudformation", &list).unwrap();
        let mut exports = answer.split("<member>").filter(|member| tag(member, "Name") == Some(name));
        tag(exports.next().unwrap_or_default(), "Value")
            .unwrap_or_else(|| panic!("no stack exports {name}: {answer}"))
            .to_owned()
    }

    /// What a managed policy says, in its default version.
    pub fn policy(&self, arn: &str) -> Json {
        let ask = |action: &str, more: &[(&str, &str)]| {
            let parameters = [&[("Action", action), ("Version", "2010-05-08"), ("PolicyArn", arn)], more].concat();
            self.query("iam", &parameters).unwrap()
        };
        let policy = ask("GetPolicy", &[]);
        let version = ask("GetPolicyVersion", &[("VersionId", tag(&policy, "DefaultVersionId").unwrap())]);
        // The document is JSON, encoded as part of a URL.
        let mut parts = tag(&version, "Document").unwrap().split('%');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (code, rest) = part.split_at(2);
            text.push(char::from(u8::from_str_radix(code, 16).unwrap()));
            text.push_str(rest);
        }
        serde_json::from_str(&text).unwrap()
    }

    /// The environment variables by which a program is this identity.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_ACCESS_KEY_ID", self.credentials.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key().to_owned()),
        ];
        variables.extend(self.credentials.session_token().map(|token| ("AWS_SESSION_TOKEN", token.to_owned())));
        variables
    }
}

/// The text of the first element of a name.
fn tag<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(text, _)| text)
}
