//! API keys.

use std::time::Duration;

use acequia_core::access::{ApiKey, Credentials, KeyRing, Limits, NewKey, Refused, Scope};
use acequia_core::audit::{AuditAction, AuditNote};
use acequia_core::port::{ApiKeys as _, Chance as _, Clock as _};
use acequia_testkit::{SeededChance, build};

use crate::world::{World, id};

fn world() -> World {
    let world = World::trusting(Vec::new());
    for tenant in ["acme", "bona"] {
        world.tenants.put(&id(tenant), build::webhook_document(tenant, "https://a.example/"));
    }
    world
}

fn make(tenant: &str, seed: u64) -> ApiKey {
    let chance = SeededChance::new(seed);
    ApiKey::make(&build::stage(), &id(tenant), chance.bytes(), chance.bytes())
}

async fn change(world: &World, tenant: &str, change: impl FnOnce(&mut KeyRing)) {
    let mut ring = world.tenants.keys(&id(tenant)).await.unwrap();
    change(&mut ring);
    let note = AuditNote {
        action: AuditAction::Keys,
        actor: "ana".to_owned(),
        at: world.clock.now(),
        summary: "changed".to_owned(),
    };
    world.tenants.change(&id(tenant), &ring, &note).await.unwrap();
}

async fn put(world: &World, tenant: &str, seed: u64, lives: Option<Duration>) -> ApiKey {
    let key = make(tenant, seed);
    let new = NewKey {
        name: "shop".to_owned(),
        scopes: [Scope::EventsWrite].into(),
        limits: Limits::read(["action.*"], None).unwrap(),
        lives,
    };
    change(world, tenant, |ring| ring.create(&key, new, "ana", world.clock.now()).unwrap()).await;
    key
}

#[tokio::test]
async fn a_key_makes_a_principal_with_its_scopes_and_limits_in_either_header() {
    let world = world();
    let key = put(&world, "acme", 1, None).await;
    let principal = world.ask("acme", key.expose()).await.unwrap();
    assert_eq!(principal.may(Scope::EventsWrite), Ok(()));
    assert_eq!(principal.may(Scope::EventsRead), Err(Refused::ScopeMissing(Scope::EventsRead)));
    assert_eq!(principal.may_send(&build::envelope("acme", "1", "action.signed", "{}")), Ok(()));
    assert_eq!(principal.may_send(&build::envelope("acme", "1", "ping", "{}")), Err(Refused::TypeNotAllowed));
    assert_eq!(principal.credential.to_string(), format!("acq_test_acme_{}", key.id));
    let request = Credentials { authorization: None, api_key: Some(key.expose()) };
    assert_eq!(world.verifier.verify(request, &id("acme"), &[], world.clock.now()).await.unwrap(), principal);
}

#[tokio::test]
async fn a_key_of_another_tenant_stage_id_or_secret_is_refused_and_so_is_a_mistyped_one() {
    let world = world();
    let key = put(&world, "acme", 1, None).await;
    assert_eq!(world.ask("bona", key.expose()).await, Err(Refused::OtherTenant));
    let elsewhere = ApiKey::make(&"prod".parse().unwrap(), &id("acme"), [1; 32], [1; 32]);
    assert_eq!(world.refusal(elsewhere.expose()).await, Some(Refused::OtherStage));
    assert_eq!(world.refusal(make("acme", 2).expose()).await, Some(Refused::KeyUnknown));
    let forged = ApiKey::make(&build::stage(), &id("acme"), SeededChance::new(1).bytes(), [9; 32]);
    assert_eq!(forged.id, key.id);
    assert_eq!(world.refusal(forged.expose()).await, Some(Refused::KeyMismatch));
    let mistyped = key.expose().replace("acme", "acne");
    assert_eq!(world.refusal(&mistyped).await, Some(Refused::MalformedKey));
    assert_eq!(world.ask("bona", make("bona", 1).expose()).await, Err(Refused::KeyUnknown), "it is acme's alone");
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_minute_also_while_the_store_is_down() {
    for down in [false, true] {
        let world = world();
        let key = put(&world, "acme", 1, None).await;
        assert_eq!(world.refusal(key.expose()).await, None);
        change(&world, "acme", |ring| ring.revoke(&key.id, world.clock.now()).unwrap()).await;
        if down {
            world.tenants.key_reads.go_down();
        }
        world.pass(59);
        let wanted = if down { Refused::KeysUnavailable } else { Refused::KeyRevoked };
        assert_eq!(world.refusal(key.expose()).await, Some(wanted));
    }
}

#[tokio::test]
async fn an_expired_key_is_refused_at_its_time_though_its_record_is_remembered() {
    let world = world();
    let key = put(&world, "acme", 1, Some(Duration::from_mins(1))).await;
    assert_eq!(world.refusal(key.expose()).await, None);
    world.pass(59);
    assert_eq!(world.refusal(key.expose()).await, None);
    world.pass(1);
    assert_eq!(world.refusal(key.expose()).await, Some(Refused::KeyExpired));
}

#[tokio::test]
async fn keys_that_were_read_serve_for_a_moment_while_their_store_is_down() {
    let world = world();
    let key = put(&world, "acme", 1, None).await;
    assert_eq!(world.refusal(key.expose()).await, None);
    world.tenants.key_reads.go_down();
    world.pass(54);
    assert_eq!(world.refusal(key.expose()).await, None);
    assert_eq!(world.refusal(make("acme", 2).expose()).await, Some(Refused::KeysUnavailable), "this one may be new");
    world.pass(1);
    assert_eq!(world.refusal(key.expose()).await, Some(Refused::KeysUnavailable));
    world.tenants.key_reads.mend();
    assert_eq!(world.refusal(key.expose()).await, None);
}

#[tokio::test]
async fn a_flood_of_wrong_keys_is_no_flood_of_reads_and_shuts_no_good_key_out() {
    let world = world();
    let key = put(&world, "acme", 1, None).await;
    assert_eq!(world.refusal(key.expose()).await, None);
    let before = world.tenants.key_reads.calls();
    for seed in 2..1_002 {
        assert_eq!(world.refusal(make("acme", seed).expose()).await, Some(Refused::KeyUnknown));
    }
    assert_eq!(world.refusal(key.expose()).await, None);
    assert_eq!(world.tenants.key_reads.calls() - before, 0);
    world.pass(2);
    for seed in 2..102 {
        assert_eq!(world.refusal(make("acme", seed).expose()).await, Some(Refused::KeyUnknown));
    }
    assert_eq!(world.tenants.key_reads.calls() - before, 1, "once in two seconds");
}

#[tokio::test]
async fn a_key_works_two_seconds_after_it_was_made_at_the_latest() {
    let world = world();
    let early = make("acme", 1);
    assert_eq!(world.refusal(early.expose()).await, Some(Refused::KeyUnknown));
    let key = put(&world, "acme", 1, None).await;
    world.pass(2);
    assert_eq!(world.refusal(key.expose()).await, None);
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_an_hour_and_that_it_cannot_be_refuses_no_request() {
    let world = world();
    let key = put(&world, "acme", 1, None).await;
    for _ in 0..10 {
        assert_eq!(world.refusal(key.expose()).await, None);
        world.pass(60);
    }
    assert_eq!(world.tenants.key_uses.calls(), 1);
    assert_eq!(world.tenants.last_uses(&id("acme")).await.unwrap()[&key.id], build::start());
    world.pass(3600);
    world.tenants.key_uses.go_down();
    assert_eq!(world.refusal(key.expose()).await, None);
    assert_eq!(world.tenants.key_uses.calls(), 2);
    let wrong = ApiKey::make(&build::stage(), &id("acme"), SeededChance::new(1).bytes(), [9; 32]);
    world.pass(3600);
    assert_eq!(world.refusal(wrong.expose()).await, Some(Refused::KeyMismatch));
    assert_eq!(world.tenants.key_uses.calls(), 2, "a wrong key is no use of it");
}
