//! What is logged has no credential in it, and no part of one.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use acequia_core::access::{ApiKey, Refused};
use acequia_testkit::build;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::issuer::{Answer, Server, Signer};
use crate::world::{World, id, platform, with};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn nothing_that_fails_logs_a_key_a_token_or_the_path_of_a_key_set() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).with_max_level(tracing::Level::TRACE);
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let (signer, server) = (Signer::new("one"), Server::start(Answer::Status(500, String::new())).await);
    let mut url = server.url.clone();
    url.set_query(Some("token=hidden-in-the-url"));
    let world = World::trusting(vec![platform(&url)]);
    world.tenants.key_reads.go_down();
    let key = ApiKey::make(&build::stage(), &id("acme"), [1; 32], [2; 32]);
    assert_eq!(world.refusal(key.expose()).await, Some(Refused::KeysUnavailable));
    let token = signer.sign(&with("sub", json!("ana@example.org")));
    assert_eq!(world.refusal(&token).await, Some(Refused::IssuerUnreachable));
    server.answer(Answer::Long(1 << 20, true));
    world.pass(5);
    assert_eq!(world.refusal(&token).await, Some(Refused::IssuerUnreachable));
    let text = log.text();
    assert!(text.contains("store of API keys") && text.contains("keys of an issuer"), "it is logged: {text}");
    let (_, secret) = key.expose().rsplit_once('_').unwrap();
    for hidden in [secret, token.as_str(), "hidden-in-the-url", "ana@example.org"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    for part in token.split('.') {
        assert!(!text.contains(part), "{text}");
    }
}
