//! The archive, simulated, with perils: the effects of the archive sinks pass here. What it holds is read as a reader
//! would.

use acequia_core::archive::{Line, ObjectKey};
use acequia_core::delivery::Delivery;
use acequia_core::port::{Archive, Unavailable};
use acequia_testkit::build;

use super::Perilous;
use crate::history::StoryKey;
use crate::scenario::ARCHIVED;

const KEEP: &str = "keep an object in the archive";

impl Archive for Perilous {
    async fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> Result<bool, Unavailable> {
        let down = || Unavailable::new(KEEP, std::fmt::Error);
        let known = self.in_object(key, &content);
        let deadly = {
            let history = &self.0.world.lock().history;
            known.iter().map(|(event, _)| *event).find(|event| history.kills(*event, true))
        };
        if let Some(event) = deadly {
            self.0.die(event).await;
        }
        let Some(call) = self.0.call("archive.keep").await else { return Err(down()) };
        let is_out = {
            let state = &mut *self.0.world.lock();
            for (_, story) in &known {
                // What the archive does not take uses up no attempt.
                state.history.attempt(self.0.invocation(), *story, false);
            }
            known.iter().any(|(_, story)| state.is_out(*story))
        };
        if is_out || self.0.entry_fails(&call) {
            return Err(down());
        }
        let is_new = self.0.world.archive.keep(key, content).await?;
        if is_new {
            let history = &mut self.0.world.lock().history;
            for (event, story) in known {
                history.effect(self.0.invocation(), story, event);
            }
        }
        if self.0.end(&call).await { Ok(is_new) } else { Err(down()) }
    }
}

impl Perilous {
    /// Reads whose events an object has, each with its delivery.
    fn in_object(&self, key: &ObjectKey, content: &[u8]) -> Vec<(usize, StoryKey)> {
        let who = self.0.invocation();
        let history = &mut self.0.world.lock().history;
        let Ok(batches) = acequia_archive::read(key.form, content) else {
            history.report(who, format_args!("an object of the archive cannot be unpacked"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for line in batches.iter().flat_map(|batch| batch.records.each(&key.tenant)) {
            let Ok(Line { envelope, .. }) = line else {
                history.report(who, format_args!("a line of the archive is none"));
                continue;
            };
            let Some(event) = history.event_of(who, &key.tenant, &envelope.body) else { continue };
            let delivery = Delivery::new(build::sink_id(ARCHIVED), envelope);
            found.extend(history.delivery(who, &delivery.id, event).map(|story| (event, story)));
        }
        found
    }
}
