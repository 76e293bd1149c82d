//! The memory of tenants' configurations: what it reads, and when.

use std::sync::Arc;
use std::time::Duration;

use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_lambda::CachedTenants;
use acequia_testkit::{FixedClock, InMemoryTenants, build};

fn document(name: &str) -> String {
    format!(
        r#"{{"tenant":"acme","name":"{name}","sinks":[{{"id":"out","kind":"forward","types":["*"],"queue":"out"}}]}}"#
    )
}

#[tokio::test]
async fn of_a_configuration_that_did_not_change_only_the_version_is_read_again() {
    let (clock, acme) = (FixedClock::default(), build::tenant_id("acme"));
    let store = InMemoryTenants::new().with(&acme, document("Acme"));
    let tenants = CachedTenants::new(store.clone(), Arc::new(clock.clone()));
    let first = tenants.current(&acme).await.unwrap();
    assert_eq!((first.version, store.reads.calls()), (1, 1), "the document with its version");

    clock.advance(Duration::from_secs(4));
    assert!(Arc::ptr_eq(&first, &tenants.current(&acme).await.unwrap()));
    assert_eq!(store.reads.calls(), 1, "nothing is read within five seconds");

    clock.advance(Duration::from_secs(1));
    assert!(Arc::ptr_eq(&first, &tenants.current(&acme).await.unwrap()));
    assert_eq!(store.reads.calls(), 2, "the version alone");

    store.put(&acme, document("Acme and Sons"));
    clock.advance(Duration::from_secs(5));
    let second = tenants.current(&acme).await.unwrap();
    assert_eq!((second.version, second.tenant.summary.name.as_str()), (2, "Acme and Sons"));
    assert_eq!(store.reads.calls(), 4, "the version, and the document that it names");
}

#[tokio::test]
async fn what_will_soon_be_too_old_is_looked_up_beside_the_work_and_nothing_else_is() {
    let (clock, acme) = (FixedClock::default(), build::tenant_id("acme"));
    let store = InMemoryTenants::new().with(&acme, document("Acme"));
    let tenants = CachedTenants::new(store.clone(), Arc::new(clock.clone()));
    tenants.renew(&acme).await;
    assert_eq!(store.reads.calls(), 0, "what nothing asked for is not looked up");
    tenants.current(&acme).await.unwrap();
    clock.advance(Duration::from_secs(3));
    tenants.renew(&acme).await;
    assert_eq!(store.reads.calls(), 1, "three seconds are young");
    clock.advance(Duration::from_secs(1));
    store.put(&acme, document("Acme and Sons"));
    tenants.renew(&acme).await;
    clock.advance(Duration::from_secs(4));
    assert_eq!(tenants.current(&acme).await.unwrap().version, 2, "and no batch waited for it");
    assert_eq!(store.reads.calls(), 3);
}

#[tokio::test]
async fn what_was_read_is_not_used_longer_because_the_store_is_down() {
    let (clock, acme) = (FixedClock::default(), build::tenant_id("acme"));
    let store = InMemoryTenants::new().with(&acme, document("Acme"));
    let tenants = CachedTenants::new(store.clone(), Arc::new(clock.clone()));
    tenants.current(&acme).await.unwrap();
    clock.advance(Duration::from_secs(5));
    store.reads.go_down();
    assert_eq!(tenants.current(&acme).await.unwrap_err(), Cause::StoreDown(Store::Tenants));
}
