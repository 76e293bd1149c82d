//! Looking for delayed messages: a tenant's, and by the time at which they are due; and the leases of the
//! invocations that sweep.

use acequia_core::delivery::delay::{DelayedKey, DuePage};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Lease, Unavailable};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use super::rows::{DELAYED_AT, DUE_AT, EXPEDITED, SHARD, key_of, time_of};
use crate::error::{ItemError, was_written};
use crate::keys::{self, Item, PK, SK, number, text, text_of};
use crate::refusal::unavailable;
use crate::table::Table;

/// The index by due time.
const INDEX: &str = "due";
const LEASE_UNTIL: &str = "lease_until";
const HOLDER: &str = "holder";
/// Where the last holder of a lease stopped.
const MARK: &str = "mark";
/// The partition key of leases; no tenant's id begins with `@`.
const SWEEPER: &str = "@sweeper";

const LEASE: &str = "take a lease of the sweeper";
const STOP: &str = "say where a lease of the sweeper stops";
const TURN: &str = "take a turn of the sweeper";
const DUE: &str = "look for delayed messages that are due";
const EXPEDITE: &str = "bring delayed messages forward";

impl Table {
    /// The first items of a tenant's messages, of one sink's where it is named, without the messages themselves.
    pub(super) async fn first_rows(
        &self,
        operation: &'static str,
        tenant: &TenantId,
        sink: Option<&SinkId>,
    ) -> Result<Vec<Item>, Unavailable> {
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .expression_attribute_values(":pk", text(tenant.as_str()))
            .filter_expression("attribute_exists(#due)")
            .projection_expression("#pk, #sk, #due, #delayed")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_names("#due", DUE_AT)
            .expression_attribute_names("#delayed", DELAYED_AT);
        query = match sink {
            None => query.key_condition_expression("#pk = :pk"),
            Some(_) => query
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :sink)")
                .expression_attribute_values(":sink", text(DelayedKey::prefix(sink))),
        };
        let mut pages = query.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            found.push(item.map_err(|error| unavailable(operation, error))?);
        }
        Ok(found)
    }

    /// Makes a message due now, if it is still there.
    pub(super) async fn bring_forward(&self, key: Item, now: Timestamp) -> Result<bool, Unavailable> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression("SET #due = :now, #expedited = :yes")
            .condition_expression("attribute_exists(#due)")
            .expression_attribute_names("#due", DUE_AT)
            .expression_attribute_names("#expedited", EXPEDITED)
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        was_written(update.send().await, UpdateItemError::is_conditional_check_failed_exception, EXPEDITE)
    }

    pub(super) async fn lease(
        &self,
        what: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, Unavailable> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(lease_of(what)))
            .update_expression("SET #holder = :holder, #until = :until")
            .condition_expression("attribute_not_exists(#until) OR #until <= :now OR #holder = :holder")
            .expression_attribute_names("#until", LEASE_UNTIL)
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":until", number(until.as_millisecond()))
            .expression_attribute_values(":holder", text(holder))
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(answer) => {
                let mark = answer.attributes().and_then(|row| text_of(row, MARK)).map(str::to_owned);
                Ok(Some(Lease { mark }))
            }
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(unavailable(LEASE, error)),
        }
    }

    pub(super) async fn stop_at(
        &self,
        what: &str,
        holder: &str,
        until: Timestamp,
        mark: Option<&str>,
    ) -> Result<(), Unavailable> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(lease_of(what)))
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#until", LEASE_UNTIL)
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_names("#mark", MARK)
            .expression_attribute_values(":until", number(until.as_millisecond()))
            .expression_attribute_values(":holder", text(holder));
        let update = match mark {
            None => update.update_expression("SET #until = :until REMOVE #mark"),
            Some(mark) => update
                .update_expression("SET #until = :until, #mark = :mark")
                .expression_attribute_values(":mark", text(mark)),
        };
        let failed = UpdateItemError::is_conditional_check_failed_exception;
        was_written(update.send().await, failed, STOP).map(|_| ())
    }

    pub(super) async fn turn(&self, what: &str, now: Timestamp, until: Timestamp) -> Result<bool, Unavailable> {
        let mut item = keys::key(SWEEPER, format!("turn#{what}"));
        item.insert(LEASE_UNTIL.to_owned(), number(until.as_millisecond()));
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk) OR #until <= :now")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#until", LEASE_UNTIL)
            .expression_attribute_values(":now", number(now.as_millisecond()));
        was_written(put.send().await, PutItemError::is_conditional_check_failed_exception, TURN)
    }

    pub(super) async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> Result<DuePage, Unavailable> {
        let from = from.map(|mark| start_of(shard, &mark).ok_or_else(|| Unavailable::new(DUE, ItemError::Mark)));
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(INDEX)
            .key_condition_expression("#shard = :shard AND #due <= :now")
            .expression_attribute_names("#shard", SHARD)
            .expression_attribute_names("#due", DUE_AT)
            .expression_attribute_values(":shard", number(i64::from(shard)))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from.transpose()?);
        let answer = query.send().await.map_err(|error| unavailable(DUE, error))?;
        let items = answer.items();
        let first_due_at = items.first().and_then(|item| time_of(item, DUE_AT).ok());
        let keys = items.iter().filter_map(key_of).collect();
        Ok(DuePage { keys, first_due_at, next: answer.last_evaluated_key.as_ref().and_then(mark_of) })
    }
}

fn lease_of(what: &str) -> Item {
    keys::key(SWEEPER, format!("lease#{what}"))
}

/// The mark of a page: `<due time>/<tenant>/<below the tenant>`.
fn mark_of(last: &Item) -> Option<String> {
    let due = last.get(DUE_AT)?.as_n().ok()?;
    Some(format!("{due}/{}/{}", text_of(last, PK)?, text_of(last, SK)?))
}

fn start_of(shard: u8, mark: &str) -> Option<Item> {
    let mut parts = mark.splitn(3, '/');
    let due: i64 = parts.next()?.parse().ok()?;
    let mut start = keys::key(parts.next()?, parts.next()?);
    start.insert(DUE_AT.to_owned(), number(due));
    start.insert(SHARD.to_owned(), number(i64::from(shard)));
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_page_reads_back() {
        let mut last = keys::key("acme", "crm#m-1");
        last.insert(DUE_AT.to_owned(), number(7));
        last.insert(SHARD.to_owned(), number(3));
        assert_eq!(start_of(3, &mark_of(&last).unwrap()), Some(last));
        assert_eq!(start_of(3, "nonsense"), None);
    }
}
