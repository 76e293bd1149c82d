//! What is counted: for each function the ways in which it is used that differ in calls.

use std::path::Path;
use std::time::Duration;

use acequia_core::kind::SinkKind;
use serde_json::{Value as Json, json};

use crate::fixture::{Messages, World, sink};
use crate::{Counts, Function, Latencies, Stub, StubError, clock};

/// The sizes of the batches that are counted.
pub const BATCHES: [usize; 2] = [10, 100];
/// How many events the requests have that are counted at the front door.
pub const REQUESTS: [usize; 2] = [1, 100];
/// The front door's function.
pub const DOOR: &str = "ingest";

/// How long functions use a tenant's configuration without reading it again: `CachedTenants` of shared/lambda.
const REMEMBERED: Duration = Duration::from_secs(5);
/// How often a run is made that a busy machine slowed down.
const TRIES: usize = 4;

/// A function, a tenant's configuration, and messages for it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The function.
    pub function: &'static str,
    /// What is special about it.
    pub name: &'static str,
    /// The tenant's record: `all` or `failures`.
    pub record: &'static str,
    /// The tenant's sinks.
    pub sinks: Vec<Json>,
    /// What the tenant's intake takes, where events come by the front door.
    pub intake: Option<Json>,
    /// The messages.
    pub messages: Messages,
}

/// What one invocation came to.
#[derive(Debug, Clone)]
pub struct Measured {
    /// `first` for the first of a process, with one message; else how many messages it had.
    pub batch: String,
    /// How many messages it had.
    pub messages: u64,
    /// Its calls. The calls of the first include what is read at the start and remembered.
    pub counts: Counts,
    /// How long it took.
    pub took: Duration,
}

/// All scenarios of a function.
pub fn of(function: &str) -> Vec<Scenario> {
    all().into_iter().filter(|scenario| scenario.function == function).collect()
}

/// All scenarios.
pub fn all() -> Vec<Scenario> {
    let (webhook, email, forward) = (SinkKind::Webhook, SinkKind::Email, SinkKind::Forward);
    let (plain, strict, fifo) = (json!({}), json!({"strict": true}), json!({"queue": "out.fifo"}));
    let each = [sink("crm", webhook, &plain), sink("mail", email, &plain), sink("out", forward, &plain)];
    let events = |name, record, sinks: &[Json]| Scenario {
        function: "router",
        name,
        record,
        sinks: sinks.to_vec(),
        intake: None,
        messages: Messages::Events,
    };
    let of = |kind: SinkKind, name, record, more: &Json| Scenario {
        function: kind.as_str(),
        name,
        record,
        sinks: vec![sink("one", kind, more)],
        intake: None,
        messages: Messages::Deliveries(kind, "one"),
    };
    let door = |name, keyed, intake: Json| Scenario {
        function: DOOR,
        name,
        record: "all",
        sinks: each[..1].to_vec(),
        intake: Some(intake),
        messages: Messages::Request { keyed },
    };
    let ruled = |key: &str, value: &str| json!({key: value});
    vec![
        door("plain", false, json!({})),
        door("Idempotency-Key", true, json!({})),
        door("dedupe", false, ruled("dedupe", "1h")),
        door("rate", false, ruled("rate", "1000/s")),
        events("to one sink", "all", &each[..1]),
        events("to one sink", "failures", &each[..1]),
        events("to three kinds", "all", &each),
        of(webhook, "plain", "all", &plain),
        of(webhook, "plain", "failures", &plain),
        of(webhook, "strict", "all", &strict),
        of(email, "plain", "all", &plain),
        of(email, "plain", "failures", &plain),
        of(forward, "plain", "all", &plain),
        of(forward, "plain", "failures", &plain),
        of(forward, "strict", "all", &strict),
        of(forward, "to FIFO", "all", &fifo),
        of(forward, "to FIFO", "failures", &fifo),
        of(SinkKind::Eventbridge, "plain", "all", &plain),
        of(SinkKind::Eventbridge, "plain", "failures", &plain),
        of(SinkKind::Eventbridge, "strict", "all", &strict),
        of(SinkKind::Archive, "plain", "all", &plain),
        of(SinkKind::Archive, "plain", "failures", &plain),
        of(SinkKind::Archive, "strict", "all", &strict),
        of(SinkKind::Table, "plain", "all", &plain),
        // With record = "failures" it calls nothing of AWS: the inbox is in the tenant's database.
        of(SinkKind::Table, "strict", "all", &strict),
    ]
}

impl Scenario {
    /// The world that its function finds.
    ///
    /// # Errors
    /// [`StubError::Fixture`] where what stands in it is not valid.
    pub fn world(&self, address: &str) -> Result<World, StubError> {
        let world = World::new(self.record, &self.sinks, address);
        match &self.intake {
            Some(intake) => world.with_intake(intake),
            None => Ok(world),
        }
    }

    /// The sizes in which its messages come.
    pub fn sizes(&self) -> [usize; 2] {
        if self.intake.is_some() { REQUESTS } else { BATCHES }
    }

    /// Runs the function's program through it: a first message, then a batch of each size.
    ///
    /// A run that took longer than the functions remember the tenant's configuration is made again, because a batch
    /// then reads it once more. The last of four counts whatever it took.
    ///
    /// # Errors
    /// When the program does not start, a message is not taken, or a call is refused.
    pub fn measure(&self, program: &Path, latencies: Latencies, log: &Path) -> Result<Vec<Measured>, StubError> {
        for _ in 1..TRIES {
            let begun = clock::now();
            let measured = self.run(program, latencies, log)?;
            if begun.elapsed() < REMEMBERED {
                return Ok(measured);
            }
        }
        self.run(program, latencies, log)
    }

    /// A stub with its world.
    ///
    /// # Errors
    /// When the world is not valid, or there is no free port.
    pub fn stub(&self, latencies: Latencies) -> Result<Stub, StubError> {
        let mut invalid = None;
        let stub = Stub::start(
            |address| {
                self.world(address).unwrap_or_else(|error| {
                    invalid = Some(error);
                    World::default()
                })
            },
            latencies,
        )?;
        invalid.map_or(Ok(stub), Err)
    }

    fn run(&self, program: &Path, latencies: Latencies, log: &Path) -> Result<Vec<Measured>, StubError> {
        let stub = self.stub(latencies)?;
        let mut function = Function::start(&stub, program, log)?;
        let mut measured = Vec::new();
        for (serial, size) in (0..).zip([1].into_iter().chain(self.sizes())) {
            let took = function.invoke(self.messages.batch(serial, size)?)?;
            let batch = if serial == 0 { "first".to_owned() } else { size.to_string() };
            measured.push(Measured { batch, messages: crate::count::count(size), counts: stub.take_counts()?, took });
        }
        Ok(measured)
    }
}
