//! The stream of the table of consents, and Lambda's reading of it: each shard in order, a batch at a time, again from
//! the first record that failed, so often and no more; what it gives up on is left to the sweep.

use std::time::Duration;

use acequia_core::consent::OutboxRow;
use acequia_core::id::TenantId;
use acequia_core::time::after;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::dice::Dice;

/// The most records of a batch.
const BATCH: usize = 25;

/// One shard.
#[derive(Debug, Clone, Default)]
pub struct Shard {
    rows: Vec<(TenantId, OutboxRow)>,
    next: usize,
    tries: u32,
    /// The most that a batch holds while it is halved.
    most: Option<usize>,
    not_before: Option<Timestamp>,
    /// Whether an invocation has its records.
    pub is_busy: bool,
}

/// Some records of a shard, from a place on.
#[derive(Debug, Clone)]
pub struct Records {
    /// Which shard.
    pub shard: usize,
    /// Where they begin.
    pub from: usize,
    /// The rows.
    pub rows: Vec<(TenantId, OutboxRow)>,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All of it is through.
    All,
    /// What begins with this record is to come again.
    From(usize),
    /// The invocation failed as a whole.
    Failed,
}

impl Shard {
    /// Adds a record.
    pub fn push(&mut self, tenant: TenantId, row: OutboxRow) {
        self.rows.push((tenant, row));
    }

    /// Whether all is read.
    pub fn is_done(&self) -> bool {
        !self.is_busy && self.next >= self.rows.len()
    }

    /// When there is something to read.
    pub fn due(&self) -> Option<Timestamp> {
        (!self.is_busy && self.next < self.rows.len()).then(|| self.not_before.unwrap_or(Timestamp::MIN))
    }

    /// Takes a batch; now and then it begins with records that were read before.
    pub fn take(&mut self, shard: usize, dice: &mut Dice, duplicated: f64) -> Records {
        let back = if dice.happens(duplicated) { 1 + dice.below(3) } else { 0 };
        let from = self.next.saturating_sub(back);
        let most = (1 + dice.below(BATCH)).min(self.most.unwrap_or(BATCH));
        let rows = self.rows.iter().skip(from).take(most.saturating_add(back)).cloned().collect();
        self.is_busy = true;
        Records { shard, from, rows }
    }

    /// A batch came to its end; answers whether it is given up.
    pub fn finish(&mut self, records: &Records, ended: Ended, now: Timestamp, retries: u32) -> bool {
        self.is_busy = false;
        let end = records.from.saturating_add(records.rows.len()).max(self.next);
        let stays = match ended {
            Ended::All => {
                (self.next, self.tries, self.most, self.not_before) = (end, 0, None, None);
                return false;
            }
            Ended::From(first) => first,
            Ended::Failed => {
                // The batch is halved.
                self.most = Some(records.rows.len().div_ceil(2));
                records.from
            }
        };
        if stays > self.next {
            self.tries = 0;
        }
        self.next = stays;
        self.tries += 1;
        if self.tries > retries {
            (self.next, self.tries, self.most, self.not_before) = (end, 0, None, None);
            return true;
        }
        self.not_before = Some(after(now, Duration::from_secs(1 << self.tries.min(6))));
        false
    }
}

impl Records {
    /// The records as Lambda hands them over.
    pub fn event(&self) -> Json {
        let record = |(index, (tenant, row)): (usize, &(TenantId, OutboxRow))| {
            let doc = serde_json::to_string(row).unwrap_or_default();
            let image = json!({ "pk": { "S": format!("{tenant}#{}", row.key.subject) },
                "sk": { "S": format!("outbox#{}#{}", row.key.list, row.id) }, "doc": { "S": doc } });
            json!({ "eventName": "INSERT",
                "dynamodb": { "SequenceNumber": (self.from + index).to_string(), "NewImage": image } })
        };
        json!({ "Records": self.rows.iter().enumerate().map(record).collect::<Vec<_>>() })
    }
}
