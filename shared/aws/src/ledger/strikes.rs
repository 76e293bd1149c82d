//! Strikes against messages: rows of the ledger table, one per message, which expire.

use std::collections::HashMap;

use acequia_core::id::TenantId;
use acequia_core::port::{Strikes, Unavailable};
use acequia_core::strikes::Strike;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{ClaimWriter, DynamoLedger};
use crate::error::ItemError;
use crate::keys::{self, Item, PK, text_of};

const READ: &str = "read strikes against messages";
const WRITE: &str = "write strikes against messages";
const TAKE_BACK: &str = "take back strikes against messages";

const ALONE: &str = "alone";
const UNTIL: &str = "until";
const EXPIRES_AT: &str = "expires_at";

impl<W: ClaimWriter> Strikes for DynamoLedger<W> {
    async fn strikes(&self, tenant: &TenantId, message_ids: &[String]) -> Result<Vec<Option<Strike>>, Unavailable> {
        let keys: Vec<Item> = message_ids.iter().map(|id| keys::strike(tenant, id)).collect();
        let found = self.rows.table().get(READ, keys.clone()).await?;
        let found: HashMap<&str, &Item> = found.iter().filter_map(|item| Some((text_of(item, PK)?, item))).collect();
        let strike = |(id, key): (&String, &Item)| {
            let item = text_of(key, PK).and_then(|pk| found.get(pk));
            item.map(|item| read(id, item).map_err(|error| Unavailable::new(READ, error))).transpose()
        };
        message_ids.iter().zip(&keys).map(strike).collect()
    }

    async fn strike(&self, tenant: &TenantId, strikes: &[Strike]) -> Vec<Result<(), Unavailable>> {
        self.rows.table().put(WRITE, strikes.iter().map(|strike| item(tenant, strike)).collect()).await
    }

    async fn take_back(&self, tenant: &TenantId, message_ids: &[String]) -> Vec<Result<(), Unavailable>> {
        let keys = message_ids.iter().map(|id| keys::strike(tenant, id)).collect();
        self.rows.table().delete(TAKE_BACK, keys).await
    }
}

fn item(tenant: &TenantId, strike: &Strike) -> Item {
    let number = |value: i64| AttributeValue::N(value.to_string());
    let mut item = keys::strike(tenant, &strike.message_id);
    item.insert(ALONE.to_owned(), number(i64::from(strike.alone)));
    item.insert(UNTIL.to_owned(), number(strike.until.as_millisecond()));
    item.insert(EXPIRES_AT.to_owned(), number(strike.expires_at.as_second()));
    item
}

fn read(message_id: &str, item: &Item) -> Result<Strike, ItemError> {
    let number = |name: &'static str| {
        let text = item.get(name).and_then(|value| value.as_n().ok());
        text.and_then(|text| text.parse::<i64>().ok()).ok_or(ItemError::Attribute(name))
    };
    Ok(Strike {
        message_id: message_id.to_owned(),
        alone: u32::try_from(number(ALONE)?).map_err(|_| ItemError::Attribute(ALONE))?,
        until: Timestamp::from_millisecond(number(UNTIL)?).map_err(|_| ItemError::Attribute(UNTIL))?,
        expires_at: Timestamp::from_second(number(EXPIRES_AT)?).map_err(|_| ItemError::Attribute(EXPIRES_AT))?,
    })
}
