//! What invokes the outbox: records of the table's stream, or the schedule.

use acequia_aws::outbox_row;
use acequia_core::consent::OutboxRow;
use acequia_core::id::TenantId;
use serde::{Deserialize, Serialize};

/// The records of one invocation. What the schedule sends has none.
#[derive(Debug, Default, Deserialize)]
pub struct Batch {
    #[serde(default, rename = "Records")]
    records: Option<Vec<Record>>,
}

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(default)]
    dynamodb: Image,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    #[serde(default)]
    sequence_number: String,
    #[serde(default)]
    new_image: Option<Row>,
}

#[derive(Debug, Default, Deserialize)]
struct Row {
    #[serde(default)]
    pk: Text,
    #[serde(default)]
    sk: Text,
    #[serde(default)]
    doc: Text,
}

#[derive(Debug, Default, Deserialize)]
struct Text {
    #[serde(default, rename = "S")]
    text: String,
}

/// An outbox row of the stream, with the number that the answer names it by.
#[derive(Debug)]
pub(crate) struct Streamed {
    pub(crate) sequence: String,
    pub(crate) tenant: TenantId,
    pub(crate) row: OutboxRow,
}

impl Batch {
    /// The outbox rows of the batch that were written, in order; `None` where the schedule invoked us. Changes of consents and
    /// actions, and rows that were deleted, are passed over.
    pub(crate) fn rows(self) -> Option<Vec<Streamed>> {
        let read = |record: Record| {
            let image = record.dynamodb.new_image?;
            let (tenant, row) = outbox_row(&image.pk.text, &image.sk.text, &image.doc.text)?;
            Some(Streamed { sequence: record.dynamodb.sequence_number, tenant, row })
        };
        self.records.map(|records| records.into_iter().filter_map(read).collect())
    }
}

/// The answer to the stream: what is to come again. Lambda goes on from the lowest.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Failures {
    pub(crate) fn of(sequences: Vec<String>) -> Self {
        let failures = sequences.into_iter().map(|item_identifier| Failure { item_identifier });
        Self { batch_item_failures: failures.collect() }
    }

    /// The sequence numbers of what is to come again.
    pub fn sequences(&self) -> Vec<&str> {
        self.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
    }
}
