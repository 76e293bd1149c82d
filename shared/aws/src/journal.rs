//! The journal of redriving: rows of the ledger table, one per dead letter that a run began to move.

use std::time::Duration;

use acequia_core::delivery::redrive::Standing;
use acequia_core::id::TenantId;
use acequia_core::port::{RedriveJournal, Unavailable};
use acequia_core::queue::QueueArn;
use acequia_core::time::after;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use futures::StreamExt as _;
use jiff::Timestamp;

use crate::error::ItemError;
use crate::keys::{self, Item, text, text_of};
use crate::refusal::unavailable;
use crate::table::Table;

/// A queue keeps messages for 14 days at most; no dead letter outlives its entry.
const KEPT: Duration = Duration::from_hours(24 * 20);
/// How many calls run at once.
const CALLS: usize = 10;

const BEGIN: &str = "begin a redrive in the journal";
const SETTLE: &str = "settle a redrive in the journal";
const FORGET: &str = "take back a redrive in the journal";
const LOOK: &str = "read the journal of redriving";

const RUN: &str = "run";
const STEP: &str = "step";
const SENT: &str = "sent";
const BEGUN: &str = "begun";
const BEGUN_AT: &str = "begun_at";
const EXPIRES_AT: &str = "expires_at";

/// The journal's rows of the ledger table.
#[derive(Debug, Clone)]
pub struct DynamoJournal {
    table: Table,
}

impl DynamoJournal {
    /// The journal in this table: the ledger's.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { table: Table::new(client, table.into()) }
    }

    async fn begin_one(&self, item: Item, run: &str) -> Result<Standing, Unavailable> {
        // The run's own entry is there already where the SDK repeats a call whose answer was lost.
        let request = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk) OR (#run = :run AND #step = :begun)")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#run", RUN)
            .expression_attribute_names("#step", STEP)
            .expression_attribute_values(":run", text(run))
            .expression_attribute_values(":begun", text(BEGUN))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            Ok(_) => Ok(Standing::Mine),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    refused.item().map_or(Err(ItemError::Keyless), standing).map_err(|e| Unavailable::new(BEGIN, e))
                }
                _ => Err(unavailable(BEGIN, error)),
            },
        }
    }
}

impl RedriveJournal for DynamoJournal {
    async fn begin(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
        run: &str,
        now: Timestamp,
    ) -> Vec<Result<Standing, Unavailable>> {
        let begin = |id: &String| self.begin_one(row(tenant, queue, id, BEGUN, run, now), run);
        let calls: Vec<_> = ids.iter().map(begin).collect();
        futures::stream::iter(calls).buffered(CALLS).collect().await
    }

    async fn settle(
        &self,
        tenant: &TenantId,
        queue: &QueueArn,
        ids: &[String],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let rows = ids.iter().map(|id| row(tenant, queue, id, SENT, "", now)).collect();
        self.table.put(SETTLE, rows).await.into_iter().collect()
    }

    async fn forget(&self, tenant: &TenantId, queue: &QueueArn, ids: &[String]) -> Result<(), Unavailable> {
        let keys = ids.iter().map(|id| key(tenant, queue, id)).collect();
        self.table.delete(FORGET, keys).await.into_iter().collect()
    }

    async fn look(&self, tenant: &TenantId, queue: &QueueArn, id: &str) -> Result<Option<Standing>, Unavailable> {
        let request = self.table.client.get_item().table_name(&self.table.name).consistent_read(true);
        let answer = request.set_key(Some(key(tenant, queue, id))).send().await;
        let item = answer.map_err(|error| unavailable(LOOK, error))?.item;
        item.as_ref().map(standing).transpose().map_err(|error| Unavailable::new(LOOK, error))
    }
}

fn key(tenant: &TenantId, queue: &QueueArn, id: &str) -> Item {
    keys::key(keys::redrive(tenant), format!("{}#{id}", queue.name()))
}

fn row(tenant: &TenantId, queue: &QueueArn, id: &str, step: &str, run: &str, now: Timestamp) -> Item {
    let mut item = key(tenant, queue, id);
    let number = |value: i64| AttributeValue::N(value.to_string());
    item.insert(STEP.to_owned(), text(step));
    item.insert(RUN.to_owned(), text(run));
    item.insert(BEGUN_AT.to_owned(), number(now.as_millisecond()));
    item.insert(EXPIRES_AT.to_owned(), number(after(now, KEPT).as_second()));
    item
}

fn standing(item: &Item) -> Result<Standing, ItemError> {
    if text_of(item, STEP) == Some(SENT) {
        return Ok(Standing::Sent);
    }
    let millis = item.get(BEGUN_AT).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok());
    let at = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    at.map(Standing::Begun).ok_or(ItemError::Attribute(BEGUN_AT))
}
