//! The archive in a bucket of S3, called without its SDK crate
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
//!
//! An object is put on the condition that there is none of its name (`If-None-Match: *`). S3 checks the body against the
//! SHA-256 of the signature, and keeps it with the object.

use std::fmt;

use acequia_core::archive::{Form, ObjectKey};
use acequia_core::id::TenantId;
use acequia_core::port::{Archive, ArchiveEraser, ArchiveReader, Listing, ReadError, StoredObject, Unavailable};
use aws_config::SdkConfig;
use aws_runtime::auth::SigningOptions;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ErrorMetadata;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::archive_reader::S3ArchiveReader;
use crate::json_client::{NO_REASON, Refused, by_status, operation, plugin, retrying};
use crate::refusal::unavailable;
use crate::service::Service;
use crate::xml::Xml;

const S3: Service = Service::regional("s3", "s3");
const KEEP: &str = "keep an object in the archive";
const REWRITE: &str = "write an object of the archive anew";

/// A bucket that is an archive.
pub struct S3Archive {
    operation: Operation<Put, bool, Refused>,
    /// What stands before a key in the path: nothing where the bucket is a part of the host's name.
    before: String,
}

/// What an operation on a bucket is made of: its client, and what stands before a key in the path.
pub(crate) fn bucket(config: &SdkConfig, bucket: &str) -> (String, String, StaticRuntimePlugin) {
    // S3 signs a path as it is sent, and wants the digest of the body beside the signature
    // (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
    let mut signing = SigningOptions::default();
    signing.double_uri_encode = false;
    signing.normalize_uri_path = false;
    signing.content_sha256_header = true;
    let (regional, plugin) = plugin(config, "S3", S3, signing);
    // A local AWS has no names of its own: there the bucket is a part of the path.
    let (endpoint, before) = match config.endpoint_url() {
        Some(local) => (local.to_owned(), format!("/{bucket}")),
        None => (regional.replacen("https://", &format!("https://{bucket}."), 1), String::new()),
    };
    (endpoint, before, plugin)
}

/// A key as it stands in a path: what it has beside letters, digits, `/`, `-` and `.` is `=`.
pub(crate) fn in_path(key: &str) -> String {
    key.replace('=', "%3D")
}

impl fmt::Debug for S3Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3Archive").field(&self.before).finish()
    }
}

/// An object on its way. It holds events, and shows nowhere.
struct Put {
    path: String,
    content: Vec<u8>,
    kind: &'static str,
    condition: Condition,
}

/// On what condition an object is put.
enum Condition {
    /// There is none of its name.
    New,
    /// It is still this one (an `ETag`); what it holds was kept first at this time.
    InPlaceOf { version: String, first_kept: Timestamp },
}

/// The header that says when what an object holds was kept first, where it was written anew since.
pub(crate) const FIRST_KEPT: &str = "x-amz-meta-first-kept";

impl fmt::Debug for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Put").field(&self.path).finish()
    }
}

impl S3Archive {
    /// The bucket of this name, in the configuration's region.
    pub fn new(config: &SdkConfig, bucket: &str) -> Self {
        let (endpoint, before, plugin) = self::bucket(config, bucket);
        let operation = retrying(operation(config, ("S3", "PutObject"), &endpoint), config);
        let operation = operation.runtime_plugin(plugin).serializer(request).deserializer(answer).build();
        Self { operation, before }
    }

    /// Puts an object where none of its name is; false where there is one.
    pub(crate) async fn put_new(
        &self,
        operation: &'static str,
        key: &str,
        content: Vec<u8>,
        kind: &'static str,
    ) -> Result<bool, Unavailable> {
        let path = format!("{}/{}", self.before, in_path(key));
        let put = Put { path, content, kind, condition: Condition::New };
        self.operation.invoke(put).await.map_err(|error| unavailable(operation, error))
    }
}

/// A bucket that is an archive, for who erases.
#[derive(Debug)]
pub struct S3ArchiveEraser {
    reader: S3ArchiveReader,
    writer: S3Archive,
}

impl S3ArchiveEraser {
    /// The bucket of this name, in the configuration's region.
    pub fn new(config: &SdkConfig, bucket: &str) -> Self {
        Self { reader: S3ArchiveReader::new(config, bucket), writer: S3Archive::new(config, bucket) }
    }
}

impl ArchiveReader for S3ArchiveEraser {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        self.reader.list(tenant, after).await
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        self.reader.read(object).await
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        self.reader.first_kept(object).await
    }
}

impl ArchiveEraser for S3ArchiveEraser {
    async fn rewrite(&self, object: &StoredObject, content: Vec<u8>) -> Result<bool, Unavailable> {
        let first_kept = match self.reader.first_kept(object).await {
            Ok(first_kept) => first_kept,
            Err(ReadError::Unavailable(error)) => return Err(error),
            Err(_) => return Ok(false),
        };
        let condition = Condition::InPlaceOf { version: object.version.clone(), first_kept };
        let path = format!("{}/{}", self.writer.before, in_path(&object.key.to_string()));
        let put = Put { path, content, kind: media_type(object.key.form), condition };
        self.writer.operation.invoke(put).await.map_err(|error| unavailable(REWRITE, error))
    }
}

/// What S3 is told that an object of this form is.
fn media_type(form: Form) -> &'static str {
    match form {
        Form::Lines => "application/zstd",
        Form::Parquet | Form::Compacted { .. } => "application/vnd.apache.parquet",
    }
}

impl Archive for S3Archive {
    async fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> Result<bool, Unavailable> {
        self.put_new(KEEP, &key.to_string(), content, media_type(key.form)).await
    }
}

fn request(put: Put) -> Result<HttpRequest, BoxError> {
    let digest = STANDARD.encode(Sha256::digest(&put.content));
    let mut request = HttpRequest::new(SdkBody::from(put.content));
    request.set_method("PUT")?;
    request.set_uri(put.path)?;
    let headers = request.headers_mut();
    headers.try_insert("content-type", put.kind)?;
    match put.condition {
        Condition::New => _ = headers.try_insert("if-none-match", "*")?,
        Condition::InPlaceOf { version, first_kept } => {
            headers.try_insert("if-match", version)?;
            headers.try_insert(FIRST_KEPT, first_kept.to_string())?;
        }
    }
    // A bucket with object lock takes nothing without a checksum.
    headers.try_insert("x-amz-sdk-checksum-algorithm", "SHA256")?;
    headers.try_insert("x-amz-checksum-sha256", digest)?;
    Ok(request)
}

/// Whether the object was put.
fn answer(response: &HttpResponse) -> Result<bool, OrchestratorError<Refused>> {
    match response.status().as_u16() {
        200..=299 => Ok(true),
        412 => Ok(false),
        status => {
            let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
            let (code, message) = refused(&body, status);
            Err(OrchestratorError::operation(Refused(ErrorMetadata::builder().code(code).message(message).build())))
        }
    }
}

/// The code and the words of a refusal.
pub(crate) fn refused(body: &str, status: u16) -> (String, String) {
    let error = Xml::parse(body);
    let word = |name: &str| error.as_ref().and_then(|error| error.find(name)).map(|found| found.own_text().to_owned());
    let code = word("Code").filter(|code| !code.is_empty()).unwrap_or_else(|| by_status(status));
    (code, word("Message").unwrap_or_else(|| NO_REASON.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_its_code_and_its_words() {
        let slow = r#"<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce.</Message></Error>"#;
        assert_eq!(refused(slow, 503), ("SlowDown".to_owned(), "Please reduce.".to_owned()));
        assert_eq!(refused("", 403), ("AccessDenied".to_owned(), NO_REASON.to_owned()));
    }

    #[test]
    fn what_is_put_shows_nowhere() {
        let put =
            Put { path: "/b/k".to_owned(), content: b"s3cret".to_vec(), kind: "text/plain", condition: Condition::New };
        assert_eq!(format!("{put:?}"), "Put(\"/b/k\")");
    }
}
