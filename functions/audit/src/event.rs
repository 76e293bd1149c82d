//! What invokes the audit function: records of the tenants table's stream
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>).

use acequia_aws::{AuditImageError, audit_image};
use acequia_core::audit::AuditRow;
use acequia_core::id::TenantId;
use serde::Deserialize;
use serde_json::Value as Json;

/// The records of one invocation.
#[derive(Debug, Deserialize)]
pub(crate) struct Batch {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Record>,
}

/// One record.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    #[serde(default)]
    new_image: Json,
}

impl Record {
    /// Its number, by which Lambda is told to come again from here.
    pub(crate) fn number(&self) -> &str {
        &self.dynamodb.sequence_number
    }

    /// The row that was added. The mapping's filter lets no other record through.
    pub(crate) fn row(&self) -> Result<(TenantId, AuditRow), AuditImageError> {
        audit_image(&self.dynamodb.new_image)
    }
}
