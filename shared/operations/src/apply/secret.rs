//! The secrets that a configuration names and that are not there.

use std::collections::BTreeSet;

use acequia_core::id::TenantId;
use acequia_core::port::{SecretCatalog as _, Unavailable};
use acequia_core::secret::{SecretNames, SecretPurpose};
use acequia_core::tenant::{RawTenant, SecretUse};
use serde::Serialize;

use crate::Ports;

/// A secret that a configuration names and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingSecret {
    /// What it is for.
    pub purpose: SecretPurpose,
    /// Its name.
    pub name: String,
    /// Where the configuration names it first.
    pub path: String,
}

pub(super) async fn missing_secrets(
    ports: &impl Ports,
    tenant: &TenantId,
    raw: &RawTenant,
) -> Result<Vec<MissingSecret>, Unavailable> {
    if raw.secret_uses().is_empty() {
        return Ok(Vec::new());
    }
    Ok(lacking(raw, &ports.secret_catalog().names(tenant).await?))
}

/// The secrets that are named and not there, each once.
fn lacking(raw: &RawTenant, known: &SecretNames) -> Vec<MissingSecret> {
    let mut said = BTreeSet::new();
    let missing = |used: &SecretUse<'_>| {
        let there = known.iter().any(|(purpose, name)| *purpose == used.purpose && name.as_str() == used.name);
        !there && said.insert(used.name.to_owned())
    };
    let told = |used: SecretUse<'_>| MissingSecret {
        purpose: used.purpose,
        name: used.name.to_owned(),
        path: used.path.clone(),
    };
    raw.secret_uses().into_iter().filter(missing).map(told).collect()
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_secret_that_is_named_twice_is_told_once_and_one_for_another_purpose_does_not_count() {
        let document = build::webhook_document("acme", "https://a.example/");
        let mut raw = RawTenant::from_json(&document).unwrap();
        raw.sinks.push(raw.sinks[0].clone());
        assert_eq!(lacking(&raw, &SecretNames::new()).len(), 1);
        let other = SecretNames::from([(SecretPurpose::Link, build::secret_name("crm"))]);
        assert_eq!(lacking(&raw, &other).len(), 1, "it is there for another purpose");
        let there = SecretNames::from([(SecretPurpose::Webhook, build::secret_name("crm"))]);
        assert!(lacking(&raw, &there).is_empty());
    }
}
