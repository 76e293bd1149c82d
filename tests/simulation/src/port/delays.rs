//! The store of delayed messages and sweeping, with perils: rows come and go while the index still says something else.

use acequia_core::delivery::delay::{Delayed, DelayedKey, DuePage};
use acequia_core::id::TenantId;
use acequia_core::message::Attribute;
use acequia_core::port::{DelayStore, Lease, Sweeping, Unavailable};
use acequia_core::wire::SINK;
use jiff::Timestamp;

use super::Perilous;
use crate::mutation::Mutation;
use crate::peril::unavailable;

const DELAY: &str = "delay messages";
const SWEEP: &str = "sweep delayed messages";

impl Perilous {
    /// Sees a message that is delayed now.
    fn see_delayed(&self, row: &Delayed) {
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
        let Some(event) = history.event_of(who, &row.key.tenant, &row.message.body) else { return };
        let sink = row.message.attributes.get(SINK).and_then(Attribute::as_text).map(str::to_owned);
        history.note(who, format_args!("delays {} of event {event} {sink:?}", row.key.message_id));
        history.delayed(who, event, sink.as_deref(), &row.key.message_id);
    }
}

impl DelayStore for Perilous {
    async fn delay(&self, tenant: &TenantId, rows: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        let believes = self.0.world.mutation == Some(Mutation::BelieveDelays);
        let fails = || if believes { Ok(()) } else { Err(unavailable(DELAY)) };
        let Some(call) = self.0.call("delays.delay").await else { return rows.iter().map(|_| fails()).collect() };
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            if self.0.entry_fails(&call) {
                answers.push(fails());
                continue;
            }
            self.see_delayed(row);
            answers.extend(self.0.world.delays.delay(tenant, std::slice::from_ref(row)).await);
        }
        if self.0.end(&call).await { answers } else { rows.iter().map(|_| fails()).collect() }
    }
}

impl Sweeping for Perilous {
    async fn lease(
        &self,
        what: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, Unavailable> {
        let call = self.0.call("delays.lease").await.ok_or_else(|| unavailable(SWEEP))?;
        let answer = self.0.world.delays.lease(what, holder, now, until).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(SWEEP)) }
    }

    async fn stop_at(&self, what: &str, holder: &str, until: Timestamp, mark: Option<&str>) -> Result<(), Unavailable> {
        let call = self.0.call("delays.stop_at").await.ok_or_else(|| unavailable(SWEEP))?;
        let answer = self.0.world.delays.stop_at(what, holder, until, mark).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(SWEEP)) }
    }

    async fn turn(&self, what: &str, now: Timestamp, until: Timestamp) -> Result<bool, Unavailable> {
        let call = self.0.call("delays.turn").await.ok_or_else(|| unavailable(SWEEP))?;
        let answer = self.0.world.delays.turn(what, now, until).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(SWEEP)) }
    }

    async fn due(&self, shard: u8, now: Timestamp, from: Option<String>, limit: usize) -> Result<DuePage, Unavailable> {
        let call = self.0.call("delays.due").await.ok_or_else(|| unavailable(SWEEP))?;
        let mut page = self.0.world.delays.due(shard, now, from, limit).await?;
        // The index is a moment behind: what was delayed just now is not in it yet.
        page.keys.retain(|_| !self.0.entry_fails(&call));
        if self.0.end(&call).await { Ok(page) } else { Err(unavailable(SWEEP)) }
    }

    async fn load(&self, keys: &[DelayedKey]) -> Vec<Result<Option<Delayed>, Unavailable>> {
        let down = || keys.iter().map(|_| Err(unavailable(SWEEP))).collect();
        let Some(call) = self.0.call("delays.load").await else { return down() };
        let answers = self.0.world.delays.load(keys).await;
        if self.0.end(&call).await { answers } else { down() }
    }

    async fn release(&self, sent: &[Delayed]) -> Vec<Result<(), Unavailable>> {
        let down = || sent.iter().map(|_| Err(unavailable(SWEEP))).collect();
        let Some(call) = self.0.call("delays.release").await else { return down() };
        let mut answers = Vec::with_capacity(sent.len());
        for row in sent {
            if self.0.entry_fails(&call) {
                answers.push(Err(unavailable(SWEEP)));
            } else {
                answers.extend(self.0.world.delays.release(std::slice::from_ref(row)).await);
            }
        }
        if self.0.end(&call).await { answers } else { down() }
    }
}
