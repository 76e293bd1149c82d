//! The real SES adapter over real connections: it passes the suite of its port, and where connections are refused,
//! break or answer with an error, it says what is known of the mail then.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's own mistake should stop the test where it was made")]

mod server;

use acequia_aws::clients::function_config;
use acequia_core::egress::{Authorities, Reach};
use acequia_core::port::{Mail, MailError, Mailer as _};
use acequia_testkit::build;
use email::ses::SesMailer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn mail() -> Mail {
    let envelope = build::envelope("acme", "1", "action.signed", "{}");
    let delivery = acequia_core::delivery::Delivery::new(build::sink_id("thanks"), envelope);
    Mail {
        from: "hello@acme.example".to_owned(),
        to: "ana@example.org".to_owned(),
        written: "ana@example.org".to_owned(),
        reply_to: None,
        subject: "Thank you".to_owned(),
        text: "Dear Ana".to_owned(),
        html: None,
        delivery: delivery.id,
        key: build::delivery_key("1", "thanks"),
        tenant: build::tenant_id("acme"),
        headers: Vec::new(),
        about: None,
        ses_tenant: None,
    }
}

mod mailer {
    acequia_testkit::suite!(mailer, crate::server::Served::start().await);
}

/// The real adapter, whose SES is at this port of loopback.
fn mailer(port: u16) -> SesMailer {
    // What a function has in its environment.
    let reach = Reach {
        region: "eu-west-1".to_owned(),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        authorities: Authorities::Built,
    };
    let credentials = aws_sdk_sesv2::config::Credentials::new("key", "secret", None, None, "the test");
    let config = function_config(&reach)
        .into_builder()
        .credentials_provider(aws_sdk_sesv2::config::SharedCredentialsProvider::new(credentials))
        .build();
    SesMailer::new(&config, "acequia".to_owned())
}

async fn send(port: u16) -> Result<String, MailError> {
    mailer(port).send(&mail()).await
}

/// A port at which nothing listens.
fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A server that takes one request, whole, and then answers this, or breaks off the connection where that is empty.
async fn answering(answer: String) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut request, mut some) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"}") {
            let read = stream.read(&mut some).await.unwrap();
            request.extend_from_slice(some.get(..read).unwrap());
        }
        if answer.is_empty() {
            // With a reset, and not an orderly end.
            stream.set_zero_linger().unwrap();
        } else {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    port
}

fn error(status: &str, code: &str) -> String {
    let body = r#"{"message":"no"}"#;
    format!(
        "HTTP/1.1 {status}\r\nx-amzn-errortype: {code}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    assert_eq!(send(free_port()).await, Err(MailError::NoConnection));
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_it_unknown_whether_the_mail_was_sent() {
    assert_eq!(send(answering(String::new()).await).await, Err(MailError::NoAnswer));
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_owned();
    assert_eq!(send(answering(cut).await).await, Err(MailError::NoAnswer));
}

#[tokio::test]
async fn an_error_of_the_services_own_leaves_it_unknown_and_a_refusal_does_not() {
    let sent =
        |status: &'static str, code: &'static str| async move { send(answering(error(status, code)).await).await };
    for status in ["500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout"] {
        assert_eq!(sent(status, "InternalFailure").await, Err(MailError::NoAnswer), "{status}");
    }
    let throttled = |code: &str| Err(MailError::Throttled(code.to_owned()));
    assert_eq!(sent("503 Service Unavailable", "ServiceUnavailable").await, throttled("ServiceUnavailable"));
    assert_eq!(sent("429 Too Many Requests", "TooManyRequestsException").await, throttled("TooManyRequestsException"));
    let refused = Err(MailError::Refused("MessageRejected".to_owned()));
    assert_eq!(sent("400 Bad Request", "MessageRejected").await, refused);
}
