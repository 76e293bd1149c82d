//! `acequia tenant show` and `list`.

use acequia_core::id::TenantId;
use acequia_operations::configuration;
use serde_json::Value as Json;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, table};

pub(super) async fn one(context: &Context, tenant: &TenantId, version: Option<u64>) -> Result<Report, Failure> {
    let shown = configuration::show(context, tenant, version).await?;
    let text = format!("# {tenant}, version {}\n{}", shown.version, toml_of(&shown.document));
    Ok(Report::new(&shown, text))
}

pub(super) async fn list(context: &Context) -> Result<Report, Failure> {
    let list = configuration::list(context).await?;
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
        let document = serde_json::json!({"tenant": "acme", "name": "Acme", "record": "all", "sinks": [
            {"id": "crm", "kind": "webhook", "types": ["*"], "url": "https://a.example/", "secrets": ["crm"],
             "headers": {"x-key": "(hidden)"}, "pattern": {"data": {"country": ["FR"]}}}]});
        let text = toml_of(&document);
        let read = crate::tenant_file::parse("x", &text, acequia_core::egress::Egress::Public).unwrap();
        assert_eq!(serde_json::to_value(read.raw).unwrap(), document);
    }
}
