//! Which endpoints are switched off: rows of the ledger table, one per sink, that never expire.

use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Disabled, EndpointStore, Unavailable};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValue;

use crate::error::ItemError;
use crate::keys::{self, Item};

const READ: &str = "read whether an endpoint is disabled";
const DISABLE: &str = "disable an endpoint";
const ENABLE: &str = "enable an endpoint";

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

impl EndpointStore for DynamoEndpoints {
    async fn disabled(&self, tenant: &TenantId, sink: &SinkId) -> Result<Option<Disabled>, Unavailable> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = request.set_key(Some(keys::key(keys::endpoints(tenant), sink.as_str()))).send().await;
        let item = answer.map_err(|error| Unavailable::new(READ, error))?.item;
        item.map(serde_dynamo::from_item)
            .transpose()
            .map_err(|error| Unavailable::new(READ, ItemError::Unreadable(error)))
    }

    async fn disable(&self, tenant: &TenantId, sink: &SinkId, disabled: Disabled) -> Result<(), Unavailable> {
        let mut item: Item =
            serde_dynamo::to_item(&disabled).map_err(|e| Unavailable::new(DISABLE, ItemError::Unreadable(e)))?;
        item.extend(keys::key(keys::endpoints(tenant), sink.as_str()));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map(|_| ()).map_err(|error| Unavailable::new(DISABLE, error))
    }

    async fn enable(&self, tenant: &TenantId, sink: &SinkId) -> Result<bool, Unavailable> {
        let request = self.client.delete_item().table_name(&self.table).return_values(ReturnValue::AllOld);
        let answer = request.set_key(Some(keys::key(keys::endpoints(tenant), sink.as_str()))).send().await;
        Ok(answer.map_err(|error| Unavailable::new(ENABLE, error))?.attributes.is_some())
    }
}
