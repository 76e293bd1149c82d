//! The links of one mail: the tenant's keys for them, and where they lead.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::id::{ActionId, ConsentKey};
use super::token::{self, Link, LinkKey, Purpose};
use crate::config::ConsentSettings;
use crate::id::{SecretName, TenantId};
use crate::outcome::Cause;
use crate::port::{SecretError, Secrets};
use crate::secret::SecretPurpose;

/// The first part of the path of every link.
pub const PATH: &str = "c";

/// The key that signs a tenant's links now.
///
/// # Errors
/// [`Cause::SecretMissing`], [`Cause::SecretMalformed`] or [`Cause::SecretsDown`].
pub async fn signing_key(
    secrets: &impl Secrets,
    tenant: &TenantId,
    settings: &ConsentSettings,
) -> Result<LinkKey, Cause> {
    // There is one at least, or else the configuration is not valid.
    let name = settings.keys.first().ok_or_else(|| Cause::SecretMissing("consent.keys".to_owned()))?;
    key(secrets, tenant, name).await
}

/// The key that a token names, if it is one of those in use; nothing where it is not, which reading the token will tell.
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
        SecretError::Unavailable(_) => Cause::SecretsDown,
    })?;
    LinkKey::new(name.clone(), &secret).map_err(|unusable| Cause::SecretMalformed(name.to_string(), unusable))
}

/// What all links of one mail have in common.
#[derive(Debug, Clone, Copy)]
pub struct Links<'a> {
    /// Where the confirm function answers, such as `https://confirm.example.org`.
    pub base: &'a str,
    /// Whose links.
    pub tenant: &'a TenantId,
    /// What signs them.
    pub key: &'a LinkKey,
    /// Whose consent.
    pub consent: ConsentKey,
    /// The action that the mail is about.
    pub action: ActionId,
    /// Until when they work.
    pub expires_at: Timestamp,
}

impl Links<'_> {
    /// The link for one purpose.
    pub fn url(&self, purpose: Purpose) -> String {
        let link = Link { key: self.consent, action: self.action, purpose, expires_at: self.expires_at };
        let token = self.key.sign(self.tenant, &link);
        format!("{}/{PATH}/{}/{token}", self.base.trim_end_matches('/'), self.tenant)
    }

    /// The links that a mail's templates can name.
    pub fn for_mail(&self) -> BTreeMap<&'static str, String> {
        [
            ("accept", Purpose::Accept),
            ("accept_opt_in", Purpose::AcceptOptIn),
            ("reject", Purpose::Reject),
            ("unsubscribe", Purpose::Unsubscribe),
        ]
        .map(|(name, purpose)| (name, self.url(purpose)))
        .into()
    }
}
