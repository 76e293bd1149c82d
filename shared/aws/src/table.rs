//! A table of `DynamoDB`: items are written and read in batches whose left-overs are sent again.

use std::time::Duration;

use acequia_core::port::Unavailable;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};

use crate::error::{EntryError, SharedError};
use crate::keys::{Item, PK, SK, text_of};
use crate::refusal::unavailable;

/// How many items a call writes, and how many it reads.
const WRITES: usize = 25;
const READS: usize = 100;
/// Left-overs mean that the table throttles, or that an answer was full: they are sent again after 50, 100, 200, 400
/// ms, then given up.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// One table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// The key of an item, to compare by.
fn pair(item: &Item) -> Option<(String, String)> {
    Some((text_of(item, PK)?.to_owned(), text_of(item, SK)?.to_owned()))
}

impl Table {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Writes items; one answer each, in order.
    pub(crate) async fn put(&self, operation: &'static str, items: Vec<Item>) -> Vec<Result<(), Unavailable>> {
        let request = |item: &Item| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build().ok()?;
            Some(WriteRequest::builder().put_request(put).build())
        };
        self.write(operation, &items, request).await
    }

    /// Deletes the items of these keys; one answer each, in order.
    pub(crate) async fn delete(&self, operation: &'static str, keys: Vec<Item>) -> Vec<Result<(), Unavailable>> {
        let request = |key: &Item| {
            let delete = DeleteRequest::builder().set_key(Some(key.clone())).build().ok()?;
            Some(WriteRequest::builder().delete_request(delete).build())
        };
        self.write(operation, &keys, request).await
    }

    async fn write(
        &self,
        operation: &'static str,
        items: &[Item],
        request: impl Fn(&Item) -> Option<WriteRequest>,
    ) -> Vec<Result<(), Unavailable>> {
        let mut answers = Vec::with_capacity(items.len());
        for batch in items.chunks(WRITES) {
            let open = batch.iter().filter_map(&request).collect();
            let (left, error) = self.write_batch(open).await;
            let left: Vec<_> = left.iter().filter_map(item_of).filter_map(pair).collect();
            answers.extend(batch.iter().map(|item| match pair(item) {
                Some(pair) if !left.contains(&pair) => Ok(()),
                _ => Err(error.unavailable(operation)),
            }));
        }
        answers
    }

    /// Sends one batch until nothing is left over; what is, and why.
    async fn write_batch(&self, mut open: Vec<WriteRequest>) -> (Vec<WriteRequest>, SharedError) {
        for attempt in 0..TRIES {
            pause(attempt).await;
            // A copy, because a call that fails leaves all of it unwritten.
            match self.client.batch_write_item().request_items(&self.name, open.clone()).send().await {
                Err(failure) => return (open, SharedError::new(failure)),
                Ok(answer) => {
                    open = answer.unprocessed_items.and_then(|mut t| t.remove(&self.name)).unwrap_or_default();
                }
            }
            if open.is_empty() {
                break;
            }
        }
        (open, SharedError::new(left_over()))
    }

    /// Reads the items of these keys consistently, in no order; what does not exist is left out.
    pub(crate) async fn get(&self, operation: &'static str, keys: Vec<Item>) -> Result<Vec<Item>, Unavailable> {
        let mut found = Vec::with_capacity(keys.len());
        for batch in keys.chunks(READS) {
            let mut open = batch.to_vec();
            let mut attempt = 0;
            loop {
                let asked = KeysAndAttributes::builder().set_keys(Some(open.clone())).consistent_read(true).build();
                let asked = asked.map_err(|error| Unavailable::new(operation, error))?;
                let answer = self.client.batch_get_item().request_items(&self.name, asked).send().await;
                let answer = answer.map_err(|error| unavailable(operation, error))?;
                let items = answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default();
                let rest = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
                // An answer holds 16 MB: as long as there is progress, the rest is asked for at once.
                attempt = if items.is_empty() { attempt + 1 } else { 0 };
                found.extend(items);
                open = rest.map(|rest| rest.keys).unwrap_or_default();
                if open.is_empty() {
                    break;
                }
                if attempt >= TRIES {
                    return Err(Unavailable::new(operation, left_over()));
                }
                pause(attempt).await;
            }
        }
        Ok(found)
    }
}

fn item_of(request: &WriteRequest) -> Option<&Item> {
    let put = request.put_request.as_ref().map(PutRequest::item);
    put.or_else(|| request.delete_request.as_ref().map(DeleteRequest::key))
}

async fn pause(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(FIRST_WAIT.saturating_mul(1 << (attempt - 1))).await;
    }
}

fn left_over() -> EntryError {
    EntryError::new("Unprocessed", "the table throttles")
}
