//! What is known of endpoints at run time: rows of the ledger table, one per sink, that never expire.

use acequia_core::delivery::breaker::EndpointState;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{EndpointStore, KnownEndpoint, Unavailable};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::{ItemError, was_written};
use crate::keys::{self, Item, text, text_of};
use crate::refusal::unavailable;

const READ: &str = "read the state of an endpoint";
const CHANGE: &str = "change the state of an endpoint";

/// The endpoints' rows of the ledger table.
#[derive(Debug, Clone)]
pub struct DynamoEndpoints {
    client: Client,
    table: String,
}

impl DynamoEndpoints {
    /// The store in this table: the ledger's.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

fn read(item: Item) -> Result<EndpointState, Unavailable> {
    serde_dynamo::from_item(item).map_err(|error| Unavailable::new(READ, ItemError::Unreadable(error)))
}

impl EndpointStore for DynamoEndpoints {
    async fn state(&self, tenant: &TenantId, sink: &SinkId) -> Result<Option<EndpointState>, Unavailable> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = request.set_key(Some(keys::key(keys::endpoints(tenant), sink.as_str()))).send().await;
        answer.map_err(|error| unavailable(READ, error))?.item.map(read).transpose()
    }

    async fn change(&self, tenant: &TenantId, sink: &SinkId, state: &EndpointState) -> Result<bool, Unavailable> {
        let mut item: Item =
            serde_dynamo::to_item(state).map_err(|e| Unavailable::new(CHANGE, ItemError::Unreadable(e)))?;
        item.extend(keys::key(keys::endpoints(tenant), sink.as_str()));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let request = match state.revision.checked_sub(1) {
            None | Some(0) => request.condition_expression("attribute_not_exists(pk)"),
            Some(before) => request
                .condition_expression("revision = :before")
                .expression_attribute_values(":before", AttributeValue::N(before.to_string())),
        };
        was_written(request.send().await, PutItemError::is_conditional_check_failed_exception, CHANGE)
    }

    async fn states(&self, tenant: &TenantId) -> Result<Vec<KnownEndpoint>, Unavailable> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :endpoints")
            .expression_attribute_values(":endpoints", text(keys::endpoints(tenant)))
            .into_paginator()
            .items()
            .send();
        let mut states = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| unavailable(READ, error))?;
            // A key that names no sink is of none, and nothing asks for it.
            if let Some(sink) = text_of(&item, keys::SK).and_then(|text| text.parse().ok()) {
                states.push((sink, read(item)));
            }
        }
        Ok(states)
    }
}
