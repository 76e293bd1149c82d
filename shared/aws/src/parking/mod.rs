//! Parked messages: rows of a table of their own, with an index by the time at which they are due.
//!
//! A row's partition key is the tenant's id, so that a role limited by `dynamodb:LeadingKeys` sees one tenant only. What of a message
//! does not fit into one item lies in further rows, which are written before the first and deleted after it.

pub(crate) mod batch;
mod rows;

use acequia_core::id::TenantId;
use acequia_core::parking::Parked;
use acequia_core::port::{Parking, Unavailable};
use aws_sdk_dynamodb::Client;

use batch::Table;

/// The table of parked messages.
#[derive(Debug, Clone)]
pub struct DynamoParking {
    table: Table,
}

impl DynamoParking {
    /// Parked messages in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { table: Table::new(client, table.into()) }
    }
}

const PARK: &str = "park messages";

impl Parking for DynamoParking {
    async fn park(&self, _: &TenantId, rows: &[Parked]) -> Vec<Result<(), Unavailable>> {
        let (mut parts, mut firsts) = (Vec::new(), Vec::new());
        for row in rows {
            let mut items = rows::items(row);
            firsts.push(items.remove(0));
            parts.push(items);
        }
        // A first row makes the message count as parked, so it is written once all the others are there.
        let all_parts: Vec<_> = parts.iter().flatten().cloned().collect();
        let mut written = self.table.put(PARK, all_parts).await.into_iter();
        let whole: Vec<Option<Unavailable>> =
            parts.iter().map(|parts| parts.iter().filter_map(|_| written.next()?.err()).last()).collect();
        let complete = firsts.iter().zip(&whole).filter(|(_, error)| error.is_none()).map(|(first, _)| first.clone());
        let mut answers = self.table.put(PARK, complete.collect()).await.into_iter();
        let answer = |error: Option<Unavailable>| match error {
            Some(error) => Err(error),
            None => answers.next().unwrap_or_else(|| Err(Unavailable::new(PARK, "no answer"))),
        };
        whole.into_iter().map(answer).collect()
    }
}
