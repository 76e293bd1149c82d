//! How long key sets are believed, and how often they are fetched.

use acequia_core::access::Refused;
use serde_json::{Value as Json, json};

use crate::issuer::{Answer, Server, Signer};
use crate::world::{World, claims, inline, now, own, platform, with};

/// A token that is good whenever these tests ask.
fn lasting() -> Json {
    with("exp", json!(now() + 40 * 3600))
}

#[tokio::test]
async fn a_set_is_fetched_every_ten_minutes_whatever_the_number_of_tokens() {
    let signer = Signer::new("one");
    let server = Server::of(&[signer.jwk()]).await;
    let world = World::trusting(vec![platform(&server.url)]);
    for number in 0..50 {
        let mut claims = lasting();
        claims["jti"] = json!(number);
        assert_eq!(world.refusal(&signer.sign(&claims)).await, None);
        world.pass(11);
    }
    assert_eq!(server.requests(), 1);
    world.pass(60);
    assert_eq!(world.refusal(&signer.sign(&lasting())).await, None);
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn while_the_issuer_is_down_its_keys_serve_for_a_day() {
    let signer = Signer::new("one");
    let server = Server::of(&[signer.jwk()]).await;
    let world = World::trusting(vec![platform(&server.url)]);
    assert_eq!(world.refusal(&signer.sign(&lasting())).await, None);
    server.answer(Answer::Status(503, String::new()));
    world.pass(24 * 3600 - 1);
    for _ in 0..10 {
        assert_eq!(world.refusal(&signer.sign(&lasting())).await, None);
    }
    assert_eq!(server.requests(), 2, "it is not flooded");
    world.pass(1);
    world.pass(60);
    assert_eq!(world.refusal(&signer.sign(&lasting())).await, Some(Refused::IssuerUnreachable));
    assert_eq!(Refused::IssuerUnreachable.status(), 503, "no credential is wrong");
    server.answer(Answer::Keys(json!({"keys": [signer.jwk()]})));
    world.pass(5);
    assert_eq!(world.refusal(&signer.sign(&lasting())).await, None);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_is_let_alone_for_five_seconds() {
    let signer = Signer::new("one");
    let server = Server::start(Answer::Status(503, String::new())).await;
    let world = World::trusting(vec![platform(&server.url)]);
    for _ in 0..20 {
        assert_eq!(world.refusal(&signer.sign(&claims())).await, Some(Refused::IssuerUnreachable));
    }
    assert_eq!(server.requests(), 1);
    world.pass(5);
    server.answer(Answer::Keys(json!({"keys": [signer.jwk()]})));
    assert_eq!(world.refusal(&signer.sign(&claims())).await, None);
}

#[tokio::test]
async fn a_new_key_is_noticed_by_its_id_and_unknown_ids_fetch_once_a_minute() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let server = Server::of(&[old.jwk()]).await;
    let world = World::trusting(vec![platform(&server.url)]);
    assert_eq!(world.refusal(&old.sign(&claims())).await, None);
    server.answer(Answer::Keys(json!({"keys": [old.jwk(), new.jwk()]})));
    world.pass(60);
    assert_eq!(world.refusal(&new.sign(&claims())).await, None);
    assert_eq!(server.requests(), 2);
    for number in 0..100 {
        let kid = format!("made-up-{number}");
        assert_eq!(world.refusal(&new.sign_as(&kid, &claims())).await, Some(Refused::UnknownSigningKey));
    }
    assert_eq!(server.requests(), 2);
    world.pass(60);
    assert_eq!(world.refusal(&new.sign_as("other", &claims())).await, Some(Refused::UnknownSigningKey));
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn a_wrong_signature_fetches_nothing() {
    let (signer, evil) = (Signer::new("one"), Signer::new("one"));
    let server = Server::of(&[signer.jwk()]).await;
    let world = World::trusting(vec![platform(&server.url)]);
    for _ in 0..5 {
        assert_eq!(world.refusal(&evil.sign(&claims())).await, Some(Refused::Signature));
        world.pass(61);
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn many_requests_at_once_fetch_a_set_once() {
    let signer = Signer::new("one");
    let server = Server::of(&[signer.jwk()]).await;
    let world = World::trusting(vec![platform(&server.url)]);
    let tokens: Vec<String> = (0..20).map(|number| signer.sign(&with("jti", json!(number)))).collect();
    let asked = tokens.iter().map(|token| world.refusal(token));
    let refused = futures::future::join_all(asked).await;
    assert!(refused.iter().all(Option::is_none), "{refused:?}");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_set_is_known_by_its_url_and_not_by_the_name_of_its_issuer() {
    let (signer, evil) = (Signer::new("one"), Signer::new("one"));
    let (good, bad) = (Server::of(&[signer.jwk()]).await, Server::of(&[evil.jwk()]).await);
    let world = World::trusting(vec![platform(&good.url)]);
    // Bona's file gives the platform's issuer a URL of its own, and is asked first.
    let of_bona = own(platform(&bad.url), "events");
    let forged = |tenant: &str| evil.sign(&with("tenant", json!(tenant)));
    assert!(world.ask_trusting("bona", &forged("bona"), &[of_bona]).await.is_ok());
    assert_eq!(world.refusal(&forged("acme")).await, Some(Refused::Signature));
    assert_eq!(world.refusal(&signer.sign(&claims())).await, None);
    assert_eq!(inline(&[signer.jwk()]).issuer, platform(&good.url).issuer);
}
