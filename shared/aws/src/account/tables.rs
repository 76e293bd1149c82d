//! `DynamoDB`: whether a table is as the platform's template makes it.

use acequia_core::port::Unavailable;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    ContinuousBackupsDescription, GlobalSecondaryIndexDescription, PointInTimeRecoveryDescription,
    PointInTimeRecoveryStatus, TimeToLiveStatus,
};

use super::Account;
use crate::refusal::unavailable;

const DESCRIBE: &str = "read a table's settings";

/// A table's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its status, such as `ACTIVE`; `None` where there is no such table.
    pub status: Option<String>,
    /// Its keys and its indexes, by name.
    pub names: Vec<String>,
    /// Whether it is kept from being deleted.
    pub protected: bool,
    /// Whether rows are deleted when their time is over.
    pub expires: bool,
    /// Whether it can be restored to any second of the last weeks.
    pub recoverable: bool,
}

impl Account {
    /// Reads a table's settings.
    ///
    /// # Errors
    /// When `DynamoDB` does not answer, or refuses.
    pub async fn table(&self, name: &str) -> Result<Table, Unavailable> {
        let mut table = Table {
            name: name.to_owned(),
            status: None,
            names: Vec::new(),
            protected: false,
            expires: false,
            recoverable: false,
        };
        let client = &self.clients.dynamodb;
        let description = match client.describe_table().table_name(name).send().await {
            Ok(answer) => answer.table,
            Err(error) if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
                None
            }
            Err(error) => return Err(unavailable(DESCRIBE, error)),
        };
        let Some(description) = description else { return Ok(table) };
        table.status = description.table_status().map(|status| status.as_str().to_owned());
        table.protected = description.deletion_protection_enabled().unwrap_or_default();
        table.names = description.key_schema().iter().map(|key| key.attribute_name().to_owned()).collect();
        let indexes =
            description.global_secondary_indexes().iter().filter_map(GlobalSecondaryIndexDescription::index_name);
        table.names.extend(indexes.map(str::to_owned));
        let (expiry, backups) = futures::join!(
            client.describe_time_to_live().table_name(name).send(),
            client.describe_continuous_backups().table_name(name).send()
        );
        let expiry = expiry.map_err(|error| unavailable(DESCRIBE, error))?.time_to_live_description;
        let status = expiry.and_then(|expiry| expiry.time_to_live_status);
        table.expires = matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
        let backups = backups.map_err(|error| unavailable(DESCRIBE, error))?.continuous_backups_description;
        table.recoverable = backups.as_ref().is_some_and(is_recoverable);
        Ok(table)
    }
}

fn is_recoverable(backups: &ContinuousBackupsDescription) -> bool {
    let recovery = backups.point_in_time_recovery_description();
    recovery.and_then(PointInTimeRecoveryDescription::point_in_time_recovery_status)
        == Some(&PointInTimeRecoveryStatus::Enabled)
}
