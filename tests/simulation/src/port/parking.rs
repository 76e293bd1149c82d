//! Parking and sweeping, with perils: rows come and go while the index still says something else.

use acequia_core::delivery::{Attribute, SINK};
use acequia_core::id::TenantId;
use acequia_core::parking::{DuePage, Parked, ParkedKey};
use acequia_core::port::{Parking, Sweeping, Unavailable};
use jiff::Timestamp;

use super::Perilous;
use crate::mutation::Mutation;
use crate::peril::unavailable;

const PARK: &str = "park messages";
const SWEEP: &str = "sweep parked messages";

impl Perilous {
    /// Sees a message that is parked now.
    fn see_parked(&self, row: &Parked) {
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
        let Some(event) = history.event_of(who, &row.key.tenant, &row.message.body) else { return };
        let sink = row.message.attributes.get(SINK).and_then(Attribute::as_text).map(str::to_owned);
        history.note(who, format_args!("parks {} of event {event} {sink:?}", row.key.message_id));
        history.parked(who, event, sink.as_deref(), &row.key.message_id);
    }
}

impl Parking for Perilous {
    async fn park(&self, tenant: &TenantId, rows: &[Parked]) -> Vec<Result<(), Unavailable>> {
        let believes = self.0.world.mutation == Some(Mutation::BelieveParking);
        let fails = || if believes { Ok(()) } else { Err(unavailable(PARK)) };
        let Some(call) = self.0.call("parking.park").await else { return rows.iter().map(|_| fails()).collect() };
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            if self.0.entry_fails(&call) {
                answers.push(fails());
                continue;
            }
            self.see_parked(row);
            answers.extend(self.0.world.parking.park(tenant, std::slice::from_ref(row)).await);
        }
        if self.0.end(&call).await { answers } else { rows.iter().map(|_| fails()).collect() }
    }
}

impl Sweeping for Perilous {
    async fn lease(&self, holder: &str, now: Timestamp, until: Timestamp) -> Result<bool, Unavailable> {
        let call = self.0.call("parking.lease").await.ok_or_else(|| unavailable(SWEEP))?;
        let answer = self.0.world.parking.lease(holder, now, until).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(SWEEP)) }
    }

    async fn turn(&self, what: &str, now: Timestamp, until: Timestamp) -> Result<bool, Unavailable> {
        let call = self.0.call("parking.turn").await.ok_or_else(|| unavailable(SWEEP))?;
        let answer = self.0.world.parking.turn(what, now, until).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(SWEEP)) }
    }

    async fn due(&self, shard: u8, now: Timestamp, from: Option<String>, limit: usize) -> Result<DuePage, Unavailable> {
        let call = self.0.call("parking.due").await.ok_or_else(|| unavailable(SWEEP))?;
        let mut page = self.0.world.parking.due(shard, now, from, limit).await?;
        // The index is a moment behind: what was parked just now is not in it yet.
        page.keys.retain(|_| !self.0.entry_fails(&call));
        if self.0.end(&call).await { Ok(page) } else { Err(unavailable(SWEEP)) }
    }

    async fn load(&self, keys: &[ParkedKey]) -> Vec<Result<Option<Parked>, Unavailable>> {
        let down = || keys.iter().map(|_| Err(unavailable(SWEEP))).collect();
        let Some(call) = self.0.call("parking.load").await else { return down() };
        let answers = self.0.world.parking.load(keys).await;
        if self.0.end(&call).await { answers } else { down() }
    }

    async fn release(&self, sent: &[Parked]) -> Vec<Result<(), Unavailable>> {
        let down = || sent.iter().map(|_| Err(unavailable(SWEEP))).collect();
        let Some(call) = self.0.call("parking.release").await else { return down() };
        let mut answers = Vec::with_capacity(sent.len());
        for row in sent {
            if self.0.entry_fails(&call) {
                answers.push(Err(unavailable(SWEEP)));
            } else {
                answers.extend(self.0.world.parking.release(std::slice::from_ref(row)).await);
            }
        }
        if self.0.end(&call).await { answers } else { down() }
    }
}
