//! What is to be done yet, with perils: an index that is a moment behind, and rows that are taken, put off and deleted.

use std::time::Duration;

use acequia_core::consent::{ConsentKey, Due, DuePage, OutboxRow, RowKey, Waiting};
use acequia_core::id::TenantId;
use acequia_core::port::{Agenda, Clock as _, Unavailable};
use acequia_core::time::after;
use jiff::Timestamp;

use super::Port;
use crate::consent::mutation::Mutation;
use crate::peril::unavailable;

const READ: &str = "read outbox rows";
const FIND: &str = "find what is due";
const WRITE: &str = "write an outbox row";
/// For how long the index may show a row that is gone.
const LAG: Duration = Duration::from_secs(3);

impl Agenda for Port {
    async fn waiting(&self, rows: &[(TenantId, RowKey)]) -> Vec<Result<Option<Waiting>, Unavailable>> {
        let down = || rows.iter().map(|_| Err(unavailable(READ))).collect();
        let Some(call) = self.instance.call("agenda.waiting").await else { return down() };
        let mut found = self.scene.consents.waiting(rows).await;
        if self.scene.mutation == Some(Mutation::RepeatNeighbours) {
            for (answer, (tenant, name)) in found.iter_mut().zip(rows) {
                let known = self.scene.seen().row(tenant, name);
                if let (Ok(None), Some(row)) = (&answer, known) {
                    *answer = Ok(Some(Waiting::new(row)));
                }
            }
        }
        if self.instance.end(&call).await { found } else { down() }
    }

    async fn take(&self, tenant: &TenantId, seen: &Waiting, until: Timestamp) -> Result<bool, Unavailable> {
        let call = self.instance.call("agenda.take").await.ok_or_else(|| unavailable(WRITE))?;
        let mut answer = self.scene.consents.take(tenant, seen, until).await;
        if matches!(answer, Ok(true)) {
            self.scene.note(self.who(), &format!("takes {:?} until {until}", seen.row));
            self.scene.seen().hand(self.who(), tenant, &seen.row);
        }
        if call.repeated {
            // The client's own repetition finds the row taken.
            answer = self.scene.consents.take(tenant, seen, until).await;
        }
        if self.instance.end(&call).await { answer } else { Err(unavailable(WRITE)) }
    }

    async fn put_off(&self, tenant: &TenantId, row: &RowKey, tries: u32, until: Timestamp) -> Result<(), Unavailable> {
        let call = self.instance.call("agenda.put_off").await.ok_or_else(|| unavailable(WRITE))?;
        let answer = self.scene.consents.put_off(tenant, row, tries, until).await;
        self.scene.note(self.who(), &format!("puts {} off until {until}", row.id));
        if self.instance.end(&call).await { answer } else { Err(unavailable(WRITE)) }
    }

    async fn settle(&self, tenant: &TenantId, row: &OutboxRow) -> Result<(), Unavailable> {
        let call = self.instance.call("agenda.settle").await.ok_or_else(|| unavailable(WRITE))?;
        let answer = self.scene.consents.settle(tenant, row).await;
        self.scene.note(self.who(), &format!("deletes {row:?}"));
        let held = self.scene.seen().settle(tenant, row);
        self.hold(held);
        if self.instance.end(&call).await { answer } else { Err(unavailable(WRITE)) }
    }

    async fn overdue(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> Result<DuePage<RowKey>, Unavailable> {
        // One call in sixteen has perils, or a sweep would hardly ever come to its end.
        let call = if shard == 0 {
            Some(self.instance.call("agenda.overdue").await.ok_or_else(|| unavailable(FIND))?)
        } else {
            None
        };
        let mut page = self.scene.consents.overdue(shard, now, from, limit).await?;
        // The index is a moment behind: it lacks rows, and shows some that are gone.
        page.found.retain(|_| !self.lags());
        let time = self.scene.world.clock.now();
        let gone = self.scene.seen().settled.clone();
        for (at, tenant, row) in gone.into_iter().rev() {
            let here = row.key.subject.as_bytes().first().is_some_and(|byte| byte >> 4 == shard);
            if here && after(at, LAG) >= time && row.due_at() <= now && self.lags() {
                page.found.push(Due { at: row.due_at(), tenant, key: row.name() });
            }
        }
        match call {
            Some(call) if !self.instance.end(&call).await => Err(unavailable(FIND)),
            _ => Ok(page),
        }
    }

    async fn to_remind(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<String>,
        limit: usize,
    ) -> Result<DuePage<ConsentKey>, Unavailable> {
        let mut page = self.scene.consents.to_remind(shard, now, from, limit).await?;
        page.found.retain(|_| !self.lags());
        Ok(page)
    }

    async fn put_off_reminder(&self, due: &Due<ConsentKey>, until: Option<Timestamp>) -> Result<(), Unavailable> {
        let call = self.instance.call("agenda.put_off_reminder").await.ok_or_else(|| unavailable(WRITE))?;
        let answer = self.scene.consents.put_off_reminder(due, until).await;
        if self.instance.end(&call).await { answer } else { Err(unavailable(WRITE)) }
    }
}

impl Port {
    /// Whether the index is behind with one of its rows.
    fn lags(&self) -> bool {
        let state = &mut *self.scene.world.lock();
        let (dice, weather) = (&mut state.dice, state.weather);
        dice.happens(weather.entry)
    }
}
