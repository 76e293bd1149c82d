//! Crash markers against messages: rows of the ledger table, one per message, which expire.

use std::collections::HashMap;

use acequia_core::delivery::crash::CrashMarker;
use acequia_core::id::TenantId;
use acequia_core::port::{CrashMarkers, Unavailable};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{ClaimWriter, DynamoLedger};
use crate::error::ItemError;
use crate::keys::{self, Item, PK, text_of};

const READ: &str = "read crash markers against messages";
const WRITE: &str = "write crash markers against messages";
const TAKE_BACK: &str = "take back crash markers against messages";

const ALONE: &str = "alone";
const UNTIL: &str = "until";
const EXPIRES_AT: &str = "expires_at";

impl<W: ClaimWriter> CrashMarkers for DynamoLedger<W> {
    async fn crash_markers(
        &self,
        tenant: &TenantId,
        message_ids: &[String],
    ) -> Result<Vec<Option<CrashMarker>>, Unavailable> {
        let keys: Vec<Item> = message_ids.iter().map(|id| keys::crash_marker(tenant, id)).collect();
        let found = self.rows.table().get(READ, keys.clone()).await?;
        let found: HashMap<&str, &Item> = found.iter().filter_map(|item| Some((text_of(item, PK)?, item))).collect();
        let crash_marker = |(id, key): (&String, &Item)| {
            let item = text_of(key, PK).and_then(|pk| found.get(pk));
            item.map(|item| {
                read(id, item).unwrap_or_else(|error| {
                    // It says of its message that an invocation died of it, whatever else it said.
                    tracing::error!(tenant.id = %tenant, message.id = id, error = ?error,
                        "a crash marker cannot be read: its message is handled alone");
                    CrashMarker::of(id, 0, Timestamp::UNIX_EPOCH)
                })
            })
        };
        Ok(message_ids.iter().zip(&keys).map(crash_marker).collect())
    }

    async fn mark(&self, tenant: &TenantId, crash_markers: &[CrashMarker]) -> Vec<Result<(), Unavailable>> {
        self.rows
            .table()
            .put(WRITE, crash_markers.iter().map(|crash_marker| item(tenant, crash_marker)).collect())
            .await
    }

    async fn clear_markers(&self, tenant: &TenantId, message_ids: &[String]) -> Vec<Result<(), Unavailable>> {
        let keys = message_ids.iter().map(|id| keys::crash_marker(tenant, id)).collect();
        self.rows.table().delete(TAKE_BACK, keys).await
    }
}

fn item(tenant: &TenantId, crash_marker: &CrashMarker) -> Item {
    let number = |value: i64| AttributeValue::N(value.to_string());
    let mut item = keys::crash_marker(tenant, &crash_marker.message_id);
    item.insert(ALONE.to_owned(), number(i64::from(crash_marker.alone)));
    item.insert(UNTIL.to_owned(), number(crash_marker.until.as_millisecond()));
    item.insert(EXPIRES_AT.to_owned(), number(crash_marker.expires_at.as_second()));
    item
}

fn read(message_id: &str, item: &Item) -> Result<CrashMarker, ItemError> {
    let number = |name: &'static str| {
        let text = item.get(name).and_then(|value| value.as_n().ok());
        text.and_then(|text| text.parse::<i64>().ok()).ok_or(ItemError::Attribute(name))
    };
    Ok(CrashMarker {
        message_id: message_id.to_owned(),
        alone: u32::try_from(number(ALONE)?).map_err(|_| ItemError::Attribute(ALONE))?,
        until: Timestamp::from_millisecond(number(UNTIL)?).map_err(|_| ItemError::Attribute(UNTIL))?,
        expires_at: Timestamp::from_second(number(EXPIRES_AT)?).map_err(|_| ItemError::Attribute(EXPIRES_AT))?,
    })
}
