//! Event buses, simulated, with perils: the effects of the eventbridge sinks pass here.

use acequia_core::delivery::Delivery;
use acequia_core::event::envelope::Envelope;
use acequia_core::tenant::BusArn;
use acequia_testkit::build;
use eventbridge::bus::{Buses, Entry, PutError};

use super::Perilous;
use crate::history::StoryKey;
use crate::scenario::Flaw;

impl Buses for Perilous {
    async fn put(&self, bus: &BusArn, entries: &[Entry<'_>]) -> Vec<Result<String, PutError>> {
        let later = || PutError::Later("InternalFailure".to_owned());
        let down = || entries.iter().map(|_| Err(later())).collect();
        let known: Vec<_> = entries.iter().map(|entry| self.on_bus(bus, entry)).collect();
        let deadly = {
            let history = &self.0.world.lock().history;
            known.iter().flatten().map(|(event, _)| *event).find(|event| history.kills(*event, true))
        };
        if let Some(event) = deadly {
            self.0.die(event).await;
        }
        let Some(call) = self.0.call("buses.put").await else { return down() };
        let mut answers = Vec::with_capacity(entries.len());
        for known in known {
            let Some((event, key)) = known else {
                answers.push(Err(PutError::Refused("nobody's event".to_owned())));
                continue;
            };
            let is_out = {
                let state = &mut *self.0.world.lock();
                // What a bus does not take is throttled or refused, and neither uses up an attempt.
                state.history.attempt(self.0.invocation(), key, false);
                state.is_out(key)
            };
            if is_out || self.0.entry_fails(&call) {
                answers.push(Err(later()));
                continue;
            }
            let history = &mut self.0.world.lock().history;
            if history.event(event).is_some_and(|event| event.flaw == Flaw::Refused) {
                answers.push(Err(PutError::Refused("MalformedDetail".to_owned())));
                continue;
            }
            history.effect(self.0.invocation(), key, event);
            answers.push(Ok(format!("event-{event}")));
        }
        if self.0.end(&call).await { answers } else { down() }
    }
}

impl Perilous {
    /// Finds out whose event an entry is, and that it goes to the bus of its tenant and sink.
    fn on_bus(&self, bus: &BusArn, entry: &Entry<'_>) -> Option<(usize, StoryKey)> {
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
        let bus = bus.to_string();
        let (tenant, sink) = bus.rsplit('/').next().and_then(|name| name.split_once('.'))?;
        let tenant = build::tenant_id(tenant);
        let event = history.event_of(who, &tenant, entry.detail)?;
        let envelope = Envelope::parse(&tenant, entry.time, entry.detail.as_bytes()).ok()?;
        if (envelope.event.source(), envelope.event_type.as_str()) != (entry.source, entry.detail_type) {
            history.report(who, format_args!("event {event} stands on its bus under another source or type"));
        }
        let delivery = Delivery::new(build::sink_id(sink), envelope);
        let key = history.delivery(who, &delivery.id, event)?;
        Some((event, key))
    }
}
