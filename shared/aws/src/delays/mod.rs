//! Delayed messages: rows of a table of their own, with an index by the time at which they are due.
//!
//! A row's partition key is the tenant's id, so that a role limited by `dynamodb:LeadingKeys` sees one tenant only.
//! What of a message does not fit into one item lies in further rows, which are written before the first and deleted
//! after it.

mod index;
mod rows;

use std::collections::HashMap;

use acequia_core::delivery::delay::{Delayed, DelayedKey, DuePage, Look, Waiting, waiting};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{DelayStore, DelayedMessages, Lease, Sweeping, Unavailable};
use aws_sdk_dynamodb::Client;
use futures::StreamExt as _;
use jiff::Timestamp;

use crate::error::ItemError;
use crate::keys::{Item, SK, text_of};
use crate::table::Table;

/// The table of delayed messages.
#[derive(Debug, Clone)]
pub struct DynamoDelays {
    table: Table,
}

impl DynamoDelays {
    /// Delayed messages in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { table: Table::new(client, table.into()) }
    }
}

/// How many calls run at once.
const CALLS: usize = 10;

const DELAY: &str = "delay messages";
const LIST: &str = "list delayed messages";
const EXPEDITE: &str = "bring delayed messages forward";
const LOAD: &str = "read delayed messages";
const ERASE: &str = "erase delayed messages";
const RELEASE: &str = "delete delayed messages that were sent";

impl DelayStore for DynamoDelays {
    async fn delay(&self, _: &TenantId, rows: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        let (mut parts, mut firsts) = (Vec::new(), Vec::new());
        for row in rows {
            let mut items = rows::items(row);
            firsts.push(items.remove(0));
            parts.push(items);
        }
        // A first row makes the message count as delayed, so it is written once all the others are there.
        let all_parts: Vec<_> = parts.iter().flatten().cloned().collect();
        let mut written = self.table.put(DELAY, all_parts).await.into_iter();
        let whole: Vec<Option<Unavailable>> =
            parts.iter().map(|parts| parts.iter().filter_map(|_| written.next()?.err()).last()).collect();
        let complete = firsts.iter().zip(&whole).filter(|(_, error)| error.is_none()).map(|(first, _)| first.clone());
        let mut answers = self.table.put(DELAY, complete.collect()).await.into_iter();
        let answer = |error: Option<Unavailable>| match error {
            Some(error) => Err(error),
            None => answers.next().unwrap_or_else(|| Err(Unavailable::new(DELAY, "no answer"))),
        };
        whole.into_iter().map(answer).collect()
    }
}

impl DelayedMessages for DynamoDelays {
    async fn waiting(&self, tenant: &TenantId) -> Result<Vec<Waiting>, Unavailable> {
        let items = self.table.first_rows(LIST, tenant, None).await?;
        let row = |item: &Item| {
            let key = rows::key_of(item).ok_or(ItemError::Keyless)?;
            Ok((key.sink, rows::time_of(item, rows::DUE_AT)?, rows::time_of(item, rows::DELAYED_AT)?))
        };
        let found: Result<Vec<_>, ItemError> = items.iter().map(row).collect();
        Ok(waiting(found.map_err(|error| Unavailable::new(LIST, error))?.into_iter()))
    }

    async fn look(&self, tenant: &TenantId, sink: Option<&SinkId>, most: usize) -> Result<Look, Unavailable> {
        let items = self.table.first_rows(LIST, tenant, sink).await?;
        let row = |item: &Item| Ok((rows::time_of(item, rows::DUE_AT)?, rows::key_of(item).ok_or(ItemError::Keyless)?));
        let found: Result<Vec<_>, ItemError> = items.iter().map(row).collect();
        let mut found = found.map_err(|error| Unavailable::new(LIST, error))?;
        found.sort_unstable();
        let total = found.len() as u64;
        let keys: Vec<DelayedKey> = found.into_iter().take(most).map(|(_, key)| key).collect();
        // What was sent back since it was found is left out.
        let first: Result<Vec<_>, _> = self.load(&keys).await.into_iter().filter_map(Result::transpose).collect();
        Ok(Look { first: first?, total })
    }

    async fn expedite(&self, tenant: &TenantId, sink: &SinkId, now: Timestamp) -> Result<u64, Unavailable> {
        let items = self.table.first_rows(EXPEDITE, tenant, Some(sink)).await?;
        let keys: Vec<_> = items.iter().filter_map(rows::key_of).collect();
        let calls: Vec<_> = keys.iter().map(|key| self.table.bring_forward(rows::key(key), now)).collect();
        let answers: Vec<_> = futures::stream::iter(calls).buffered(CALLS).collect().await;
        answers.into_iter().try_fold(0, |sum, answer| Ok(sum + u64::from(answer?)))
    }

    async fn keys(&self, tenant: &TenantId) -> Result<Vec<DelayedKey>, Unavailable> {
        let items = self.table.first_rows(LIST, tenant, None).await?;
        let keys: Option<Vec<DelayedKey>> = items.iter().map(rows::key_of).collect();
        keys.ok_or_else(|| Unavailable::new(LIST, ItemError::Keyless))
    }

    async fn read(&self, keys: &[DelayedKey]) -> Vec<Result<Option<Delayed>, Unavailable>> {
        self.load(keys).await
    }

    async fn erase(&self, rows: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        let mut answers = self.table.delete(ERASE, rows.iter().map(|row| rows::key(&row.key)).collect()).await;
        // Other than behind a message that was sent, a part that stays is one that was to be gone.
        for (row, answer) in rows.iter().zip(&mut answers) {
            let parts: Vec<_> = (1..rows::items(row).len()).map(|number| rows::part_key(&row.key, number)).collect();
            if answer.is_ok() && !parts.is_empty() {
                *answer = self.table.delete(ERASE, parts).await.into_iter().collect();
            }
        }
        answers
    }
}

impl Sweeping for DynamoDelays {
    async fn lease(
        &self,
        what: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, Unavailable> {
        self.table.lease(what, holder, now, until).await
    }

    async fn stop_at(&self, what: &str, holder: &str, until: Timestamp, mark: Option<&str>) -> Result<(), Unavailable> {
        self.table.stop_at(what, holder, until, mark).await
    }

    async fn turn(&self, what: &str, now: Timestamp, until: Timestamp) -> Result<bool, Unavailable> {
        self.table.turn(what, now, until).await
    }

    async fn due(&self, shard: u8, now: Timestamp, from: Option<String>, limit: usize) -> Result<DuePage, Unavailable> {
        self.table.due(shard, now, from, limit).await
    }

    async fn load(&self, wanted: &[DelayedKey]) -> Vec<Result<Option<Delayed>, Unavailable>> {
        let firsts = match self.table.get(LOAD, wanted.iter().map(rows::key).collect()).await {
            Ok(firsts) => firsts,
            Err(error) => return repeat(&error, wanted.len()),
        };
        let mut firsts: HashMap<DelayedKey, Item> =
            firsts.into_iter().filter_map(|item| Some((rows::key_of(&item)?, item))).collect();
        let mut loaded = Vec::with_capacity(wanted.len());
        for key in wanted {
            let Some(first) = firsts.remove(key) else {
                loaded.push(Ok(None));
                continue;
            };
            let parts = (1..=rows::parts(&first)).map(|number| rows::part_key(key, number)).collect();
            let whole = match self.table.get(LOAD, parts).await {
                Ok(mut parts) => {
                    // One digit more or less: a message has at most nine parts.
                    parts.sort_by(|one, other| text_of(one, SK).cmp(&text_of(other, SK)));
                    rows::delayed(&first, &parts).map_err(|error| Unavailable::new(LOAD, error))
                }
                Err(error) => Err(error),
            };
            loaded.push(whole.map(Some));
        }
        loaded
    }

    async fn release(&self, sent: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        let answers = self.table.delete(RELEASE, sent.iter().map(|row| rows::key(&row.key)).collect()).await;
        let gone = sent.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        let parts =
            gone.flat_map(|(row, _)| (1..rows::items(row).len()).map(|number| rows::part_key(&row.key, number)));
        // A part that stays behind belongs to nothing, and expires.
        let parts: Vec<_> = parts.collect();
        if !parts.is_empty() {
            self.table.delete(RELEASE, parts).await;
        }
        answers
    }
}

fn repeat<T>(error: &Unavailable, times: usize) -> Vec<Result<T, Unavailable>> {
    (0..times).map(|_| Err(Unavailable::new(LOAD, format!("{error:?}")))).collect()
}
