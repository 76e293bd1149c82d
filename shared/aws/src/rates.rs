//! Rates that instances and tenants share: rows of the ledger table.
//!
//! One conditional update moves a mark, and answers where the mark stands when the condition fails. So an instance that
//! knows the mark from the last time needs one call, and any other two.

use std::time::Duration;

use acequia_core::id::TenantId;
use acequia_core::port::{Advance, RateStore, Unavailable};
use acequia_core::time::after;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Select};
use jiff::Timestamp;

use crate::error::ItemError;
use crate::keys::{self, text};
use crate::refusal::unavailable;

const ADVANCE: &str = "take places of a rate";
const SHARERS: &str = "count who shares a rate";

/// How long a row outlives its last use.
const KEPT: Duration = Duration::from_hours(24);

/// The rows of rates in the ledger table.
#[derive(Debug, Clone)]
pub struct DynamoRates {
    client: Client,
    table: String,
}

impl DynamoRates {
    /// The store in this table: the ledger's.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

impl RateStore for DynamoRates {
    async fn advance(
        &self,
        tenant: &TenantId,
        rate: &str,
        known: Option<i64>,
        next: i64,
    ) -> Result<Advance, Unavailable> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::key(keys::rates(tenant), rate)))
            .update_expression("SET mark = :next, expires_at = :expires")
            .expression_attribute_values(":next", number(next))
            .expression_attribute_values(":expires", number(kept_until(next)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match known {
            None => request.condition_expression("attribute_not_exists(mark)"),
            Some(known) => {
                request.condition_expression("mark = :known").expression_attribute_values(":known", number(known))
            }
        };
        let Err(error) = request.send().await else { return Ok(Advance::Moved) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let stands = failed.item().and_then(|item| item.get("mark")).and_then(|mark| mark.as_n().ok());
                let stands = stands.map(|text| text.parse()).transpose();
                Ok(Advance::Stands(stands.map_err(|_| Unavailable::new(ADVANCE, ItemError::Attribute("mark")))?))
            }
            _ => Err(unavailable(ADVANCE, error)),
        }
    }

    async fn active_tenants(
        &self,
        shared: &str,
        tenant: &TenantId,
        window: Duration,
        now: Timestamp,
    ) -> Result<u32, Unavailable> {
        let mut row = keys::key(keys::shared(shared), tenant.as_str());
        row.insert("seen_at".to_owned(), number(now.as_millisecond()));
        row.insert("expires_at".to_owned(), number(after(now, KEPT).as_second()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(row));
        put.send().await.map_err(|error| unavailable(SHARERS, error))?;
        let since = now.as_millisecond().saturating_sub(i64::try_from(window.as_millis()).unwrap_or(i64::MAX));
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :shared")
            .filter_expression("seen_at >= :since")
            .expression_attribute_values(":shared", text(keys::shared(shared)))
            .expression_attribute_values(":since", number(since))
            .select(Select::Count)
            .into_paginator()
            .send();
        let mut count = 0_i32;
        while let Some(page) = pages.next().await {
            count = count.saturating_add(page.map_err(|error| unavailable(SHARERS, error))?.count());
        }
        Ok(u32::try_from(count).unwrap_or(0).max(1))
    }
}

/// A mark that lies a day behind says no more than none.
fn kept_until(mark_us: i64) -> i64 {
    let mark = Timestamp::from_microsecond(mark_us).unwrap_or(Timestamp::MAX);
    after(mark, KEPT).as_second()
}
