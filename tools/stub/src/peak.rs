//! How much memory a function takes for the largest batches that Lambda can hand over.
//!
//! An invocation carries at most 6 MB (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), an
//! event at most `MAX_EVENT_BYTES`, and a tenant has at most 50 sinks. A function has 256 MB: what takes more kills its
//! whole batch.

use std::path::Path;
use std::time::Duration;

use acequia_core::event::MAX_EVENT_BYTES;
use acequia_core::kind::SinkKind;
use serde_json::{Value as Json, json};

use crate::fixture::{Messages, World, event_of, sink};
use crate::{Function, Latencies, Memory, Stub, StubError};

/// How long a batch may take here, where nothing is optimised and the machine is busy.
const PATIENCE: Duration = Duration::from_mins(3);

/// A batch of large events.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// In words.
    pub what: &'static str,
    events: usize,
    bytes: usize,
}

/// The batches that a function's memory must do for: few large events, many middling ones, and one alone.
pub const LOADS: [Load; 3] = [
    Load { what: "6 events of 1 MB", events: 6, bytes: MAX_EVENT_BYTES },
    Load { what: "25 events of 240 KB", events: 25, bytes: 240 * 1024 },
    Load { what: "1 event of 1 MB", events: 1, bytes: MAX_EVENT_BYTES },
];

impl Load {
    /// What the process of the router has held at the most once it has sent this batch on to 50 sinks of three kinds.
    ///
    /// # Errors
    /// When the program does not start, an event is not taken, or a call is refused.
    pub fn of_router(self, program: &Path, logs: &Path) -> Result<Memory, StubError> {
        let kinds = [(SinkKind::Webhook, 20), (SinkKind::Email, 15), (SinkKind::Forward, 15)];
        let of_kind = |(kind, count): (SinkKind, usize)| {
            (0..count).map(move |number| sink(&format!("{kind}-{number}"), kind, &json!({})))
        };
        let sinks: Vec<_> = kinds.into_iter().flat_map(of_kind).collect();
        self.run("router", Messages::Events, |address| World::new("all", &sinks, address), program, logs)
    }

    /// What the process of a sink's function has held at the most once it has delivered this batch.
    ///
    /// # Errors
    /// As [`Load::of_router`].
    pub fn of_sink(self, kind: SinkKind, program: &Path, logs: &Path) -> Result<Memory, StubError> {
        self.of_sink_with(kind, &json!({}), program, logs)
    }

    /// The same of a sink with these fields beside those that each of its kind has.
    ///
    /// # Errors
    /// The same.
    pub fn of_sink_with(self, kind: SinkKind, own: &Json, program: &Path, logs: &Path) -> Result<Memory, StubError> {
        let sinks = [sink("one", kind, own)];
        let world = |address: &str| World::new("all", &sinks, address);
        self.run(kind.as_str(), Messages::Deliveries(kind, "one"), world, program, logs)
    }

    fn run(
        self,
        function: &str,
        messages: Messages,
        world: impl FnOnce(&str) -> World,
        program: &Path,
        logs: &Path,
    ) -> Result<Memory, StubError> {
        let stub = Stub::start_for(world, Latencies::NONE, PATIENCE)?;
        let log = logs.join(format!("peak-{function}-{}.log", self.events));
        let mut running = Function::start(&stub, program, &log)?;
        let batch = messages.batch_of(1, self.events, |id| event_of(id, self.bytes, "Water is a common good. "))?;
        running.invoke_within(batch, PATIENCE)?;
        stub.take_counts()?;
        running.memory()
    }
}
