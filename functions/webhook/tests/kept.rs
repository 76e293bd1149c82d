//! Kept connections that died unseen while nothing happened: the real client against a server that forgets connections
//! without a word.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use acequia_core::delivery::ledger::{Stages, Status};
use acequia_core::egress::{Authorities, Egress};
use acequia_core::kind::SinkKind;
use acequia_core::port::Clock as _;
use acequia_core::queue::QueueRole;
use acequia_core::secret::SecretPurpose;
use acequia_core::time::after;
use acequia_lambda::{
    BatchLoop, Breakers, CachedTenants, Deadline, RateLimiter, SinkLoop, SystemClock, Telemetry, Widths,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryAlerts, InMemoryDelays, InMemoryEndpoints, InMemoryLedger, InMemoryQueues,
    InMemoryRates, InMemorySecrets, InMemoryTenants, SeededChance, build,
};
use reqwest::{Client, RequestBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use webhook::WebhookSink;
use webhook::caller::{Caller, Failed};

/// What a server does with each connection.
#[derive(Debug, Clone, Copy)]
enum Manners {
    /// It answers the first request, and resets the connection at the second one.
    ForgetsAfterOne,
    /// It resets the connection at the first request.
    Resets,
}

/// A server, and how many requests reached it.
async fn server(manners: Manners) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, manners, Arc::clone(&seen)));
        }
    });
    (address, requests)
}

async fn serve(mut stream: TcpStream, manners: Manners, seen: Arc<AtomicUsize>) {
    let mut request = [0_u8; 4096];
    if matches!(manners, Manners::ForgetsAfterOne) {
        if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    }
    // What a peer does that knows nothing of the connection: it says nothing until it is spoken to, and then resets.
    if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        seen.fetch_add(1, Ordering::SeqCst);
    }
    stream.set_zero_linger().unwrap();
}

fn post(client: &Client, address: SocketAddr) -> RequestBuilder {
    client.post(format!("http://{address}/")).body("x").timeout(Duration::from_secs(5))
}

#[tokio::test]
async fn a_request_on_a_kept_connection_that_died_is_made_again_on_a_fresh_one() {
    let (address, requests) = server(Manners::ForgetsAfterOne).await;
    let caller = Caller::new(Egress::Local, Authorities::Built, Arc::new(SystemClock)).unwrap();
    for _ in 0..5 {
        let answer = caller.send(|client| Ok(post(client, address))).await.unwrap();
        assert_eq!(answer.status(), 204);
    }
    // The second and the fourth reached a dead connection and then a fresh one; the others made one, which was kept.
    assert_eq!(requests.load(Ordering::SeqCst), 7);
}

#[tokio::test]
async fn many_dead_connections_at_once_fail_nobody() {
    let (address, _) = server(Manners::ForgetsAfterOne).await;
    let caller = Caller::new(Egress::Local, Authorities::Built, Arc::new(SystemClock)).unwrap();
    for _ in 0..2 {
        let all = (0..16).map(|_| caller.send(|client| Ok(post(client, address))));
        for answer in futures::future::join_all(all).await {
            assert_eq!(answer.unwrap().status(), 204);
        }
    }
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_the_endpoints_own_and_is_not_tried_again() {
    let (address, requests) = server(Manners::Resets).await;
    let caller = Caller::new(Egress::Local, Authorities::Built, Arc::new(SystemClock)).unwrap();
    let failed = caller.send(|client| Ok(post(client, address))).await.unwrap_err();
    assert!(matches!(failed, Failed::Unanswered { connecting: false, .. }), "{failed:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_delivery_whose_kept_connection_died_spends_one_attempt_and_comes_not_back() {
    let (address, requests) = server(Manners::ForgetsAfterOne).await;
    let (clock, acme) = (FixedClock::default(), build::tenant_id("acme"));
    let time = || Arc::new(clock.clone());
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"crm","kind":"webhook","types":["*"],"url":"http://{address}/","secrets":["crm"]}}]}}"#
    );
    let secret = format!("whsec_{}", "A".repeat(40));
    let chance = || Arc::new(SeededChance::new(1));
    let breakers = Breakers::new(InMemoryEndpoints::new(), InMemoryAlerts::new(), time(), chance());
    let secrets = InMemorySecrets::new().with(&acme, SecretPurpose::Webhook, &build::secret_name("crm"), secret);
    let sink = WebhookSink::new(secrets, Egress::Local, Authorities::Built, time()).unwrap();
    let ledger = InMemoryLedger::new();
    let sink_loop = SinkLoop::<InMemory, _> {
        common: BatchLoop {
            tenants: CachedTenants::new(InMemoryTenants::new().with(&acme, document), time()),
            ledger: ledger.clone(),
            queues: InMemoryQueues::new(clock.clone()),
            delays: InMemoryDelays::new(),
            clock: time(),
            chance: chance(),
            telemetry: Telemetry::silent(),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), time()),
        breakers: Some(breakers),
        sink,
    };
    for event in ["1", "2"] {
        let envelope = build::envelope("acme", event, "action.signed", "{}");
        let queue = build::queue("acme", QueueRole::Sink(SinkKind::Webhook));
        let batch = lambda_event(&[build::incoming_delivery(&queue, event, "crm", &envelope)]);
        let deadline = Deadline::at(after(clock.now(), Duration::from_mins(1)));
        let answer = sink_loop.handle(serde_json::from_value(batch).unwrap(), deadline).await.unwrap();
        assert!(answer.batch_item_failures.is_empty(), "{event}");
        let record = ledger.record(&acme, &build::delivery_key(event, "crm")).unwrap();
        assert_eq!((record.status, record.attempts_used, record.attempts.len()), (Status::Delivered, 1, 1), "{event}");
        // The address is in the URL, and the clock stands still: a stage that was gone through took no time.
        let connected = Stages { connect_ms: Some(0), first_byte_ms: Some(0), ..Stages::default() };
        assert_eq!((record.attempts[0].stages, record.attempts[0].fault), (Some(connected), None), "{event}");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 3, "the second met a dead connection, and then a fresh one");
}
