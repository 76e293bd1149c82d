//! What invokes the outbox: records of the table's stream, or the schedule.

use acequia_aws::outbox_row;
use acequia_core::consent::RowKey;
use acequia_core::id::TenantId;
use serde::Deserialize;

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
    new_image: Option<Row>,
}

#[derive(Debug, Default, Deserialize)]
struct Row {
    #[serde(default)]
    pk: Text,
    #[serde(default)]
    sk: Text,
}

#[derive(Debug, Default, Deserialize)]
struct Text {
    #[serde(default, rename = "S")]
    text: String,
}

impl Batch {
    /// The outbox rows that the batch tells of; `None` where the schedule invoked us. Changes of consents and actions,
    /// and rows that were deleted, are passed over.
    pub(crate) fn rows(self) -> Option<Vec<(TenantId, RowKey)>> {
        let read = |record: Record| {
            let image = record.dynamodb.new_image?;
            outbox_row(&image.pk.text, &image.sk.text)
        };
        self.records.map(|records| records.into_iter().filter_map(read).collect())
    }
}
