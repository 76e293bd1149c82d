//! The suite of the secrets' store.

use acequia_core::id::{SecretName, TenantId};
use acequia_core::port::{SecretError, Secrets};

use crate::build::{secret_name, tenant_id};

/// A store of secrets that a test can also fill.
pub trait SecretsInTest: Secrets {
    /// Puts a secret there.
    fn put(&self, tenant: &TenantId, name: &SecretName, value: &str) -> impl Future<Output = ()>;
}

impl SecretsInTest for crate::InMemorySecrets {
    async fn put(&self, tenant: &TenantId, name: &SecretName, value: &str) {
        Self::put(self, tenant, name, value);
    }
}

/// To the character, spaces and all.
pub async fn a_secret_is_read_by_its_name(secrets: &impl SecretsInTest) {
    let tenant = tenant_id("s-read");
    secrets.put(&tenant, &secret_name("crm"), " whsec_a b=").await;
    secrets.put(&tenant, &secret_name("crm-old"), "other").await;
    assert_eq!(secrets.secret(&tenant, &secret_name("crm")).await.unwrap().expose(), " whsec_a b=");
    assert_eq!(secrets.secret(&tenant, &secret_name("crm-old")).await.unwrap().expose(), "other");
}

/// A permanent error that names it, and no failure of the store.
pub async fn a_secret_that_does_not_exist_is_missing(secrets: &impl SecretsInTest) {
    let error = secrets.secret(&tenant_id("s-none"), &secret_name("crm")).await.unwrap_err();
    assert!(matches!(&error, SecretError::Missing(name) if name == "crm"), "{error:?}");
}

/// Even under the same name, and where one tenant's name begins with the other's.
pub async fn the_secret_of_another_tenant_is_missing(secrets: &impl SecretsInTest) {
    secrets.put(&tenant_id("s-iso"), &secret_name("crm"), "of one").await;
    let error = secrets.secret(&tenant_id("s-iso-b"), &secret_name("crm")).await.unwrap_err();
    assert!(matches!(error, SecretError::Missing(_)), "{error:?}");
    secrets.put(&tenant_id("s-iso-b"), &secret_name("crm"), "of two").await;
    assert_eq!(secrets.secret(&tenant_id("s-iso"), &secret_name("crm")).await.unwrap().expose(), "of one");
}
