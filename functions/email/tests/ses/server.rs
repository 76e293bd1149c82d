//! SES v2 as far as sending a mail goes, on loopback: it keeps the mails that it took, and fails where a test wants it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use acequia_core::port::{Mail, MailError, Mailer};
use acequia_testkit::conformance::mailer::{Arrived, MailerInTest, Trouble};
use email::ses::SesMailer;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::{error, free_port, mailer};

#[derive(Default)]
struct State {
    arrived: Vec<Arrived>,
    troubles: VecDeque<Trouble>,
}

/// The real adapter, and the server that it sends to. The server ends with the test's runtime.
pub(crate) struct Served {
    mailer: SesMailer,
    state: Arc<Mutex<State>>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mailer = mailer(listener.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { mailer, state }
    }
}

impl Mailer for Served {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        self.mailer.send(mail).await
    }
}

impl MailerInTest for Served {
    fn arrived(&self) -> Vec<Arrived> {
        self.state.lock().unwrap().arrived.clone()
    }

    fn fail_next(&self, trouble: Trouble) {
        self.state.lock().unwrap().troubles.push_back(trouble);
    }

    fn unconnected(&self) -> impl Mailer {
        mailer(free_port())
    }
}

/// Answers one request and closes the connection.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await;
    match answer(&request, &state) {
        Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
        // With a reset, and not an orderly end.
        None => stream.get_ref().set_zero_linger().unwrap(),
    }
}

/// What is sent back; nothing where the answer is lost.
fn answer(request: &Json, state: &Mutex<State>) -> Option<String> {
    let mut state = state.lock().unwrap();
    let trouble = state.troubles.pop_front();
    match trouble {
        Some(Trouble::Refused) => return Some(error("400 Bad Request", "BadRequestException")),
        Some(Trouble::Throttled) => return Some(error("429 Too Many Requests", "TooManyRequestsException")),
        Some(Trouble::Paused) => return Some(error("400 Bad Request", "SendingPausedException")),
        Some(Trouble::AnswerLost) | None => state.arrived.push(arrived(request)),
    }
    let body = json!({ "MessageId": format!("0100-{}", state.arrived.len()) }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    trouble.is_none().then(|| head + &body)
}

/// Reads one request for sending a mail, and gives its body.
async fn read(stream: &mut BufReader<TcpStream>) -> Json {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.unwrap() > 0, "the request ends in its head");
    }
    assert!(head.starts_with("POST /v2/email/outbound-emails HTTP/1.1\r\n"), "{head}");
    let lengths = head
        .lines()
        .filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let mut body = vec![0; lengths.sum::<usize>()];
    stream.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// The mail of a request. What is no text in it, and is to be one, fails the test.
fn arrived(request: &Json) -> Arrived {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let optional = |pointer: &str| request.pointer(pointer).map(text);
    let at = |pointer: &str| optional(pointer).unwrap_or_else(|| panic!("{pointer} is missing in {request}"));
    let list = |pointer: &str| request.pointer(pointer).and_then(Json::as_array).cloned().unwrap_or_default();
    let pair = |value: &Json| (text(&value["Name"]), text(&value["Value"]));
    // A mail goes through a configuration set in any case: the platform's, or that of the tenant of SES.
    let ses_tenant = optional("/TenantName");
    assert_eq!(at("/ConfigurationSetName"), ses_tenant.as_deref().unwrap_or("acequia"));
    Arrived {
        from: at("/FromEmailAddress"),
        to: list("/Destination/ToAddresses").iter().map(text).collect(),
        reply_to: list("/ReplyToAddresses").iter().map(text).collect(),
        subject: at("/Content/Simple/Subject/Data"),
        text: at("/Content/Simple/Body/Text/Data"),
        html: optional("/Content/Simple/Body/Html/Data"),
        headers: list("/Content/Simple/Headers").iter().map(pair).collect(),
        tags: list("/EmailTags").iter().map(pair).collect(),
        ses_tenant,
    }
}
