//! A tenant's configuration as it is stored.

use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{StoredTenant, TenantStore as _};
use acequia_core::tenant::RawTenant;
use serde::Serialize;
use serde_json::Value as Json;

use crate::{OperationError, Ports, change};

/// A version of a tenant's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Which version: 1, 2, 3 ...
    pub version: u64,
    /// What it says.
    pub raw: RawTenant,
}

impl Configuration {
    fn read(tenant: &TenantId, stored: &StoredTenant) -> Result<Self, OperationError> {
        let version = stored.version;
        let raw = RawTenant::from_json(&stored.document).map_err(|issues| OperationError::UnreadableConfiguration {
            tenant: tenant.clone(),
            version,
            issues,
        })?;
        Ok(Self { version, raw })
    }

    /// That a sink is the tenant's: a wrong name must not look like one of which nothing is known.
    pub(crate) fn require_sink(&self, tenant: &TenantId, sink: &SinkId) -> Result<(), OperationError> {
        if self.raw.sinks.iter().any(|known| known.id == sink.as_str()) {
            return Ok(());
        }
        let known = self.raw.sinks.iter().map(|sink| sink.id.clone()).collect();
        Err(OperationError::NoSink { tenant: tenant.clone(), sink: sink.clone(), known })
    }
}

/// The tenant's current configuration, which must be there.
///
/// # Errors
/// [`OperationError::NoConfiguration`] where it has none, [`OperationError::UnreadableConfiguration`] where it is none
/// that this release reads, or when the store does not answer.
pub async fn current(ports: &impl Ports, tenant: &TenantId) -> Result<Configuration, OperationError> {
    let stored = ports.tenants().current(tenant).await?;
    Configuration::read(tenant, &stored.ok_or_else(|| missing(ports, tenant))?)
}

/// That the tenant has no configuration.
pub(crate) fn missing(ports: &impl Ports, tenant: &TenantId) -> OperationError {
    OperationError::NoConfiguration { tenant: tenant.clone(), stage: ports.stage().clone() }
}

/// One version of the tenant's configuration, which must be there.
///
/// # Errors
/// [`OperationError::NoVersion`] where it is not, and as [`current`].
pub async fn version(ports: &impl Ports, tenant: &TenantId, version: u64) -> Result<Configuration, OperationError> {
    let stored = ports.tenants().version(tenant, version).await?;
    let missing = || OperationError::NoVersion { tenant: tenant.clone(), version };
    Configuration::read(tenant, &stored.ok_or_else(missing)?)
}

/// A version of a configuration as it may be shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownConfiguration {
    /// Whose.
    pub tenant: TenantId,
    /// Which version.
    pub version: u64,
    /// The document, with the values of headers hidden.
    pub document: Json,
}

/// Shows a version of the tenant's configuration; the current one where none is named.
///
/// # Errors
/// As [`current`] and [`version`].
pub async fn show(
    ports: &impl Ports,
    tenant: &TenantId,
    wanted: Option<u64>,
) -> Result<ShownConfiguration, OperationError> {
    let found = match wanted {
        None => current(ports, tenant).await?,
        Some(wanted) => version(ports, tenant, wanted).await?,
    };
    let document = change::redacted(&found.raw);
    Ok(ShownConfiguration { tenant: tenant.clone(), version: found.version, document })
}

/// The tenants that have a configuration, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantList {
    /// Each tenant.
    pub tenants: Vec<ListedTenant>,
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedTenant {
    /// Its id.
    pub tenant: TenantId,
    /// The version of its configuration that is current.
    pub version: u64,
}

/// Lists the tenants.
///
/// # Errors
/// When the store does not answer.
pub async fn list(ports: &impl Ports) -> Result<TenantList, OperationError> {
    let tenants = ports.tenants().list().await?;
    Ok(TenantList { tenants: tenants.into_iter().map(|(tenant, version)| ListedTenant { tenant, version }).collect() })
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    #[tokio::test]
    async fn a_configuration_is_read_by_its_version_and_one_that_cannot_be_read_says_where() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let missing = current(&world, &tenant).await.unwrap_err();
        assert_eq!(missing.to_string(), "tenant acme has no configuration in stage test");
        world.tenants.put(&tenant, build::webhook_document("acme", "https://a.example/"));
        world.tenants.put(&tenant, r#"{"tenant":"acme","name":"Acme","colour":1,"sinks":[]}"#);
        assert_eq!(version(&world, &tenant, 1).await.unwrap().raw.sinks[0].id, "crm");
        let unreadable = current(&world, &tenant).await.unwrap_err();
        assert_eq!(unreadable.to_string(), "version 2 of acme cannot be read");
        assert!(unreadable.source().unwrap().to_string().contains("colour"), "{unreadable:?}");
        let missing = version(&world, &tenant, 9).await.unwrap_err();
        assert!(matches!(missing, OperationError::NoVersion { version: 9, .. }), "{missing:?}");
    }

    #[tokio::test]
    async fn a_sink_that_is_not_there_is_named_with_those_that_are() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        world.tenants.put(&tenant, build::webhook_document("acme", "https://a.example/"));
        let configuration = current(&world, &tenant).await.unwrap();
        assert!(configuration.require_sink(&tenant, &build::sink_id("crm")).is_ok());
        let missing = configuration.require_sink(&tenant, &build::sink_id("crn")).unwrap_err();
        assert_eq!(missing.to_string(), "tenant acme has no sink crn; it has crm");
    }

    #[tokio::test]
    async fn tenants_are_listed_with_their_versions_and_shown_without_values_of_headers() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let document = build::webhook_document("acme", "https://a.example/");
        world.tenants.put(&tenant, document.replace(r#""secrets""#, r#""headers":{"x-key":"s3cret"},"secrets""#));
        let listed = serde_json::to_value(list(&world).await.unwrap()).unwrap();
        assert_eq!(listed, serde_json::json!({"tenants": [{"tenant": "acme", "version": 1}]}));
        for wanted in [None, Some(1)] {
            let shown = serde_json::to_value(show(&world, &tenant, wanted).await.unwrap()).unwrap();
            assert_eq!(shown["version"], 1);
            assert_eq!(shown["document"]["sinks"][0]["headers"]["x-key"], change::HIDDEN);
        }
    }
}
