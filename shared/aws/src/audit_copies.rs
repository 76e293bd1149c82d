//! Copies of audit rows in a bucket of S3, and rows as the stream of the tenants table shows them.

use acequia_core::audit::AuditRow;
use acequia_core::id::{Stage, TenantId};
use acequia_core::port::{AuditCopies, Unavailable};
use aws_config::SdkConfig;

use crate::S3Archive;
use crate::keys::PK;

/// A bucket that keeps copies. Object lock is the bucket's own: it is not asked for with each object.
#[derive(Debug)]
pub struct S3AuditCopies {
    bucket: S3Archive,
    stage: Stage,
}

impl S3AuditCopies {
    /// The bucket of this name, in the configuration's region.
    pub fn new(config: &SdkConfig, bucket: &str, stage: Stage) -> Self {
        Self { bucket: S3Archive::new(config, bucket), stage }
    }

    /// The name of a row's copy: by time, and by the hash, which no two rows share.
    pub fn name(&self, tenant: &TenantId, row: &AuditRow) -> String {
        let AuditRow { at, to, hash, .. } = row;
        format!("acequia/{}/tenant={tenant}/{:015}-{to:010}-{hash}.json", self.stage, at.as_millisecond())
    }
}

impl AuditCopies for S3AuditCopies {
    async fn keep(&self, tenant: &TenantId, row: &AuditRow) -> Result<bool, Unavailable> {
        const KEEP: &str = "keep a copy of an audit row";
        let content = serde_json::to_vec(row).map_err(|error| Unavailable::new(KEEP, error))?;
        self.bucket.put_new(KEEP, &self.name(tenant, row), content, "application/json").await
    }
}

/// Why a record of the stream is no audit row.
#[derive(Debug, thiserror::Error)]
pub enum AuditImageError {
    /// It has no tenant.
    #[error("it names no tenant")]
    Tenant,
    /// It is not as rows are written.
    #[error("it is not as rows are written: {0}")]
    Form(#[from] serde_dynamo::Error),
    /// It is no image of a row.
    #[error("it is no image of a row: {0}")]
    Image(#[from] serde_json::Error),
}

/// Reads an audit row from the image that a record of the stream has.
///
/// # Errors
/// When it is none.
pub fn audit_image(image: &serde_json::Value) -> Result<(TenantId, AuditRow), AuditImageError> {
    let tenant = image.get(PK).and_then(|pk| pk.get("S")).and_then(serde_json::Value::as_str);
    let tenant = tenant.and_then(|text| text.parse().ok()).ok_or(AuditImageError::Tenant)?;
    let item: serde_dynamo::Item = serde_json::from_value(image.clone())?;
    Ok((tenant, serde_dynamo::from_item(item)?))
}

#[cfg(test)]
mod tests {
    use acequia_core::audit::{AuditAction, AuditNote};
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_row_of_the_stream_is_the_row_that_was_written_and_another_is_none() {
        let note = AuditNote {
            action: AuditAction::Purge,
            actor: "ana".to_owned(),
            at: build::at(7),
            summary: "x".to_owned(),
        };
        let row = AuditRow::of(&note, 3, "before");
        let item: std::collections::HashMap<String, serde_dynamo::AttributeValue> =
            serde_dynamo::to_item(&row).unwrap();
        let mut image = serde_json::to_value(serde_dynamo::Item::from(item)).unwrap();
        assert!(matches!(audit_image(&image), Err(AuditImageError::Tenant)));
        image["pk"] = serde_json::json!({"S": "acme"});
        image["sk"] = serde_json::json!({"S": "audit#1"});
        assert_eq!(audit_image(&image).unwrap(), (build::tenant_id("acme"), row));
        image["action"] = serde_json::json!({"S": "dance"});
        assert!(matches!(audit_image(&image), Err(AuditImageError::Form(_))));
    }
}
