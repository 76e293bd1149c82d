//! A bucket of the local AWS, as the test makes it and looks into it: by calls that are signed by another part of the
//! SDK than the adapter's.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test builds on fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::SystemTime;

use acequia_aws::{S3ArchiveEraser, S3ArchiveUpkeep, S3AuditCopies};
use acequia_core::archive::ObjectKey;
use acequia_core::audit::AuditRow;
use acequia_core::id::TenantId;
use acequia_core::port::{
    Archive, ArchiveEraser, ArchiveReader, ArchiveUpkeep, AuditCopies, Listing, ReadError, StoredObject, Unavailable,
};
use acequia_testkit::conformance::archive::ArchiveInTest;
use acequia_testkit::conformance::audit_copies::AuditCopiesInTest;
use aws_sdk_sqs::config::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use jiff::Timestamp;

use crate::World;

/// The archive, and what a test needs beside the port.
pub(crate) struct RealArchive {
    used: S3ArchiveUpkeep,
    eraser: S3ArchiveEraser,
    endpoint: String,
    bucket: String,
}

impl World {
    pub(crate) fn archive(self) -> RealArchive {
        let bucket = format!("{}-archive", self.stage);
        let endpoint = self.config.endpoint_url().unwrap().to_owned();
        let used = S3ArchiveUpkeep::new(&self.config, &bucket);
        let eraser = S3ArchiveEraser::new(&self.config, &bucket);
        assert_eq!(call(&endpoint, "PUT", &format!("/{bucket}")).0, 200);
        RealArchive { used, eraser, endpoint, bucket }
    }
}

impl Archive for RealArchive {
    async fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> Result<bool, Unavailable> {
        self.used.keep(key, content).await
    }
}

impl ArchiveReader for RealArchive {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        self.used.list(tenant, after).await
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        self.used.read(object).await
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        self.used.first_kept(object).await
    }
}

impl ArchiveUpkeep for RealArchive {
    async fn remove(&self, object: &StoredObject) -> Result<(), Unavailable> {
        self.used.remove(object).await
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, Unavailable> {
        self.used.tenants(after).await
    }
}

impl ArchiveEraser for RealArchive {
    async fn rewrite(&self, object: &StoredObject, content: Vec<u8>) -> Result<bool, Unavailable> {
        self.eraser.rewrite(object, content).await
    }
}

impl ArchiveInTest for RealArchive {
    async fn delete(&self, key: &ObjectKey) {
        let path = format!("/{}/{}", self.bucket, key.to_string().replace('=', "%3D"));
        assert_eq!(call(&self.endpoint, "DELETE", &path).0, 204);
    }

    async fn content(&self, key: &ObjectKey) -> Option<Vec<u8>> {
        let path = format!("/{}/{}", self.bucket, key.to_string().replace('=', "%3D"));
        let (status, body) = call(&self.endpoint, "GET", &path);
        (status == 200).then_some(body)
    }
}

/// Copies of audit rows, and what a test needs beside the port.
pub(crate) struct RealAuditCopies {
    used: S3AuditCopies,
    endpoint: String,
    bucket: String,
}

impl World {
    pub(crate) fn audit_copies(self) -> RealAuditCopies {
        let bucket = format!("{}-audit", self.stage);
        let endpoint = self.config.endpoint_url().unwrap().to_owned();
        let used = S3AuditCopies::new(&self.config, &bucket, "test".parse().unwrap());
        assert_eq!(call(&endpoint, "PUT", &format!("/{bucket}")).0, 200);
        RealAuditCopies { used, endpoint, bucket }
    }
}

impl AuditCopies for RealAuditCopies {
    async fn keep(&self, tenant: &TenantId, row: &AuditRow) -> Result<bool, Unavailable> {
        self.used.keep(tenant, row).await
    }
}

impl AuditCopiesInTest for RealAuditCopies {
    async fn copy(&self, tenant: &TenantId, row: &AuditRow) -> Option<AuditRow> {
        let path = format!("/{}/{}", self.bucket, self.used.name(tenant, row).replace('=', "%3D"));
        let (status, body) = call(&self.endpoint, "GET", &path);
        (status == 200).then(|| serde_json::from_slice(&body).unwrap())
    }
}

/// A request without a body; answers status and body.
#[expect(clippy::disallowed_methods, reason = "a signature carries the real time")]
fn call(endpoint: &str, method: &str, path: &str) -> (u16, Vec<u8>) {
    let host = endpoint.trim_start_matches("http://");
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = Credentials::new("test", "test", None, None, "test").into();
    let parameters = v4::SigningParams::builder().identity(&identity).region("us-east-1").name("s3");
    let parameters = parameters.time(SystemTime::now()).settings(settings).build().unwrap().into();
    let url = format!("{endpoint}{path}");
    let signable = SignableRequest::new(method, &url, [].into_iter(), SignableBody::Bytes(b"")).unwrap();
    let (signing, _) = sign(signable, &parameters).unwrap().into_parts();
    let mut headers = String::new();
    for (name, value) in signing.headers() {
        headers.extend([name, ": ", value, "\r\n"]);
    }
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_off(end + 4))
}
