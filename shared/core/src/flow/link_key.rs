//! The tenant's keys for the links of mails, out of its secrets.

use crate::consent::token::{self, LinkKey};
use crate::id::{SecretName, TenantId};
use crate::outcome::Cause;
use crate::outcome::stall::Store;
use crate::port::{SecretError, Secrets};
use crate::secret::SecretPurpose;
use crate::tenant::ConsentSettings;

/// The key that signs a tenant's links now.
///
/// # Errors
/// [`Cause::SecretMissing`], [`Cause::SecretMalformed`] or [`Cause::StoreDown`].
pub async fn signing_key(
    secrets: &impl Secrets,
    tenant: &TenantId,
    settings: &ConsentSettings,
) -> Result<LinkKey, Cause> {
    // There is one at least, or else the configuration is not valid.
    let name = settings.keys.first().ok_or(Cause::Bug("the consent of a configuration has no key"))?;
    key(secrets, tenant, name).await
}

/// The key that a token names, if it is one of those in use; nothing where it is not, which reading the token will
/// tell.
///
/// # Errors
/// As [`signing_key`].
pub async fn keys_for(
    secrets: &impl Secrets,
    tenant: &TenantId,
    settings: &ConsentSettings,
    token: &str,
) -> Result<Vec<LinkKey>, Cause> {
    let named = token::key_name(token);
    let Some(name) = settings.keys.iter().find(|name| named.as_ref() == Some(name)) else { return Ok(Vec::new()) };
    Ok(vec![key(secrets, tenant, name).await?])
}

async fn key(secrets: &impl Secrets, tenant: &TenantId, name: &SecretName) -> Result<LinkKey, Cause> {
    let secret = secrets.secret(tenant, SecretPurpose::Link, name).await.map_err(|error| match error {
        SecretError::Missing(name) => Cause::SecretMissing(name),
        SecretError::Unavailable(_) => Cause::StoreDown(Store::Secrets),
    })?;
    LinkKey::new(name.clone(), &secret).map_err(|unusable| Cause::SecretMalformed(name.clone(), unusable))
}
