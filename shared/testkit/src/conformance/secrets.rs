//! The suite of the secrets' store.

use acequia_core::id::{SecretName, TenantId};
use acequia_core::port::{SecretCatalog, SecretError, Secrets};
use acequia_core::secret::SecretPurpose::{self, Webhook};

use crate::build::{secret_name, tenant_id};

/// A store of secrets that a test can also fill.
pub trait SecretsInTest: Secrets + SecretCatalog {
    /// Puts a secret there.
    fn put(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
        value: &str,
    ) -> impl Future<Output = ()>;
}

impl SecretsInTest for crate::InMemorySecrets {
    async fn put(&self, tenant: &TenantId, purpose: SecretPurpose, name: &SecretName, value: &str) {
        Self::put(self, tenant, purpose, name, value);
    }
}

/// To the character, spaces and all.
pub async fn a_secret_is_read_by_its_name(secrets: &impl SecretsInTest) {
    let tenant = tenant_id("s-read");
    secrets.put(&tenant, Webhook, &secret_name("crm"), " whsec_a b=").await;
    secrets.put(&tenant, Webhook, &secret_name("crm-old"), "other").await;
    assert_eq!(secrets.secret(&tenant, Webhook, &secret_name("crm")).await.unwrap().expose(), " whsec_a b=");
    assert_eq!(secrets.secret(&tenant, Webhook, &secret_name("crm-old")).await.unwrap().expose(), "other");
}

/// A permanent error that names it, and no failure of the store.
pub async fn a_secret_that_does_not_exist_is_missing(secrets: &impl SecretsInTest) {
    let error = secrets.secret(&tenant_id("s-none"), Webhook, &secret_name("crm")).await.unwrap_err();
    assert!(matches!(&error, SecretError::Missing(name) if name.as_str() == "crm"), "{error:?}");
}

/// Even under the same name, and where one tenant's name begins with the other's.
pub async fn the_secret_of_another_tenant_is_missing(secrets: &impl SecretsInTest) {
    let (one, other) = (tenant_id("s-iso"), tenant_id("s-iso-b"));
    secrets.put(&one, Webhook, &secret_name("crm"), "of one").await;
    let error = secrets.secret(&other, Webhook, &secret_name("crm")).await.unwrap_err();
    assert!(matches!(error, SecretError::Missing(_)), "{error:?}");
    // Another name: that the one above is missing may be remembered.
    secrets.put(&one, Webhook, &secret_name("key"), "of one").await;
    secrets.put(&other, Webhook, &secret_name("key"), "of two").await;
    assert_eq!(secrets.secret(&one, Webhook, &secret_name("key")).await.unwrap().expose(), "of one");
    assert_eq!(secrets.secret(&other, Webhook, &secret_name("key")).await.unwrap().expose(), "of two");
}

/// What signs links cannot be had as the value of a header, though both have one name.
pub async fn a_secret_for_one_purpose_is_missing_for_every_other(secrets: &impl SecretsInTest) {
    let (tenant, name) = (tenant_id("s-purpose"), secret_name("key"));
    for purpose in SecretPurpose::ALL {
        secrets.put(&tenant, purpose, &name, purpose.as_str()).await;
        assert_eq!(secrets.secret(&tenant, purpose, &name).await.unwrap().expose(), purpose.as_str());
    }
    let only = secret_name("only-links");
    secrets.put(&tenant, SecretPurpose::Link, &only, "x").await;
    for other in SecretPurpose::ALL.into_iter().filter(|purpose| *purpose != SecretPurpose::Link) {
        let error = secrets.secret(&tenant, other, &only).await.unwrap_err();
        assert!(matches!(error, SecretError::Missing(_)), "{other}: {error:?}");
    }
}

/// With what each is for, and of that tenant alone.
pub async fn the_names_of_a_tenants_secrets_are_listed_with_their_purposes(secrets: &impl SecretsInTest) {
    let (one, other) = (tenant_id("s-list"), tenant_id("s-list-b"));
    assert!(secrets.names(&one).await.unwrap().is_empty());
    for (tenant, purpose, name) in [
        (&one, Webhook, "crm"),
        (&one, SecretPurpose::Link, "crm"),
        (&one, SecretPurpose::Header, "token"),
        (&other, Webhook, "other"),
    ] {
        secrets.put(tenant, purpose, &secret_name(name), "x").await;
    }
    let wanted = [(Webhook, "crm"), (SecretPurpose::Link, "crm"), (SecretPurpose::Header, "token")]
        .map(|(purpose, name)| (purpose, secret_name(name)));
    assert_eq!(secrets.names(&one).await.unwrap(), wanted.into());
}
