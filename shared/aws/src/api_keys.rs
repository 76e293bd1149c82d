//! Tenants' API keys in `DynamoDB`: a row of the tenants table holds all of a tenant, and rows of the ledger table say
//! when each was used.
//!
//! A change is one transaction: the ring's revision is the next one, the pointer of the audit log still stands where it
//! was read, and the audit row is new. So no change of keys is without its row, and of two operators one wins. The uses
//! stand in the ledger, because functions write them, and functions may not write what the tenants table holds.

use std::collections::BTreeMap;

use acequia_core::access::{KeyId, KeyRing};
use acequia_core::audit::{AuditNote, AuditRow};
use acequia_core::id::TenantId;
use acequia_core::port::{ApiKeys, KeyError, Unavailable};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put};
use jiff::Timestamp;

use crate::DynamoTenants;
use crate::contest::{Contest, TRIES, transaction};
use crate::error::{ItemError, was_written};
use crate::keys::{self, number, text, text_of};
use crate::refusal::unavailable;
use crate::tenants::Pointer;

/// The ring, as JSON.
const DOC: &str = "doc";
const REVISION: &str = "revision";
/// When the hour begins in which a key was used last, in milliseconds.
const LAST_USED: &str = "last_used";

const READ: &str = "read the tenant's API keys";
const CHANGE: &str = "change the tenant's API keys";
const NOTE: &str = "note the use of an API key";
const USES: &str = "read when API keys were used";

/// The API keys.
#[derive(Debug, Clone)]
pub struct DynamoApiKeys {
    tenants: DynamoTenants,
    ledger: String,
}

impl DynamoApiKeys {
    /// The keys in the tables of tenants and of the ledger.
    pub fn new(client: Client, tenants: impl Into<String>, ledger: impl Into<String>) -> Self {
        Self { tenants: DynamoTenants::new(client, tenants), ledger: ledger.into() }
    }

    async fn transact(
        &self,
        tenant: &TenantId,
        ring: &KeyRing,
        row: &AuditRow,
        pointer: &Pointer,
    ) -> Result<(), SdkError<TransactWriteItemsError>> {
        let table = &self.tenants.table;
        let mut item = keys::key(tenant.as_str(), keys::KEYS);
        item.insert(DOC.to_owned(), text(serde_json::to_string(ring).map_err(SdkError::construction_failure)?));
        item.insert(REVISION.to_owned(), number(ring.revision));
        let put = Put::builder().table_name(table).set_item(Some(item));
        let put = match ring.revision.saturating_sub(1) {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            before => put
                .condition_expression("#revision = :before")
                .expression_attribute_names("#revision", REVISION)
                .expression_attribute_values(":before", number(before)),
        };
        let audit = self.tenants.audit_row(tenant, row).map_err(SdkError::construction_failure)?;
        let request = transaction(&self.tenants.client, [put, pointer.moved(table, tenant, row), audit]);
        request.map_err(SdkError::construction_failure)?.send().await.map(|_| ())
    }
}

impl ApiKeys for DynamoApiKeys {
    async fn keys(&self, tenant: &TenantId) -> Result<KeyRing, Unavailable> {
        let item = self.tenants.get(tenant, keys::KEYS).await;
        let Some(item) = item.map_err(|error| Unavailable { operation: READ, ..error })? else {
            return Ok(KeyRing::default());
        };
        let ring = text_of(&item, DOC).and_then(|json| serde_json::from_str(json).ok());
        ring.ok_or_else(|| Unavailable::new(READ, ItemError::Attribute(DOC)))
    }

    async fn change(&self, tenant: &TenantId, ring: &KeyRing, note: &AuditNote) -> Result<(), KeyError> {
        let mut contest = Contest::new(CHANGE);
        for _ in 0..TRIES {
            let pointer = self.tenants.pointer(tenant).await?.filter(|pointer| pointer.version > 0);
            let pointer = pointer.ok_or(KeyError::NoConfiguration)?;
            if self.keys(tenant).await?.revision.checked_add(1) != Some(ring.revision) {
                return Err(KeyError::Conflict);
            }
            let row = AuditRow::of(note, pointer.version, &pointer.audit);
            match self.transact(tenant, ring, &row, &pointer).await {
                Ok(()) => return Ok(()),
                // Revision and pointer say which was there first.
                Err(error) => contest.lost(error)?,
            }
        }
        Err(contest.given_up().into())
    }

    async fn used(&self, tenant: &TenantId, key: &KeyId, hour: Timestamp) -> Result<(), Unavailable> {
        let hour = AttributeValue::N(hour.as_millisecond().to_string());
        let mut item = keys::key(keys::key_uses(tenant), key.as_str());
        item.insert(LAST_USED.to_owned(), hour.clone());
        let request = self
            .tenants
            .client
            .put_item()
            .table_name(&self.ledger)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #last < :hour")
            .expression_attribute_names("#last", LAST_USED)
            .expression_attribute_values(":hour", hour);
        // Where the condition does not hold, a later hour is noted already.
        was_written(request.send().await, PutItemError::is_conditional_check_failed_exception, NOTE).map(|_| ())
    }

    async fn last_uses(&self, tenant: &TenantId) -> Result<BTreeMap<KeyId, Timestamp>, Unavailable> {
        let mut pages = self
            .tenants
            .client
            .query()
            .table_name(&self.ledger)
            .consistent_read(true)
            .key_condition_expression("pk = :uses")
            .expression_attribute_values(":uses", text(keys::key_uses(tenant)))
            .into_paginator()
            .items()
            .send();
        let mut uses = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(USES, error))?;
            let key = text_of(&item, keys::SK).and_then(|text| text.parse().ok());
            let millis = item.get(LAST_USED).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok());
            let hour = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
            uses.insert(
                key.ok_or_else(|| Unavailable::new(USES, ItemError::Keyless))?,
                hour.ok_or_else(|| Unavailable::new(USES, ItemError::Attribute(LAST_USED)))?,
            );
        }
        Ok(uses)
    }
}
