//! The suite of API keys: one ring a tenant, changed revision by revision, each change with a row in the audit log.

use acequia_core::access::{ApiKey, Limits, NewKey, Scope};
use acequia_core::access::{KeyId, KeyRing};
use acequia_core::audit::{AuditAction, AuditNote};
use acequia_core::id::TenantId;
use acequia_core::port::{ApiKeys, Change, KeyError, TenantStore};
use jiff::Timestamp;

use crate::build::{at, stage, start, tenant_id};

/// The keys, and the configurations beside which they stand.
pub trait KeysInTest: ApiKeys {
    /// The store of the tenants' configurations.
    fn tenants(&self) -> impl TenantStore;
}

impl KeysInTest for crate::InMemoryTenants {
    fn tenants(&self) -> impl TenantStore {
        self.clone()
    }
}

fn note(text: &str) -> AuditNote {
    AuditNote { action: AuditAction::Keys, actor: "ana".to_owned(), at: start(), summary: text.to_owned() }
}

fn key(tenant: &TenantId, number: u8) -> ApiKey {
    ApiKey::make(&stage(), tenant, [number; 32], [number; 32])
}

/// The ring with one more key.
fn with(ring: &KeyRing, tenant: &TenantId, number: u8) -> KeyRing {
    let mut ring = ring.clone();
    let limits = Limits::read(["action.*"], Some("https://a.example")).unwrap();
    let new = NewKey {
        name: format!("key {number}"),
        scopes: [Scope::EventsWrite, Scope::EventsRead].into(),
        limits,
        lives: Some(std::time::Duration::from_mins(u64::from(number))),
    };
    ring.create(&key(tenant, number), new, "ana", start()).unwrap();
    ring
}

async fn configured(keys: &impl KeysInTest, tenant: &str) -> TenantId {
    let tenant = tenant_id(tenant);
    publish(keys, &tenant, 0).await;
    tenant
}

async fn publish(keys: &impl KeysInTest, tenant: &TenantId, expected: u64) {
    let (document, actor) = ("{}".to_owned(), "bo".to_owned());
    let change = Change { document, expected, actor, at: start(), summary: "name".to_owned() };
    keys.tenants().publish(tenant, change).await.unwrap();
}

/// Neither keys nor uses.
pub async fn a_tenant_without_keys_has_an_empty_ring(keys: &impl KeysInTest) {
    let tenant = tenant_id("k-none");
    assert_eq!(keys.keys(&tenant).await.unwrap(), KeyRing::default());
    assert!(keys.last_uses(&tenant).await.unwrap().is_empty());
}

/// With all that they can have, also after several changes.
pub async fn keys_are_read_back_as_they_were_written(keys: &impl KeysInTest) {
    let tenant = configured(keys, "k-read").await;
    let mut ring = KeyRing::default();
    for number in 1..=3 {
        ring = with(&ring, &tenant, number);
        keys.change(&tenant, &ring, &note("created")).await.unwrap();
        assert_eq!(keys.keys(&tenant).await.unwrap(), ring);
    }
    ring.revoke(&key(&tenant, 2).id, at(1)).unwrap();
    keys.change(&tenant, &ring, &note("revoked")).await.unwrap();
    let read = keys.keys(&tenant).await.unwrap();
    assert_eq!((read.revision, read.keys.len(), read), (4, 3, ring));
}

/// And neither is one that skips a revision.
pub async fn of_two_changes_of_one_revision_one_is_made_and_the_other_writes_nothing(keys: &impl KeysInTest) {
    let tenant = configured(keys, "k-two").await;
    let (one, two) = (with(&KeyRing::default(), &tenant, 1), with(&KeyRing::default(), &tenant, 2));
    keys.change(&tenant, &one, &note("one")).await.unwrap();
    for late in [two, KeyRing { revision: 3, ..one.clone() }] {
        assert!(matches!(keys.change(&tenant, &late, &note("late")).await, Err(KeyError::Conflict)));
    }
    assert_eq!(keys.keys(&tenant).await.unwrap(), one);
    assert_eq!(keys.tenants().audit(&tenant).await.unwrap().len(), 2);
}

/// Eight operators that all know the same revision.
pub async fn of_many_changes_at_once_exactly_one_is_made(keys: &impl KeysInTest) {
    let tenant = configured(keys, "k-race").await;
    let rings: Vec<_> = (1..=8).map(|number| with(&KeyRing::default(), &tenant, number)).collect();
    let note = note("created");
    let answers = futures::future::join_all(rings.iter().map(|ring| keys.change(&tenant, ring, &note))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(KeyError::Conflict))), "{answers:?}");
    assert_eq!(keys.tenants().audit(&tenant).await.unwrap().len(), 2);
}

/// There would be no audit log.
pub async fn without_a_configuration_there_are_no_keys(keys: &impl KeysInTest) {
    let tenant = tenant_id("k-bare");
    let refused = keys.change(&tenant, &with(&KeyRing::default(), &tenant, 1), &note("created")).await;
    assert!(matches!(refused, Err(KeyError::NoConfiguration)), "{refused:?}");
    assert_eq!(keys.keys(&tenant).await.unwrap(), KeyRing::default());
}

/// In one chain, whose last row is remembered beside it. All rows have the same time.
pub async fn a_change_of_keys_is_a_row_of_the_audit_log_between_those_of_the_configuration(keys: &impl KeysInTest) {
    let tenant = configured(keys, "k-audit").await;
    let one = with(&KeyRing::default(), &tenant, 1);
    keys.change(&tenant, &one, &note("key 1 created")).await.unwrap();
    publish(keys, &tenant, 1).await;
    let two = with(&one, &tenant, 2);
    keys.change(&tenant, &two, &AuditNote { at: at(50), ..note("key 2 created") }).await.unwrap();
    let mut three = two.clone();
    three.revoke(&key(&tenant, 1).id, at(2)).unwrap();
    // A clock went back.
    keys.change(&tenant, &three, &note("key 1 revoked")).await.unwrap();
    let rows = keys.tenants().audit(&tenant).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.from, row.to, row.summary.as_str())).collect();
    let expected =
        [(0, 1, "name"), (1, 1, "key 1 created"), (1, 2, "name"), (2, 2, "key 2 created"), (2, 2, "key 1 revoked")];
    assert_eq!(told, expected);
    let mut previous = String::new();
    for row in &rows {
        assert_eq!((&row.previous, &row.hash), (&previous, &row.compute_hash()));
        previous.clone_from(&row.hash);
    }
    assert_eq!(keys.tenants().audit_head(&tenant).await.unwrap(), Some(previous));
    assert_eq!(keys.tenants().current_version(&tenant).await.unwrap(), Some(2));
}

/// Each key has its own, and an hour that arrives late changes nothing.
pub async fn the_last_hour_of_use_counts_whatever_the_order(keys: &impl KeysInTest) {
    let tenant = tenant_id("k-used");
    let (one, two): (KeyId, KeyId) = (key(&tenant, 1).id, key(&tenant, 2).id);
    let hour = |number: u64| at(number * 3600);
    for (id, number) in [(&one, 2), (&one, 5), (&one, 3), (&one, 5), (&two, 1)] {
        keys.used(&tenant, id, hour(number)).await.unwrap();
    }
    let uses: Vec<(KeyId, Timestamp)> = keys.last_uses(&tenant).await.unwrap().into_iter().collect();
    let mut expected = vec![(one, hour(5)), (two, hour(1))];
    expected.sort();
    assert_eq!(uses, expected);
}

/// Even where one name begins with the other.
pub async fn no_tenant_sees_the_keys_of_another(keys: &impl KeysInTest) {
    let (one, two) = (configured(keys, "k-iso").await, configured(keys, "k-iso-b").await);
    keys.change(&one, &with(&KeyRing::default(), &one, 1), &note("created")).await.unwrap();
    keys.used(&one, &key(&one, 1).id, at(0)).await.unwrap();
    assert_eq!(keys.keys(&two).await.unwrap(), KeyRing::default());
    assert!(keys.last_uses(&two).await.unwrap().is_empty());
    assert_eq!(keys.tenants().audit(&two).await.unwrap().len(), 1);
}
