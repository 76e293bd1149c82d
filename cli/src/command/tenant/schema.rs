//! `acequia tenant schema`: the JSON Schema of a tenant's file, without a call to AWS.

use acequia_core::tenant::tenant_schema;

use crate::output::Report;

pub(super) fn run() -> Report {
    let schema = tenant_schema();
    // For people and for programs it is the same: editors read it.
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    Report::new(&schema, text)
}
