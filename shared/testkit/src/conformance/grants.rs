//! The suite of what tenants' stacks allow.

use acequia_core::id::TenantId;
use acequia_core::port::GrantStore;

use crate::build::tenant_id;

/// A store of grants that a test can also fill, as a tenant's stack does.
pub trait GrantsInTest: GrantStore {
    /// Allows a tenant this and nothing else.
    fn put(&self, tenant: &TenantId, senders: &str, targets: &str) -> impl Future<Output = ()>;
}

impl GrantsInTest for crate::InMemoryGrants {
    async fn put(&self, tenant: &TenantId, senders: &str, targets: &str) {
        Self::put(self, tenant, senders, targets);
    }
}

const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:crm";

/// Both lists, with all that stands in them.
pub async fn what_a_stack_allows_is_read_as_it_was_written(store: &impl GrantsInTest) {
    let tenant = tenant_id("g-read");
    store.put(&tenant, "acme.example,hello@bona.example", QUEUE).await;
    let grants = store.grants(&tenant).await.unwrap();
    for sender in ["x@acme.example", "hello@bona.example"] {
        assert_eq!(grants.check_sender(sender), Ok(()));
    }
    assert_eq!(grants.check_target(&QUEUE), Ok(()));
    assert!(grants.check_sender("other@bona.example").is_err());
}

/// Neither is a failure of the store.
pub async fn without_a_stack_and_with_empty_lists_nothing_is_allowed(store: &impl GrantsInTest) {
    store.put(&tenant_id("g-empty"), "", "").await;
    for tenant in ["g-none", "g-empty"] {
        let grants = store.grants(&tenant_id(tenant)).await.unwrap();
        assert!(grants.check_sender("x@acme.example").is_err() && grants.check_target(&QUEUE).is_err());
    }
}

/// Also where one tenant's name begins with the other's.
pub async fn no_tenant_is_allowed_what_another_is(store: &impl GrantsInTest) {
    store.put(&tenant_id("g-iso"), "acme.example", QUEUE).await;
    let other = store.grants(&tenant_id("g-iso-b")).await.unwrap();
    assert!(other.check_sender("x@acme.example").is_err() && other.check_target(&QUEUE).is_err());
}
