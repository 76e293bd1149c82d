//! The memory of the watch: rows of the table of delayed messages, one for each queue that is not empty, and one for
//! where it stopped.

use std::time::Duration;

use acequia_core::port::{Findings, Remembered, Unavailable};
use acequia_core::queue::QueueArn;
use acequia_core::time::after;
use acequia_core::watch::Finding;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::error::ItemError;
use crate::keys::{self, Item, SK, text, text_of};
use crate::refusal::unavailable;
use crate::table::Table;

/// The partition key of the watch's rows; no tenant's id begins with `@`.
const WATCH: &str = "@watch";
const CURSOR: &str = "cursor";
const QUEUE: &str = "queue";
const EXPIRES_AT: &str = "expires_at";
/// A row outlives its last change by so much, as a message does. The watch itself takes away what is empty or gone.
const KEPT: Duration = Duration::from_hours(24 * 15);

const READ: &str = "read what the watch found";
const WRITE: &str = "remember what the watch found";
const FORGET: &str = "forget queues that are empty";
const STOP: &str = "remember where the watch stopped";

/// The watch's rows.
#[derive(Debug, Clone)]
pub struct DynamoFindings {
    table: Table,
}

impl DynamoFindings {
    /// The rows in this table: that of delayed messages.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { table: Table::new(client, table.into()) }
    }
}

fn key(queue: &QueueArn) -> Item {
    keys::key(WATCH, queue.to_string())
}

fn expires(now: Timestamp) -> AttributeValue {
    AttributeValue::N(after(now, KEPT).as_second().to_string())
}

fn row((queue, finding): &(QueueArn, Finding), now: Timestamp) -> Result<Item, Unavailable> {
    let item: Result<Item, _> = serde_dynamo::to_item(finding);
    let mut item = item.map_err(|error| Unavailable::new(WRITE, ItemError::Unreadable(error)))?;
    item.extend(key(queue));
    item.insert(EXPIRES_AT.to_owned(), expires(now));
    Ok(item)
}

fn read(item: Item) -> Result<(QueueArn, Finding), Unavailable> {
    let queue = text_of(&item, SK).and_then(|text| text.parse().ok());
    let queue = queue.ok_or_else(|| Unavailable::new(READ, ItemError::Keyless))?;
    let finding = serde_dynamo::from_item(item);
    Ok((queue, finding.map_err(|error| Unavailable::new(READ, ItemError::Unreadable(error)))?))
}

impl Findings for DynamoFindings {
    async fn remembered(&self) -> Result<Remembered, Unavailable> {
        let mut items = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .consistent_read(true)
            .key_condition_expression("pk = :watch")
            .expression_attribute_values(":watch", text(WATCH))
            .into_paginator()
            .items()
            .send();
        let mut remembered = Remembered::default();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| unavailable(READ, error))?;
            if text_of(&item, SK) == Some(CURSOR) {
                remembered.cursor = text_of(&item, QUEUE).map(str::to_owned);
            } else {
                remembered.findings.push(read(item)?);
            }
        }
        Ok(remembered)
    }

    async fn remember(&self, findings: &[(QueueArn, Finding)], now: Timestamp) -> Vec<Result<(), Unavailable>> {
        let items: Result<Vec<Item>, Unavailable> = findings.iter().map(|finding| row(finding, now)).collect();
        match items {
            Ok(items) => self.table.put(WRITE, items).await,
            // A finding has no part that cannot be written.
            Err(error) => findings.iter().map(|_| Err(Unavailable::new(WRITE, format!("{error:?}")))).collect(),
        }
    }

    async fn forget(&self, queues: &[QueueArn]) -> Vec<Result<(), Unavailable>> {
        self.table.delete(FORGET, queues.iter().map(key).collect()).await
    }

    async fn stop_at(&self, cursor: &str, now: Timestamp) -> Result<(), Unavailable> {
        let mut item = keys::key(WATCH, CURSOR);
        item.insert(QUEUE.to_owned(), text(cursor));
        item.insert(EXPIRES_AT.to_owned(), expires(now));
        let put = self.table.client.put_item().table_name(&self.table.name).set_item(Some(item));
        put.send().await.map(|_| ()).map_err(|error| unavailable(STOP, error))
    }
}
