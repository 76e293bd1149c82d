//! `acequia tenant show` and `list`.

use acequia_core::id::TenantId;
use acequia_core::port::TenantStore as _;
use acequia_core::tenant::RawTenant;
use serde::Serialize;
use serde_json::Value as Json;

use crate::change;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Report, table};

#[derive(Serialize)]
struct Shown<'a> {
    tenant: &'a TenantId,
    version: u64,
    document: Json,
}

#[derive(Serialize)]
struct List {
    tenants: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    tenant: TenantId,
    version: u64,
}

pub(super) async fn one(context: &Context, tenant: &TenantId, version: Option<u64>) -> Result<Report, Failure> {
    let (version, raw) = match version {
        None => context.configuration(tenant).await.map(|(stored, raw)| (stored.version, raw))?,
        Some(version) => {
            let stored = context.tenants().version(tenant, version).await?.ok_or_else(|| {
                Failure::NotFound(format!(
                    "tenant {tenant} has no version {version}; `acequia tenant history {tenant}` shows all"
                ))
            })?;
            let raw = RawTenant::from_json(&stored.document)
                .map_err(|issues| Failure::Failed(format!("version {version} of {tenant} cannot be read: {issues}")))?;
            (version, raw)
        }
    };
    let shown = Shown { tenant, version, document: change::redacted(&raw) };
    Ok(Report::new(&shown, format!("# {tenant}, version {version}\n{}", toml_of(&shown.document))))
}

pub(super) async fn list(context: &Context) -> Result<Report, Failure> {
    let tenants = context.tenants().list().await?;
    let list = List { tenants: tenants.into_iter().map(|(tenant, version)| Listed { tenant, version }).collect() };
    if list.tenants.is_empty() {
        return Ok(Report::new(&list, format!("No tenant has a configuration in stage {} yet.", context.stage)));
    }
    let rows = list.tenants.iter().map(|listed| [listed.tenant.to_string(), listed.version.to_string()]);
    let text = table(["TENANT", "VERSION"], rows);
    Ok(Report::new(&list, text))
}

/// The document as TOML, as people write it.
fn toml_of(document: &Json) -> String {
    toml_edit::ser::to_string_pretty(document).unwrap_or_else(|_| document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_document_can_be_read_again_but_for_what_is_hidden() {
        let document = serde_json::json!({"tenant": "acme", "name": "Acme", "trace": "all", "sinks": [
            {"id": "crm", "kind": "webhook", "types": ["*"], "url": "https://a.example/", "secrets": ["crm"],
             "headers": {"x-key": "(hidden)"}, "pattern": {"data": {"country": ["FR"]}}}]});
        let text = toml_of(&document);
        let read = crate::tenant_file::parse("x", &text, acequia_core::egress::Egress::Public).unwrap();
        assert_eq!(serde_json::to_value(read.raw).unwrap(), document);
    }
}
