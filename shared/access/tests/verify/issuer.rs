//! An issuer of tokens on loopback: keys of its own, and a server that gives them out, or something else.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// A pair of keys.
pub(crate) struct Signer {
    kid: &'static str,
    pair: KeyPair,
}

impl Signer {
    pub(crate) fn new(kid: &'static str) -> Self {
        Self { kid, pair: KeyPair::generate_for(&PKCS_ED25519).unwrap() }
    }

    /// Its public part.
    pub(crate) fn jwk(&self) -> Json {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": URL_SAFE_NO_PAD.encode(self.pair.public_key_raw())})
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Json) -> String {
        self.sign_as(self.kid, claims)
    }

    /// A token whose header names a key of this id.
    pub(crate) fn sign_as(&self, kid: &str, claims: &Json) -> String {
        self.sign_with(&Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) }, claims)
    }

    /// A token with this header.
    pub(crate) fn sign_with(&self, header: &Header, claims: &Json) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(&self.pair.serialize_der())).unwrap()
    }
}

/// What a server answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Keys(Json),
    /// This status, with this header, and a set in the body all the same.
    Status(u16, String),
    /// So many bytes of JSON that is one as far as it goes; with or without its length beforehand.
    Long(usize, bool),
    /// Nothing, ever.
    Silence,
}

/// A server of key sets; it ends with its handle.
pub(crate) struct Server {
    pub(crate) url: Url,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    answer: Answer,
    requests: usize,
    /// The bytes of an answer that the client took.
    sent: usize,
}

impl Server {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
        let state = Arc::new(Mutex::new(State { answer, requests: 0, sent: 0 }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, state, task }
    }

    pub(crate) async fn of(keys: &[Json]) -> Self {
        Self::start(Answer::Keys(json!({"keys": keys}))).await
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.state.lock().unwrap().answer = answer;
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    pub(crate) fn sent(&self) -> usize {
        self.state.lock().unwrap().sent
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests += 1;
        state.answer.clone()
    };
    let (status, header, body) = match answer {
        Answer::Keys(keys) => (200, String::new(), keys.to_string()),
        Answer::Status(status, header) => (status, header, json!({"keys": []}).to_string()),
        Answer::Long(bytes, told) => {
            let length = if told { format!("content-length: {bytes}\r\n") } else { String::new() };
            (200, length, format!("{{\"keys\":[{}", " ".repeat(bytes)))
        }
        Answer::Silence => return std::future::pending().await,
    };
    let _ = stream.write_all(format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{header}\r\n").as_bytes()).await;
    for piece in body.as_bytes().chunks(16 * 1024) {
        if stream.write_all(piece).await.is_err() {
            return;
        }
        state.lock().unwrap().sent += piece.len();
    }
}
