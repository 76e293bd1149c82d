//! What is known of addresses, and the mails of the day: rows of the consents table.

use std::collections::HashMap;
use std::time::Duration;

use acequia_core::consent::{AddressId, Suppression};
use acequia_core::id::TenantId;
use acequia_core::port::{SendQuota, SuppressionList, Unavailable};
use acequia_core::time::after;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use crate::error::{ItemError, was_written};
use crate::keys::{self, Item, text, text_of};
use crate::refusal::unavailable;
use crate::table::Table;

const SUPPRESSED: &str = "suppressed";
const FAILURES: &str = "failures";
/// What the sort keys of the days of an address begin with.
const ASKED: &str = "asked#";
const DOC: &str = "doc";
/// How long failures that may pass are remembered, and the count of a day is kept.
const FAILURES_KEPT: Duration = Duration::from_hours(24 * 30);
const DAY_KEPT: Duration = Duration::from_hours(24 * 3);

const READ: &str = "read suppressed addresses";
const SUPPRESS: &str = "suppress an address";
const FORGET: &str = "forget an address";
const COUNT: &str = "count a failure of an address";
const TAKE: &str = "take from the day's mails";
const GIVE_BACK: &str = "give a mail back to the day";
const TAKE_ASK: &str = "count a mail that asks an address";
const GIVE_BACK_ASK: &str = "give back a mail that asks an address";

/// The addresses' rows of the consents table.
#[derive(Debug, Clone)]
pub struct DynamoMailStore {
    client: Client,
    table: String,
}

impl DynamoMailStore {
    /// What is known of addresses, in this table: the consents'.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Adds one to a row's count.
    fn add(
        &self,
        key: Item,
        expires_at: Timestamp,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression("ADD #count :one SET expires_at = :expires")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":expires", AttributeValue::N(expires_at.as_second().to_string()))
    }
}

impl DynamoMailStore {
    /// Adds one to a day's count, unless it has come to `most`.
    async fn take_one(
        &self,
        operation: &'static str,
        key: Item,
        most: u64,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let request = self
            .add(key, after(now, DAY_KEPT))
            .condition_expression("attribute_not_exists(#count) OR #count < :most")
            .expression_attribute_values(":most", AttributeValue::N(most.to_string()));
        was_written(request.send().await, UpdateItemError::is_conditional_check_failed_exception, operation)
    }

    async fn give_back_one(&self, operation: &'static str, key: Item) -> Result<(), Unavailable> {
        let request = self.client.update_item().table_name(&self.table).set_key(Some(key));
        let request = request
            .update_expression("ADD #count :less")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":less", AttributeValue::N("-1".to_owned()));
        request.send().await.map(|_| ()).map_err(|error| unavailable(operation, error))
    }
}

impl SuppressionList for DynamoMailStore {
    async fn suppressed(
        &self,
        tenant: &TenantId,
        addresses: &[AddressId],
    ) -> Result<Vec<Option<Suppression>>, Unavailable> {
        let mut found: HashMap<String, Suppression> = HashMap::new();
        let keys = addresses.iter().map(|address| keys::key(keys::address(tenant, address), SUPPRESSED)).collect();
        let table = Table::new(self.client.clone(), self.table.clone());
        for item in table.get(READ, keys).await? {
            let unreadable = || Unavailable::new(READ, ItemError::Attribute(DOC));
            let pk = text_of(&item, keys::PK).ok_or_else(unreadable)?.to_owned();
            let suppression = text_of(&item, DOC).and_then(|doc| serde_json::from_str(doc).ok());
            found.insert(pk, suppression.ok_or_else(unreadable)?);
        }
        Ok(addresses.iter().map(|address| found.get(&keys::address(tenant, address)).cloned()).collect())
    }

    async fn suppress(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        suppression: &Suppression,
    ) -> Result<(), Unavailable> {
        let doc = serde_json::to_string(suppression).map_err(|error| Unavailable::new(SUPPRESS, error))?;
        let mut item = keys::key(keys::address(tenant, address), SUPPRESSED);
        item.insert(DOC.to_owned(), text(doc));
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(())
            }
            Err(error) => Err(unavailable(SUPPRESS, error)),
        }
    }

    async fn forget(&self, tenant: &TenantId, address: &AddressId) -> Result<bool, Unavailable> {
        let mut known = false;
        for sk in [SUPPRESSED, FAILURES] {
            let key = keys::key(keys::address(tenant, address), sk);
            let request = self.client.delete_item().table_name(&self.table).return_values(ReturnValue::AllOld);
            let answer = request.set_key(Some(key)).send().await.map_err(|error| unavailable(FORGET, error))?;
            known |= answer.attributes.is_some();
        }
        Ok(known)
    }

    async fn count_failure(&self, tenant: &TenantId, address: &AddressId, now: Timestamp) -> Result<u32, Unavailable> {
        let key = keys::key(keys::address(tenant, address), FAILURES);
        let request = self.add(key, after(now, FAILURES_KEPT)).return_values(ReturnValue::UpdatedNew);
        let answer = request.send().await.map_err(|error| unavailable(COUNT, error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = attributes.get("count").and_then(|count| count.as_n().ok()?.parse().ok());
        count.ok_or_else(|| Unavailable::new(COUNT, ItemError::Attribute("count")))
    }
}

impl SendQuota for DynamoMailStore {
    async fn take(&self, tenant: &TenantId, cap: u64, now: Timestamp) -> Result<bool, Unavailable> {
        self.take_one(TAKE, keys::key(keys::days(tenant), day(now)), cap, now).await
    }

    async fn give_back(&self, tenant: &TenantId, now: Timestamp) -> Result<(), Unavailable> {
        self.give_back_one(GIVE_BACK, keys::key(keys::days(tenant), day(now))).await
    }

    async fn take_ask(
        &self,
        tenant: &TenantId,
        address: &AddressId,
        most: u64,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        self.take_one(TAKE_ASK, asked(tenant, address, now), most, now).await
    }

    async fn give_back_ask(&self, tenant: &TenantId, address: &AddressId, now: Timestamp) -> Result<(), Unavailable> {
        self.give_back_one(GIVE_BACK_ASK, asked(tenant, address, now)).await
    }
}

/// The key of how often an address was asked on a day.
fn asked(tenant: &TenantId, address: &AddressId, now: Timestamp) -> Item {
    keys::key(keys::address(tenant, address), format!("{ASKED}{}", day(now)))
}

fn day(now: Timestamp) -> String {
    now.strftime("%Y-%m-%d").to_string()
}
