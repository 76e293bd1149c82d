//! What the door took before: rows of the ledger table.
//!
//! Most of what begins is new, so it is first written on the condition that there is no row: one statement each, 25 in
//! one call, as claims are. Where there is one, it is read and judged by `acequia-core`; what may be taken over is
//! written on the condition that the row's claim is still the one that was judged.

use acequia_core::id::TenantId;
use acequia_core::intake::once::judge;
use acequia_core::intake::{Entry, EntryKey, Once};
use acequia_core::port::{IntakeStore, Unavailable};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use futures::StreamExt as _;
use jiff::Timestamp;

use crate::columns::{Column, columns};
use crate::error::{EntryError, ItemError, SharedError, was_written};
use crate::keys::{self, Item, PK, SK, text, text_of};
use crate::ledger::insert_new;
use crate::refusal::unavailable;
use crate::table::Table;

const BEGIN: &str = "begin an entry of the intake";
const END: &str = "end an entry of the intake";
const FORGET: &str = "forget an entry of the intake";

/// How many statements a call takes, and how many calls run at once.
const BATCH: usize = 25;
const CALLS: usize = 4;
/// How often a lost race is run again.
const ROUNDS: usize = 3;

/// The door's rows of the ledger table.
#[derive(Debug, Clone)]
pub struct DynamoIntake {
    table: Table,
}

impl DynamoIntake {
    /// The store in this table: the ledger's.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { table: Table::new(client, table.into()) }
    }

    /// Begins entries of which most are new.
    async fn begin_batch(
        &self,
        tenant: &TenantId,
        entries: &[(EntryKey, Entry)],
        now: Timestamp,
    ) -> Vec<Result<Once, Unavailable>> {
        let items: Result<Vec<Vec<Column>>, ItemError> =
            entries.iter().map(|(key, entry)| columns_of(tenant, key, entry)).collect();
        let written = match items {
            Ok(items) => insert_new(&self.table.client, &self.table.name, items, BEGIN).await,
            Err(error) => {
                let error = SharedError::new(error);
                return entries.iter().map(|_| Err(error.unavailable(BEGIN))).collect();
            }
        };
        let one = |((key, entry), written): (&(EntryKey, Entry), Result<bool, Unavailable>)| {
            let (key, entry) = (key.clone(), entry.clone());
            async move { if written? { Ok(Once::Begun(None)) } else { self.take_over(tenant, &key, &entry, now).await } }
        };
        let open: Vec<_> = entries.iter().zip(written).map(one).collect();
        futures::stream::iter(open).buffered(BATCH).collect().await
    }

    /// Begins an entry where there is a row already.
    async fn take_over(
        &self,
        tenant: &TenantId,
        key: &EntryKey,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<Once, Unavailable> {
        for _ in 0..ROUNDS {
            let place = keys::intake(tenant, key);
            let request = self.table.client.get_item().table_name(&self.table.name).consistent_read(true);
            let answer = request.set_key(Some(place)).send().await.map_err(|error| unavailable(BEGIN, error))?;
            let stored = answer.item.map(read).transpose()?;
            let once = judge(stored.as_ref(), entry, now);
            let Once::Begun(_) = once else { return Ok(once) };
            if stored.as_ref().is_some_and(|stored| stored.claim == entry.claim && stored.expires_at > now)
                || self.replace(tenant, key, entry, stored).await?
            {
                return Ok(once);
            }
        }
        Err(unavailable(BEGIN, EntryError::new("Contested", "others keep changing the row")))
    }

    /// Writes an entry in place of the one that was read; whether that was still there.
    async fn replace(
        &self,
        tenant: &TenantId,
        key: &EntryKey,
        entry: &Entry,
        stored: Option<Entry>,
    ) -> Result<bool, Unavailable> {
        let request = self.table.client.put_item().table_name(&self.table.name);
        let item = item_of(tenant, key, entry).map_err(|error| Unavailable::new(BEGIN, error))?;
        let request = request.set_item(Some(item));
        let request = match stored {
            None => request.condition_expression("attribute_not_exists(pk)"),
            Some(stored) => request
                .condition_expression("claim = :stored")
                .expression_attribute_values(":stored", text(stored.claim)),
        };
        was_written(request.send().await, PutItemError::is_conditional_check_failed_exception, BEGIN)
    }
}

fn columns_of(tenant: &TenantId, key: &EntryKey, entry: &Entry) -> Result<Vec<Column>, ItemError> {
    let mut columns = columns(entry, &[]).map_err(ItemError::Unreadable)?;
    let mut place = keys::intake(tenant, key);
    for name in [PK, SK] {
        columns.extend(place.remove(name).map(|value| (name, value)));
    }
    Ok(columns)
}

fn item_of(tenant: &TenantId, key: &EntryKey, entry: &Entry) -> Result<Item, ItemError> {
    Ok(columns_of(tenant, key, entry)?.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn read(item: Item) -> Result<Entry, Unavailable> {
    if text_of(&item, "claim").is_none() {
        return Err(Unavailable::new(BEGIN, ItemError::Attribute("claim")));
    }
    serde_dynamo::from_item(item).map_err(|error| Unavailable::new(BEGIN, ItemError::Unreadable(error)))
}

impl IntakeStore for DynamoIntake {
    async fn begin(
        &self,
        tenant: &TenantId,
        entries: &[(EntryKey, Entry)],
        now: Timestamp,
    ) -> Vec<Result<Once, Unavailable>> {
        let batches: Vec<_> = entries.chunks(BATCH).map(|batch| self.begin_batch(tenant, batch, now)).collect();
        let answers: Vec<_> = futures::stream::iter(batches).buffered(CALLS).collect().await;
        answers.into_iter().flatten().collect()
    }

    async fn end(&self, tenant: &TenantId, entries: &[(EntryKey, Entry)]) -> Vec<Result<(), Unavailable>> {
        let items: Result<Vec<Item>, ItemError> =
            entries.iter().map(|(key, entry)| item_of(tenant, key, entry)).collect();
        match items {
            Ok(items) => self.table.put(END, items).await,
            Err(error) => {
                let error = SharedError::new(error);
                entries.iter().map(|_| Err(error.unavailable(END))).collect()
            }
        }
    }

    async fn forget(&self, tenant: &TenantId, keys: &[EntryKey]) -> Vec<Result<(), Unavailable>> {
        self.table.delete(FORGET, keys.iter().map(|key| keys::intake(tenant, key)).collect()).await
    }
}
