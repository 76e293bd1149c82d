//! One phase of the demo: sends each tenant's events at a steady pace, shows what comes of them, and waits until all is
//! settled.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};

use super::event::{self, Batch};
use super::figures::Tally;
use super::late;
use super::tenant::{SINKS, STACKS};
use super::view::{Row, View};
use crate::host;
use crate::local::Local;
use crate::queue::{self, Queue};

/// How often the view is drawn. Reading the ledger costs the same two cores that deliver.
const DRAW_EVERY: Duration = Duration::from_secs(2);
/// How long the last events may take.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);

/// What a phase sent, and what the ledger says of just that.
#[derive(Debug)]
pub(super) struct Phase {
    /// By tenant.
    pub(super) sent: BTreeMap<&'static str, Batch>,
    /// By tenant.
    pub(super) tallies: BTreeMap<&'static str, Tally>,
}

impl Phase {
    /// Runs it: `count` lines to each tenant, `rate` per second.
    pub(super) fn run(local: &Local, view: &mut View, name: &str, count: usize, rate: u32) -> Result<Self> {
        view.begin(&format!("phase {name:?}: {count} events to each tenant, {rate} per second"));
        let since = host::since_epoch().as_millis().to_string();
        let sent: BTreeMap<&'static str, Batch> =
            STACKS.iter().map(|stack| (stack.tenant, event::make(stack.tenant, name, count))).collect();
        std::thread::scope(|scope| {
            let senders: Vec<_> = sent
                .iter()
                .map(|(tenant, batch)| scope.spawn(move || local.acequia.send(tenant, &batch.lines, rate)))
                .collect();
            while !senders.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                draw(local, view, &since)?;
                std::thread::sleep(DRAW_EVERY);
            }
            senders.into_iter().try_for_each(|sender| sender.join().unwrap_or_else(|_| bail!("sending panicked")))
        })?;
        let start = host::now();
        loop {
            let tallies = draw(local, view, &since)?;
            let waiting: u64 = queue::all(local)?.values().filter(|q| q.name != "out").map(Queue::waiting).sum();
            if waiting == 0 && is_settled(&sent, &tallies) {
                return Ok(Self { sent, tallies });
            }
            if start.elapsed() > SETTLED_WITHIN {
                return late(&format!("the events of the phase {name:?} are delivered or quarantined"), SETTLED_WITHIN);
            }
            std::thread::sleep(DRAW_EVERY / 2);
        }
    }

    /// The p95 of one sink in this phase, from acceptance to receipt, in milliseconds.
    pub(super) fn p95_ms(&self, tenant: &str, sink: &str) -> Option<u64> {
        self.tallies.get(tenant)?.sink(sink).p95_ms
    }
}

/// Reads the ledger and shows it.
fn draw(local: &Local, view: &mut View, since: &str) -> Result<BTreeMap<&'static str, Tally>> {
    let mut tallies = BTreeMap::new();
    for stack in STACKS {
        tallies.insert(stack.tenant, Tally::read(local, stack.tenant, Some(since))?);
    }
    let rows = SINKS.iter().filter_map(|sink| {
        let tally = tallies.get(sink.tenant)?;
        Some(Row { tenant: sink.tenant, sink: sink.id, accepted: tally.events, tally: tally.sink(sink.id) })
    });
    view.draw(&rows.collect::<Vec<_>>());
    Ok(tallies)
}

/// Whether each sink has delivered or quarantined every event that it must take.
fn is_settled(sent: &BTreeMap<&'static str, Batch>, tallies: &BTreeMap<&'static str, Tally>) -> bool {
    SINKS.iter().all(|sink| {
        let expected = sent.get(sink.tenant).map_or(0, |batch| batch.events.iter().filter(|e| (sink.takes)(e)).count());
        let tally = tallies.get(sink.tenant).map(|tally| tally.sink(sink.id)).unwrap_or_default();
        tally.delivered + tally.quarantined >= expected as u64
    })
}
