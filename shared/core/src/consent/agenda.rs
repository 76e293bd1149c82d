//! What is to be done yet, of all tenants: outbox rows and reminders that are due, and whose turn it is.
//!
//! - A row is the stream's for [`OVERDUE`], then the sweep's.
//! - The sweep *takes* a row before it carries it out: the row is due later from then on, and marked. So of two sweeps
//!   one has it, and a process that dies has put it off already. Whoever ends in order takes the mark away; a mark on a
//!   row that is due again says that a process died with it. Such a row is *suspect*, and carried out after all others
//!   and alone.
//! - What fails is put off, longer each time ([`wait_after`]), so that it is never always the oldest.
//! - Tenants take turns ([`Survey`]): however much one has to do, another's row waits for one of it at most.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::id::ConsentKey;
use super::record::OutboxRow;
use crate::id::TenantId;
use crate::time::after;

/// How old a row is that the sweep takes for given up: the stream is seconds behind as a rule.
pub const OVERDUE: Duration = Duration::from_mins(2);
/// What is due is kept in so many parts, by a subject's first hex digit.
pub const SHARDS: u8 = 16;

/// What fails waits for this long, then twice as long each time, and no longer than the last.
const FIRST_WAIT: Duration = Duration::from_mins(5);
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// How much of one tenant a survey keeps: the rest is found by the next one.
const KEPT: usize = 200;

/// Names an outbox row within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Whose consent it follows from.
    pub consent: ConsentKey,
    /// The row's id.
    pub id: String,
}

impl OutboxRow {
    /// Its name within its tenant.
    pub fn name(&self) -> RowKey {
        RowKey { consent: self.key, id: self.id.clone() }
    }

    /// When the sweep takes it up, if the stream has not carried it out by then.
    pub fn due_at(&self) -> Timestamp {
        after(self.at, OVERDUE)
    }
}

/// An outbox row as it waits in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The row.
    pub row: OutboxRow,
    /// When the sweep takes it up, or looks at it again.
    pub due_at: Timestamp,
    /// How often a sweep took it, and it failed or the process died.
    pub tries: u32,
    /// Whether somebody took it and has not ended in order, or not yet.
    pub taken: bool,
}

impl Waiting {
    /// A row that nobody took yet.
    pub fn new(row: OutboxRow) -> Self {
        Self { due_at: row.due_at(), row, tries: 0, taken: false }
    }

    /// Whether the sweep may take it.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_at <= now
    }

    /// When it is due again, taken now.
    pub fn next_due(&self, now: Timestamp) -> Timestamp {
        after(now, wait_after(self.tries.saturating_add(1)))
    }
}

/// How long a row waits that failed so often: five minutes, ten, twenty, forty, then an hour.
pub fn wait_after(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(10);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

/// Something that is due: an outbox row ([`RowKey`]), or a reminder ([`ConsentKey`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due<K> {
    /// Since when.
    pub at: Timestamp,
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub key: K,
}

/// Some of what is due, the longest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePage<K> {
    /// What is due, or was a moment ago.
    pub found: Vec<Due<K>>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// What is due, gathered by tenant.
#[derive(Debug)]
pub struct Survey<K> {
    tenants: BTreeMap<TenantId, Vec<Due<K>>>,
    left: usize,
}

impl<K> Default for Survey<K> {
    fn default() -> Self {
        Self { tenants: BTreeMap::new(), left: 0 }
    }
}

impl<K: Ord> Survey<K> {
    /// Adds a page. Of a tenant that has much to do, only a part is kept.
    pub fn add(&mut self, page: Vec<Due<K>>) {
        for due in page {
            let theirs = self.tenants.entry(due.tenant.clone()).or_default();
            if theirs.len() < KEPT {
                theirs.push(due);
            } else {
                self.left += 1;
            }
        }
    }

    /// How much was not kept.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The longest due of each tenant, then the second of each, and so on.
    pub fn in_turn(self) -> Vec<Due<K>> {
        let mut queues: VecDeque<VecDeque<Due<K>>> = self
            .tenants
            .into_values()
            .map(|mut theirs| {
                theirs.sort();
                theirs.into()
            })
            .collect();
        let mut order = Vec::new();
        while let Some(mut theirs) = queues.pop_front() {
            order.extend(theirs.pop_front());
            if !theirs.is_empty() {
                queues.push_back(theirs);
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(tenant: &str, seconds: i64, key: u32) -> Due<u32> {
        Due { at: Timestamp::from_second(seconds).unwrap(), tenant: tenant.parse().unwrap(), key }
    }

    #[test]
    fn a_tenant_with_one_row_waits_for_one_row_of_each_other_tenant() {
        let mut survey = Survey::default();
        survey.add((0..100).map(|number| due("bona", i64::from(number), number)).collect());
        survey.add(vec![due("acme", 500, 7), due("cora", 600, 8)]);
        let order: Vec<u32> = survey.in_turn().into_iter().map(|due| due.key).collect();
        assert_eq!(order.get(..4).unwrap(), [7, 0, 8, 1]);
        assert_eq!(order.len(), 102);
    }

    #[test]
    fn of_one_tenant_the_longest_due_goes_first_whatever_shard_it_is_of() {
        let mut survey = Survey::default();
        survey.add(vec![due("acme", 20, 1), due("acme", 30, 2)]);
        survey.add(vec![due("acme", 10, 3)]);
        let order: Vec<u32> = survey.in_turn().into_iter().map(|due| due.key).collect();
        assert_eq!(order, [3, 1, 2]);
    }

    #[test]
    fn of_a_tenant_with_much_to_do_a_part_is_kept_and_of_the_others_all() {
        let mut survey = Survey::default();
        survey.add((0..1000).map(|number| due("bona", i64::from(number), number)).collect());
        survey.add(vec![due("acme", 5000, 1)]);
        assert_eq!(survey.left(), 1000 - KEPT);
        let order = survey.in_turn();
        assert_eq!((order.len(), order[0].tenant.as_str()), (KEPT + 1, "acme"));
    }

    #[test]
    fn what_fails_waits_longer_each_time_and_an_hour_at_most() {
        let minutes = [1, 2, 3, 4, 5, 100].map(|tries| wait_after(tries).as_secs() / 60);
        assert_eq!(minutes, [5, 10, 20, 40, 60, 60]);
    }
}
