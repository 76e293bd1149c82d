//! Rates that instances and tenants share: rows of the ledger table.
//!
//! One conditional update moves a mark, and answers where the mark stands when the condition fails. So an instance that
//! knows the mark from the last time needs one call, and any other two.
//!
//! Who shares a rate is counted by buckets of a minute: a tenant's own row says which bucket it joined last, and who
//! joins adds one to a row of the bucket. The count is read from the rows of two buckets, which are sixteen whatever
//! the number of tenants (ADR 58).

use std::time::Duration;

use acequia_core::delivery::share::{BUCKET, Bucket, Members, ROWS, row_of, sharers};
use acequia_core::id::TenantId;
use acequia_core::port::{Advance, RateStore, Unavailable};
use acequia_core::time::after;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;

use crate::error::ItemError;
use crate::keys::{self, Item, number, text_of};
use crate::refusal::unavailable;
use crate::table::Table;

const ADVANCE: &str = "take places of a rate";
const SHARERS: &str = "count who shares a rate";

/// How long a row outlives its last use.
const KEPT: Duration = Duration::from_hours(24);

/// How long the counts of a bucket are kept after its begin; they are read for two minutes.
const MEMBERS_KEPT: Duration = Duration::from_hours(1);

/// The attribute that says which bucket a tenant joined last.
const BUCKET_ATTRIBUTE: &str = "bucket";
/// The attributes that count the members of a bucket.
const ALL: &str = "members";
const FRESH: &str = "fresh";

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

    async fn join(&self, shared: &str, tenant: &TenantId, bucket: Bucket) -> Result<bool, Unavailable> {
        let expires = |after: Duration| number(bucket.0.saturating_mul(seconds(BUCKET)).saturating_add(seconds(after)));
        let own = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::key(keys::rates(tenant), keys::share(shared))))
            .update_expression("SET #bucket = :bucket, expires_at = :expires")
            .condition_expression("attribute_not_exists(#bucket) OR #bucket < :bucket")
            .expression_attribute_names("#bucket", BUCKET_ATTRIBUTE)
            .expression_attribute_values(":bucket", number(bucket.0))
            .expression_attribute_values(":expires", expires(KEPT))
            .return_values(ReturnValue::UpdatedOld);
        let before = match own.send().await {
            Ok(answer) => answer.attributes.and_then(|row| number_of(&row, BUCKET_ATTRIBUTE)),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(unavailable(SHARERS, error)),
        };
        let fresh = before != Some(bucket.before().0);
        let count = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::members(shared, row_of(tenant), bucket)))
            .update_expression("SET expires_at = :expires ADD #all :one, #fresh :fresh")
            .expression_attribute_names("#all", ALL)
            .expression_attribute_names("#fresh", FRESH)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":fresh", number(i64::from(fresh)))
            .expression_attribute_values(":expires", expires(MEMBERS_KEPT));
        count.send().await.map_err(|error| unavailable(SHARERS, error))?;
        Ok(fresh)
    }

    async fn sharers(&self, shared: &str, bucket: Bucket) -> Result<u32, Unavailable> {
        let both = [bucket.before(), bucket];
        let keys = both.iter().flat_map(|bucket| (0..ROWS).map(|row| keys::members(shared, row, *bucket)));
        let rows = Table::new(self.client.clone(), self.table.clone()).get(SHARERS, keys.collect()).await?;
        let members = |item: &Item| {
            let count = |name| number_of(item, name).and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
            Members { all: count(ALL), fresh: count(FRESH) }
        };
        let of = |bucket: Bucket| {
            let sk = keys::bucket(bucket);
            rows.iter().filter(move |item| text_of(item, keys::SK) == Some(sk.as_str())).map(members)
        };
        Ok(sharers(of(bucket.before()), of(bucket)))
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn number_of(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// A mark that lies a day behind says no more than none.
fn kept_until(mark_us: i64) -> i64 {
    let mark = Timestamp::from_microsecond(mark_us).unwrap_or(Timestamp::MAX);
    after(mark, KEPT).as_second()
}
