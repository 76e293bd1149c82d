//! Tokens that are forged, old, for somebody else, or not what they say.

use std::time::Duration;

use acequia_core::access::{Claim, Refused, Scope};
use acequia_core::id::TenantId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value as Json, json};

use crate::issuer::{Server, Signer};
use crate::world::{World, claims, id, inline, now, own, with};

fn world(signer: &Signer) -> World {
    World::trusting(vec![inline(&[signer.jwk()])])
}

#[tokio::test]
async fn a_token_makes_a_principal_of_its_tenant_with_its_scopes_and_limits() {
    let signer = Signer::new("one");
    let mut bound = with("acequia_types", json!(["action.*"]));
    bound["sub"] = json!("ana@example.org");
    let principal = world(&signer).ask("acme", &signer.sign(&bound)).await.unwrap();
    assert_eq!((&principal.tenant, principal.may(Scope::EventsWrite)), (&id("acme"), Ok(())));
    assert_eq!(principal.limits.types.len(), 1);
    assert!(!principal.credential.to_string().contains("ana"), "{}", principal.credential);
}

#[tokio::test]
async fn a_token_without_a_signature_or_signed_with_the_public_key_is_refused() {
    let signer = Signer::new("one");
    let world = world(&signer);
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    for signature in ["", "AA"] {
        let none = format!("{}.{}.{signature}", part(&json!({"alg": "none", "kid": "one"})), part(&claims()));
        assert_eq!(world.refusal(&none).await, Some(Refused::Algorithm));
    }
    let public = URL_SAFE_NO_PAD.decode(signer.jwk()["x"].as_str().unwrap()).unwrap();
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    let confused = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&public).unwrap()).unwrap();
    assert_eq!(world.refusal(&confused).await, Some(Refused::Algorithm));
}

#[tokio::test]
async fn a_token_of_another_key_or_with_a_changed_letter_is_refused() {
    let (signer, other) = (Signer::new("one"), Signer::new("one"));
    let world = world(&signer);
    assert_eq!(world.refusal(&other.sign(&claims())).await, Some(Refused::Signature));
    let good = signer.sign(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let changed = URL_SAFE_NO_PAD.encode(with("tenant", json!("bona")).to_string());
    let moved = format!("{}.{changed}.{}", parts[0], parts[2]);
    assert_eq!(world.ask("bona", &moved).await, Err(Refused::Signature));
    assert_eq!(world.refusal(good.get(..good.len() - 4).unwrap()).await, Some(Refused::Signature));
    assert_eq!(world.refusal(&good).await, None);
}

#[tokio::test]
async fn a_key_is_looked_up_by_its_id_alone_whatever_the_id_looks_like() {
    let signer = Signer::new("one");
    let world = world(&signer);
    for kid in ["two", "One", "../../one", "/dev/null", "https://evil.example/keys", "one' OR '1'='1", "one\0"] {
        assert_eq!(world.refusal(&signer.sign_as(kid, &claims())).await, Some(Refused::UnknownSigningKey), "{kid}");
    }
}

#[tokio::test]
async fn what_a_header_says_of_keys_is_never_followed() {
    let (signer, evil) = (Signer::new("one"), Signer::new("one"));
    let world = world(&signer);
    let server = Server::of(&[evil.jwk()]).await;
    let plain = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let jwk = serde_json::from_value(evil.jwk()).unwrap();
    for header in [
        Header { jwk: Some(jwk), ..plain.clone() },
        Header { jku: Some(server.url.to_string()), ..plain.clone() },
        Header { x5u: Some(server.url.to_string()), ..plain.clone() },
        Header { kid: Some(server.url.to_string()), ..plain },
    ] {
        let refused = world.refusal(&evil.sign_with(&header, &claims())).await;
        assert!(matches!(refused, Some(Refused::Signature | Refused::UnknownSigningKey)), "{header:?}: {refused:?}");
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_token_that_is_old_early_for_another_audience_or_tenant_is_refused() {
    let signer = Signer::new("one");
    let world = world(&signer);
    for (claims, refused) in [
        (with("exp", json!(now() - 61)), Refused::TokenExpired),
        (with("nbf", json!(now() + 61)), Refused::TokenNotYetValid),
        (with("aud", json!("billing")), Refused::Audience),
        (with("tenant", json!("bona")), Refused::OtherTenant),
        (with("iss", json!("https://issuer.example.evil")), Refused::UnknownIssuer),
        (with("exp", Json::Null), Refused::Claim(Claim::Expiry)),
    ] {
        assert_eq!(world.refusal(&signer.sign(&claims)).await, Some(refused), "{claims}");
    }
    let principal = world.ask("acme", &signer.sign(&with("scope", json!("openid")))).await.unwrap();
    assert_eq!(principal.may(Scope::EventsWrite), Err(Refused::ScopeMissing(Scope::EventsWrite)));
}

#[tokio::test]
async fn a_token_of_64_kilobytes_and_what_is_no_token_are_refused_unread() {
    let signer = Signer::new("one");
    let world = world(&signer);
    let long = signer.sign(&with("sub", json!("x".repeat(48 * 1024))));
    assert!(long.len() > 64 * 1024);
    assert_eq!(world.refusal(&long).await, Some(Refused::TokenTooLong));
    for text in ["x", "a.b.c", "e30.e30.", "..", "acq"] {
        assert_eq!(world.refusal(text).await, Some(Refused::MalformedToken), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_was_believed_is_refused_at_its_end_and_at_every_other_tenant() {
    let signer = Signer::new("one");
    let world = world(&signer);
    let token = signer.sign(&with("exp", json!(now() + 30)));
    assert_eq!(world.refusal(&token).await, None);
    assert_eq!(world.ask("bona", &token).await, Err(Refused::OtherTenant));
    world.pass(90);
    assert_eq!(world.refusal(&token).await, None, "clocks may be a minute apart");
    world.pass(1);
    assert_eq!(world.refusal(&token).await, Some(Refused::TokenExpired));
}

#[tokio::test]
async fn a_tenants_own_issuer_counts_for_that_tenant_alone() {
    let (signer, evil) = (Signer::new("one"), Signer::new("one"));
    let world = world(&signer);
    // Bona's file names the platform's issuer, with keys of its own.
    let of_bona = own(inline(&[evil.jwk()]), "events");
    let forged = |tenant: &str| evil.sign(&with("tenant", json!(tenant)));
    let bona = world.ask_trusting("bona", &forged("bona"), std::slice::from_ref(&of_bona)).await.unwrap();
    assert_eq!(bona.tenant, id("bona"), "who acts for a tenant is the tenant's to say");
    assert_eq!(world.refusal(&forged("acme")).await, Some(Refused::Signature));
    let both = with("tenant", json!(["acme", "bona"]));
    assert!(world.ask_trusting("bona", &evil.sign(&both), &[of_bona]).await.is_ok());
    assert_eq!(
        world.refusal(&evil.sign(&both)).await,
        Some(Refused::Signature),
        "and what was believed there is not here"
    );
    assert_eq!(world.refusal(&signer.sign(&both)).await, None);
}

#[tokio::test]
async fn one_issuer_that_two_tenants_trust_proves_the_tenant_by_the_audience() {
    let signer = Signer::new("one");
    let world = World::trusting(Vec::new());
    let trusted = |tenant: &str| own(inline(&[signer.jwk()]), &format!("https://events.example/v1/tenants/{tenant}"));
    let token = |tenant: &str| {
        let mut claims = with("aud", json!(format!("https://events.example/v1/tenants/{tenant}")));
        claims.as_object_mut().unwrap().remove("tenant");
        signer.sign(&claims)
    };
    assert!(world.ask_trusting("acme", &token("acme"), &[trusted("acme")]).await.is_ok());
    let replayed = world.ask_trusting("bona", &token("acme"), &[trusted("bona")]).await;
    assert_eq!(replayed, Err(Refused::Audience));
    let careless = own(inline(&[signer.jwk()]), "https://events.example/v1/tenants/acme");
    let replayed = world.ask_trusting("bona", &token("acme"), &[careless]).await;
    assert_eq!(replayed, Err(Refused::Claim(Claim::Tenant)), "also where bona's file names acme's audience");
}

#[tokio::test]
async fn tokens_beyond_those_that_are_remembered_are_verified_again() {
    let signer = Signer::new("one");
    let world = world(&signer);
    let acme: TenantId = id("acme");
    for number in 0..4_200 {
        let token = signer.sign(&with("jti", json!(number)));
        assert_eq!(world.ask("acme", &token).await.map(|principal| principal.tenant.clone()), Ok(acme.clone()));
    }
    world.clock.advance(Duration::from_secs(301 + 60));
    assert_eq!(world.refusal(&signer.sign(&with("jti", json!(4_199)))).await, Some(Refused::TokenExpired));
}
