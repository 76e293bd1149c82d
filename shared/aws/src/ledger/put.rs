//! Claims one by one: conditional `PutItem` calls side by side. The second implementation, for where `PartiQL` is not
//! to be used.

use acequia_core::id::TenantId;
use acequia_core::port::Unavailable;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use futures::StreamExt as _;

use super::claim::{ClaimWrite, ClaimWriter, OPERATION};
use super::rows::{columns_of, item_of};
use crate::columns::value_of;
use crate::keys::{self, PK};
use crate::refusal::unavailable;

/// How many calls of one batch run at once.
const CALLS: usize = 10;

/// Claims by parallel conditional writes.
#[derive(Debug, Clone)]
pub struct PutClaims {
    client: Client,
    table: String,
}

impl PutClaims {
    /// Claims in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Writes one record, over the one that is expected there; answers whether it was.
    pub(super) async fn put(&self, tenant: &TenantId, write: &ClaimWrite) -> Result<bool, Unavailable> {
        let columns = |record| columns_of(tenant, record).map_err(|error| Unavailable::new(OPERATION, error));
        let item = item_of(columns(&write.record)?);
        let mut request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let mut conditions = Vec::new();
        match &write.over {
            None => {
                conditions.push("attribute_not_exists(#pk)".to_owned());
                request = request.expression_attribute_names("#pk", PK);
            }
            Some(over) => {
                let over = columns(over)?;
                for name in keys::STATE {
                    request = request.expression_attribute_names(format!("#{name}"), name);
                    if let Some(value) = value_of(&over, name) {
                        request = request.expression_attribute_values(format!(":{name}"), value.clone());
                        conditions.push(format!("#{name} = :{name}"));
                    } else {
                        conditions.push(format!("attribute_not_exists(#{name})"));
                    }
                }
            }
        }
        match request.condition_expression(conditions.join(" AND ")).send().await {
            Ok(_) => Ok(true),
            Err(e) if e.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(unavailable(OPERATION, error)),
        }
    }
}

impl ClaimWriter for PutClaims {
    async fn write(&self, tenant: &TenantId, writes: &[ClaimWrite]) -> Vec<Result<bool, Unavailable>> {
        let calls: Vec<_> = writes.iter().map(|write| self.put(tenant, write)).collect();
        futures::stream::iter(calls).buffered(CALLS).collect().await
    }
}
