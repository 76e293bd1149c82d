//! Each way of having no answer, made for real: the record and the metrics tell them apart, and repeat no URL.

use std::net::SocketAddr;

use receiver::certificate::OwnCertificate;
use tokio::net::TcpListener;

use crate::world::{Manners, Server, World, world};

/// Has an event delivered to the URL; answers what its record says, after looking at what the metrics say.
async fn fails(url: &str, code: &str) -> String {
    let world = world(url, r#","timeout":"1s""#);
    assert_eq!(world.deliver_one("1").await.len(), 1, "{code}");
    assert_eq!(world.failed(), [(code.to_owned(), 1)]);
    let detail = world.detail("1");
    let host = url.split('/').nth(2).unwrap();
    assert!(!detail.contains("t0ken") && !detail.contains(host), "{detail}");
    detail
}

/// A TLS server under a certificate; it answers nothing, because no client is to get so far.
async fn tls(certificate: OwnCertificate) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = certificate.acceptor.accept(stream).await;
        }
    });
    address
}

#[tokio::test]
async fn a_port_at_which_nothing_listens_refuses() {
    let address = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let detail = fails(&format!("http://{address}/?token=t0ken"), "connection-refused").await;
    assert_eq!(detail, "connection failed: the host refused it, nothing listens at the port");
}

#[tokio::test]
async fn a_name_that_no_resolver_knows_is_unknown() {
    // No name ends in this one (RFC 6761).
    let detail = fails("https://nosuch.invalid/?token=t0ken", "name-unknown").await;
    assert_eq!(detail, "connection failed: the host name does not resolve to an address");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_and_one_that_expired_are_told_apart() {
    let port = tls(OwnCertificate::of("localhost").unwrap()).await.port();
    let untrusted = fails(&format!("https://localhost:{port}/?token=t0ken"), "certificate-untrusted").await;
    assert!(untrusted.contains("no trusted authority"), "{untrusted}");
    let port = tls(OwnCertificate::expired("localhost").unwrap()).await.port();
    let expired = fails(&format!("https://localhost:{port}/?token=t0ken"), "certificate-expired").await;
    assert!(expired.contains("expired"), "{expired}");
}

#[tokio::test]
async fn what_does_not_speak_tls_fails_at_it() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let detail = fails(&format!("https://localhost:{}/?token=t0ken", plain.port()), "tls").await;
    assert_eq!(detail, "connection failed: TLS could not be agreed upon");
}

#[tokio::test]
async fn a_connection_that_is_reset_or_closed_before_an_answer_broke() {
    for manners in [Manners::Resets, Manners::Closes] {
        let server = Server::start(manners.clone()).await;
        let detail = fails(&server.url(), "connection-reset").await;
        assert_eq!(detail, "connection failed: it broke before an answer came", "{manners:?}");
    }
}

#[tokio::test]
async fn what_answers_in_another_protocol_is_not_http() {
    let server = Server::start(Manners::Writes("220 mail.example ESMTP\r\n".to_owned())).await;
    let detail = fails(&server.url(), "not-http").await;
    assert_eq!(detail, "connection failed: what came back is not HTTP");
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_and_an_answer_that_does_not_come_in_time_are_told_apart() {
    // It takes the connection, and never says its part of TLS.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let detail = fails(&format!("https://localhost:{port}/?token=t0ken"), "connect-timeout").await;
    assert_eq!(detail, "connection failed: it could not be made in time");
    held.abort();
    let server = Server::start(Manners::Silent).await;
    let detail = fails(&server.url(), "answer-timeout").await;
    assert_eq!(detail, "no answer within 1000 ms");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_dead_letter_says_why_the_last_connection_failed() {
    let server = Server::start(Manners::Closes).await;
    let world: World = world(&server.url(), r#","retry":[]"#);
    assert!(world.deliver_one("1").await.is_empty());
    let told = ("attempts-exhausted".to_owned(), "connection failed: it broke before an answer came".to_owned());
    assert_eq!(world.dead_letters(), [told]);
}
