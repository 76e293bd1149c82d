//! Whose certificates are trusted: public authorities', and those of an authority of one's own where the machine's
//! environment names it.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests; and some run this program with another environment"
)]

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::egress::{Authorities, Egress};
use acequia_core::outcome::Cause;
use acequia_core::outcome::connection::ConnectionFailure;
use acequia_lambda::SystemClock;
use receiver::certificate::OwnCertificate;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use webhook::caller::{Caller, Failed};
use webhook::classify;

/// Where the child process finds the endpoint.
const ENDPOINT: &str = "WEBHOOK_TLS_ENDPOINT";

/// An endpoint that answers 204 under a certificate that no authority signed, for this host, and the certificate.
async fn endpoint(host: &str) -> (SocketAddr, String) {
    let OwnCertificate { acceptor, pem } = OwnCertificate::of(host).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0_u8; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    (address, pem)
}

#[tokio::test]
async fn a_certificate_that_no_authority_signed_is_not_believed() {
    let (address, _) = endpoint("localhost").await;
    let client = acequia_egress::builder(Egress::Local, Authorities::Built).unwrap().build().unwrap();
    let error = client.post(format!("https://localhost:{}/", address.port())).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
}

#[tokio::test]
async fn an_authority_that_the_environment_names_is_believed() {
    let (address, certificate) = endpoint("localhost").await;
    in_a_process_that_trusts(certificate, address, "child_calls_the_endpoint").await;
}

#[tokio::test]
async fn a_certificate_that_is_believed_and_for_another_name_is_told_apart() {
    let (address, certificate) = endpoint("elsewhere.example").await;
    in_a_process_that_trusts(certificate, address, "child_calls_the_endpoint_by_another_name").await;
}

/// Runs one of the tests below where the certificate is believed: the environment is a process's own, and this one's
/// threads share it.
async fn in_a_process_that_trusts(certificate: String, address: SocketAddr, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.pem");
    std::fs::write(&file, certificate).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored"]);
    child.env("SSL_CERT_FILE", file).env(ENDPOINT, format!("https://localhost:{}/", address.port()));
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "a test above runs it in a process of its own"]
async fn child_calls_the_endpoint() {
    let client = acequia_egress::builder(Egress::Local, Authorities::Machine).unwrap().build().unwrap();
    let answer = client.post(std::env::var(ENDPOINT).unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
#[ignore = "a test above runs it in a process of its own"]
async fn child_calls_the_endpoint_by_another_name() {
    let caller = Caller::new(Egress::Local, Authorities::Machine, Arc::new(SystemClock)).unwrap();
    let url = std::env::var(ENDPOINT).unwrap();
    let failed = caller.send(|client| Ok(client.post(&url))).await.unwrap_err();
    let Failed::Unanswered { error, connecting } = failed else { panic!("it was made: {failed:?}") };
    let cause = classify::no_answer(&error, connecting, Duration::from_secs(1));
    assert_eq!(cause, Cause::Connection(ConnectionFailure::CertificateName));
}
