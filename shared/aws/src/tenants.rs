//! Tenants' configurations in `DynamoDB`: immutable versions, a pointer to the current one, and the audit log.
//!
//! All rows of a tenant share the partition key (its id). A change is one transaction: the version is new, the pointer
//! still stands where the author saw it, a copy of the version stands beside it, the audit row is new, and the lists
//! name the version. So of two authors one wins, and none of these rows is ever there without the others.
//!
//! A list is a partition of its own with one small row for each tenant that stands in it: to read it costs the same
//! however many versions there are. There are two, of all tenants and of those that want automatic redrive (ADR 57).

use acequia_core::audit::{AuditNote, AuditRow};
use acequia_core::id::TenantId;
use acequia_core::port::{
    AutoRedriven, Change, Platform, Presence, PublishError, StoredTenant, TenantStore, Unavailable, auto_redrive_of,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use crate::contest::{Contest, TRIES, transaction};
use crate::error::ItemError;
use crate::keys::{self, Item, number, text, text_of};
use crate::refusal::unavailable;

/// What a tenant's current configuration says of the automatic redrive, as JSON.
const SETTINGS: &str = "settings";

const READ: &str = "read the tenant's configuration";
const PUBLISH: &str = "publish the tenant's configuration";
const AUDIT: &str = "read the tenant's audit log";
const NOTE: &str = "write into the tenant's audit log";
const LIST: &str = "list tenants";
const REDRIVEN: &str = "list the tenants that want automatic redrive";
const LOOK: &str = "look for the platform's tables";

/// The tenants table.
#[derive(Debug, Clone)]
pub struct DynamoTenants {
    pub(crate) client: Client,
    pub(crate) table: String,
}

/// What the pointer row holds: nothing where there is none yet.
#[derive(Default)]
pub(crate) struct Pointer {
    pub(crate) version: u64,
    /// The hash of the last audit row.
    pub(crate) audit: String,
}

impl Pointer {
    /// Moves the pointer to the version and the hash of an audit row, on condition that it stands here still.
    pub(crate) fn moved(&self, table: &str, tenant: &TenantId, row: &AuditRow) -> PutBuilder {
        let mut current = keys::key(tenant.as_str(), keys::CURRENT);
        current.insert("version".to_owned(), number(row.to));
        current.insert("audit_hash".to_owned(), text(&row.hash));
        let put = Put::builder().table_name(table).set_item(Some(current));
        // A log can be there before a configuration is.
        if self.audit.is_empty() {
            return put.condition_expression("attribute_not_exists(pk)");
        }
        put.condition_expression("#version = :expected AND audit_hash = :hash")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":expected", number(self.version))
            .expression_attribute_values(":hash", text(&self.audit))
    }
}

impl DynamoTenants {
    /// The store in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    pub(crate) async fn get(&self, tenant: &TenantId, sk: &str) -> Result<Option<Item>, Unavailable> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(keys::key(tenant.as_str(), sk)));
        let answer = request.consistent_read(true).send().await.map_err(|error| unavailable(READ, error))?;
        Ok(answer.item)
    }

    pub(crate) async fn pointer(&self, tenant: &TenantId) -> Result<Option<Pointer>, Unavailable> {
        let Some(item) = self.get(tenant, keys::CURRENT).await? else { return Ok(None) };
        let version = number_of(&item, "version").map_err(|error| Unavailable::new(READ, error))?;
        Ok(Some(Pointer { version, audit: text_of(&item, "audit_hash").unwrap_or_default().to_owned() }))
    }

    async fn transact(
        &self,
        tenant: &TenantId,
        change: &Change,
        pointer: &Pointer,
    ) -> Result<(), SdkError<TransactWriteItemsError>> {
        let row = AuditRow::of(&change.note(), pointer.version, &pointer.audit);
        let mut version = keys::key(tenant.as_str(), keys::version(row.to));
        version.insert("document".to_owned(), text(&change.document));
        version.insert("version".to_owned(), number(row.to));
        let new = Put::builder().table_name(&self.table).condition_expression("attribute_not_exists(pk)");
        // The document beside the pointer is read by functions that know no version yet. The pointer itself stays
        // small, because it is looked at every few seconds.
        let mut latest = keys::key(tenant.as_str(), keys::LATEST);
        latest.insert("document".to_owned(), text(&change.document));
        latest.insert("version".to_owned(), number(row.to));
        let mut listed = keys::key(keys::TENANTS, tenant.as_str());
        listed.insert("version".to_owned(), number(row.to));
        let puts = [
            new.set_item(Some(version)),
            pointer.moved(&self.table, tenant, &row),
            self.audit_row(tenant, &row).map_err(SdkError::construction_failure)?,
            // Only the writer that moves the pointer writes these.
            Put::builder().table_name(&self.table).set_item(Some(latest)),
            Put::builder().table_name(&self.table).set_item(Some(listed)),
        ];
        let request = transaction(&self.client, puts).map_err(SdkError::construction_failure)?;
        let redriven = self.auto_redriven_row(tenant, change).map_err(SdkError::construction_failure)?;
        request.transact_items(redriven).send().await.map(|_| ())
    }

    /// Adds a row to the log, and nothing else.
    async fn transact_note(
        &self,
        tenant: &TenantId,
        row: &AuditRow,
        pointer: &Pointer,
    ) -> Result<(), SdkError<TransactWriteItemsError>> {
        let audit = self.audit_row(tenant, row).map_err(SdkError::construction_failure)?;
        let request = transaction(&self.client, [pointer.moved(&self.table, tenant, row), audit]);
        request.map_err(SdkError::construction_failure)?.send().await.map(|_| ())
    }

    /// A row of the log, which is new.
    pub(crate) fn audit_row(&self, tenant: &TenantId, row: &AuditRow) -> Result<PutBuilder, serde_dynamo::Error> {
        let mut item: Item = serde_dynamo::to_item(row)?;
        item.extend(keys::key(tenant.as_str(), keys::audit(row)));
        let put = Put::builder().table_name(&self.table).condition_expression("attribute_not_exists(pk)");
        Ok(put.set_item(Some(item)))
    }

    /// What the change makes of the tenant's row among those that want automatic redrive.
    fn auto_redriven_row(&self, tenant: &TenantId, change: &Change) -> Result<TransactWriteItem, BuildError> {
        let mut row = keys::key(keys::AUTO_REDRIVEN, tenant.as_str());
        let write = TransactWriteItem::builder();
        let Some(settings) = auto_redrive_of(&change.document) else {
            let delete = Delete::builder().table_name(&self.table).set_key(Some(row)).build()?;
            return Ok(write.delete(delete).build());
        };
        row.insert(SETTINGS.to_owned(), text(settings));
        Ok(write.put(Put::builder().table_name(&self.table).set_item(Some(row)).build()?).build())
    }
}

fn document_of(item: &Item) -> Result<String, Unavailable> {
    let document = text_of(item, "document");
    document.map(str::to_owned).ok_or_else(|| Unavailable::new(READ, ItemError::Attribute("document")))
}

impl Platform for DynamoTenants {
    /// Every platform has this table. Any row will do, and none need be there: it is the table that is asked for.
    async fn presence(&self) -> Result<Presence, Unavailable> {
        let key = keys::key(keys::TENANTS, keys::CURRENT);
        match self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await {
            Ok(_) => Ok(Presence::There),
            Err(error) if error.as_service_error().is_some_and(GetItemError::is_resource_not_found_exception) => {
                Ok(Presence::Missing)
            }
            Err(error) if error.code() == Some("AccessDeniedException") => {
                Ok(Presence::Hidden(unavailable(LOOK, error)))
            }
            Err(error) => Err(unavailable(LOOK, error)),
        }
    }
}

impl TenantStore for DynamoTenants {
    async fn current_version(&self, tenant: &TenantId) -> Result<Option<u64>, Unavailable> {
        Ok(self.pointer(tenant).await?.map(|pointer| pointer.version).filter(|version| *version > 0))
    }

    async fn current(&self, tenant: &TenantId) -> Result<Option<StoredTenant>, Unavailable> {
        let Some(item) = self.get(tenant, keys::LATEST).await? else { return Ok(None) };
        let version = number_of(&item, "version").map_err(|error| Unavailable::new(READ, error))?;
        Ok(Some(StoredTenant { version, document: document_of(&item)? }))
    }

    async fn version(&self, tenant: &TenantId, version: u64) -> Result<Option<StoredTenant>, Unavailable> {
        let Some(item) = self.get(tenant, &keys::version(version)).await? else { return Ok(None) };
        Ok(Some(StoredTenant { version, document: document_of(&item)? }))
    }

    async fn publish(&self, tenant: &TenantId, change: Change) -> Result<u64, PublishError> {
        let mut contest = Contest::new(PUBLISH);
        for _ in 0..TRIES {
            let pointer = self.pointer(tenant).await?.unwrap_or_default();
            if pointer.version != change.expected {
                return Err(PublishError::Conflict { current: pointer.version, expected: change.expected });
            }
            match self.transact(tenant, &change, &pointer).await {
                Ok(()) => return Ok(change.expected.saturating_add(1)),
                Err(error) => contest.lost(error)?,
            }
        }
        Err(contest.given_up().into())
    }

    async fn note(&self, tenant: &TenantId, note: &AuditNote) -> Result<(), Unavailable> {
        let mut contest = Contest::new(NOTE);
        for _ in 0..TRIES {
            let pointer = self.pointer(tenant).await?.unwrap_or_default();
            let row = AuditRow::of(note, pointer.version, &pointer.audit);
            match self.transact_note(tenant, &row, &pointer).await {
                Ok(()) => return Ok(()),
                Err(error) => contest.lost(error)?,
            }
        }
        Err(contest.given_up())
    }

    async fn audit(&self, tenant: &TenantId) -> Result<Vec<AuditRow>, Unavailable> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :tenant AND begins_with(sk, :audit)")
            .expression_attribute_values(":tenant", text(tenant.as_str()))
            .expression_attribute_values(":audit", text(keys::AUDIT))
            .into_paginator()
            .items()
            .send();
        let mut rows: Vec<AuditRow> = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(AUDIT, error))?;
            rows.push(serde_dynamo::from_item(item).map_err(|e| Unavailable::new(AUDIT, ItemError::Unreadable(e)))?);
        }
        // A clock may go back between two changes; versions and links never do.
        rows.sort_by_key(|row| row.to);
        Ok(AuditRow::linked(rows))
    }

    async fn audit_head(&self, tenant: &TenantId) -> Result<Option<String>, Unavailable> {
        Ok(self.pointer(tenant).await?.map(|pointer| pointer.audit))
    }

    async fn list(&self) -> Result<Vec<(TenantId, u64)>, Unavailable> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :tenants")
            .expression_attribute_values(":tenants", text(keys::TENANTS))
            .into_paginator()
            .items()
            .send();
        let mut tenants = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(LIST, error))?;
            let version = number_of(&item, "version").map_err(|error| Unavailable::new(LIST, error))?;
            let tenant = text_of(&item, keys::SK).and_then(|text| text.parse::<TenantId>().ok());
            tenants.push((tenant.ok_or_else(|| Unavailable::new(LIST, ItemError::Keyless))?, version));
        }
        tenants.sort();
        Ok(tenants)
    }

    async fn auto_redriven(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<AutoRedriven>, Unavailable> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :list")
            .expression_attribute_values(":list", text(keys::AUTO_REDRIVEN))
            .set_exclusive_start_key(after.map(|tenant| keys::key(keys::AUTO_REDRIVEN, tenant.as_str())))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = query.send().await.map_err(|error| unavailable(REDRIVEN, error))?;
        let row = |item: &Item| {
            let tenant = text_of(item, keys::SK).and_then(|text| text.parse().ok()).ok_or(ItemError::Keyless)?;
            let settings = text_of(item, SETTINGS).ok_or(ItemError::Attribute(SETTINGS))?.to_owned();
            Ok(AutoRedriven { tenant, settings })
        };
        let rows: Result<Vec<_>, ItemError> = answer.items().iter().map(row).collect();
        rows.map_err(|error| Unavailable::new(REDRIVEN, error))
    }
}

pub(crate) fn number_of(item: &Item, name: &'static str) -> Result<u64, ItemError> {
    let number = item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok());
    number.ok_or(ItemError::Attribute(name))
}
