//! A bucket of the local AWS, as the test makes it and looks into it: without a signature, which the local AWS does not
//! ask for.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test builds on fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use acequia_aws::S3Archive;
use acequia_core::archive::ObjectKey;
use acequia_core::port::{Archive, Unavailable};
use acequia_testkit::conformance::archive::ArchiveInTest;

use crate::World;

/// The archive, and what a test needs beside the port.
pub(crate) struct RealArchive {
    used: S3Archive,
    endpoint: String,
    bucket: String,
}

impl World {
    pub(crate) fn archive(self) -> RealArchive {
        let bucket = format!("{}-archive", self.stage);
        let endpoint = self.config.endpoint_url().unwrap().to_owned();
        let used = S3Archive::new(&self.config, &bucket);
        assert_eq!(call(&endpoint, "PUT", &format!("/{bucket}")).0, 200);
        RealArchive { used, endpoint, bucket }
    }
}

impl Archive for RealArchive {
    async fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> Result<bool, Unavailable> {
        self.used.keep(key, content).await
    }
}

impl ArchiveInTest for RealArchive {
    async fn content(&self, key: &ObjectKey) -> Option<Vec<u8>> {
        let path = format!("/{}/{}", self.bucket, key.to_string().replace('=', "%3D"));
        let (status, body) = call(&self.endpoint, "GET", &path);
        (status == 200).then_some(body)
    }
}

/// A request without a body; answers status and body.
fn call(endpoint: &str, method: &str, path: &str) -> (u16, Vec<u8>) {
    let host = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_off(end + 4))
}
