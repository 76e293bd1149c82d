//! One phase of the demo: sends each tenant's events at a steady pace, shows what comes of them, and waits until all is
//! settled.
//!
//! The view meanwhile shows the far ends and the depths of the queues. The ledger is read at the end only: the more is
//! in it, the longer the local AWS takes to read it whole, and that time would be measured as the deliveries' own.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::event::{self, Batch};
use super::figures::{self, Tally};
use super::late;
use super::tenant::{BROKEN, Door, SINKS, STACKS, Sink, TOPIC};
use super::view::View;
use crate::local::Local;
use crate::queue::{self, Queue};
use crate::setup::Tools;
use crate::{emulator, host, process, report};

/// How often the view is drawn: asking costs the same two cores that deliver.
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
    /// When it began, in milliseconds since 1970.
    pub(super) since: u64,
}

impl Phase {
    /// Runs it: `count` lines to each tenant, `rate` per second.
    pub(super) fn run(
        local: &Local,
        doors: &BTreeMap<&'static str, Door>,
        view: &mut View,
        name: &str,
        (count, rate): (usize, u32),
    ) -> Result<Self> {
        let title = format!("phase {name:?}: {count} events to each tenant, {rate} per second");
        view.begin(&title, &Watch::heading());
        let since = u64::try_from(host::since_epoch().as_millis())?;
        let watch = Watch::begin(local)?;
        let mut sent: BTreeMap<&'static str, Batch> =
            STACKS.iter().map(|stack| (stack.tenant, event::make(stack.tenant, name, count))).collect();
        std::thread::scope(|scope| {
            let senders: Vec<_> = sent
                .iter_mut()
                .map(|(tenant, batch)| scope.spawn(move || send(local, doors.get(tenant), tenant, batch, rate)))
                .collect();
            while !senders.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                watch.draw(local, view)?;
                std::thread::sleep(DRAW_EVERY);
            }
            senders.into_iter().try_for_each(|sender| sender.join().unwrap_or_else(|_| bail!("sending panicked")))
        })?;
        let start = host::now();
        loop {
            if watch.draw(local, view)? == 0 {
                let from = jiff::Timestamp::from_millisecond(i64::try_from(since)?)?;
                let tallies = tallies(local, &from.to_string())?;
                if is_settled(&sent, &tallies) {
                    view.begin(&format!("phase {name:?}: what the ledger says"), &heading());
                    view.draw(&SINKS.iter().filter_map(|sink| line(sink, &tallies)).collect::<Vec<_>>());
                    return Ok(Self { sent, tallies, since });
                }
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

/// Sends a tenant's lines as its events come in.
fn send(local: &Local, door: Option<&Door>, tenant: &str, batch: &mut Batch, rate: u32) -> Result<()> {
    match door.with_context(|| format!("the events of {tenant} have no way in"))? {
        Door::Http(key) => batch.refused = local.acequia.send_http(tenant, &batch.lines, rate, key)?,
        Door::Topic(broker) => {
            let (tenth, rest): (Vec<_>, Vec<_>) =
                batch.lines.iter().cloned().enumerate().partition(|(at, _)| at % 10 == 0);
            let of = |lines: Vec<(usize, String)>| lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>();
            let (tenth, rest, slow) = (of(tenth), of(rest), rate.div_ceil(10));
            std::thread::scope(|scope| {
                let beside = scope.spawn(|| local.acequia.send(tenant, &tenth, slow));
                produce(local, broker, &rest, rate.saturating_sub(slow).max(1))?;
                beside.join().unwrap_or_else(|_| bail!("sending panicked"))
            })?;
        }
    }
    Ok(())
}

/// Puts lines into the topic at a steady pace, as a producer of Kafka's.
fn produce(local: &Local, broker: &str, lines: &[String], rate: u32) -> Result<()> {
    let mut python = process::command(Tools::Kafka.program("python"));
    python.arg(host::path("tools/kafka/produce.py")).args(["--bootstrap", broker, "--topic", TOPIC]);
    python.args(["--group", &format!("acequia-local-{BROKEN}-{TOPIC}"), "--rate", &rate.to_string()]);
    python.env_clear().envs(emulator::variables(&local.aws.address));
    process::output(&mut python, "putting records into the topic", &(lines.join("\n") + "\n")).map(drop)
}

/// What is shown while a phase runs.
struct Watch {
    /// What had arrived before, by endpoint.
    before: BTreeMap<String, u64>,
}

impl Watch {
    fn begin(local: &Local) -> Result<Self> {
        Ok(Self { before: figures::counts(local, &SINKS, &queue::all(local)?)? })
    }

    fn heading() -> String {
        format!("{:<7} {:<10} {:>8} {:>11} {:>8}", "tenant", "sink", "arrived", "on the way", "in DLQ")
    }

    /// Shows what arrived, waits and failed; answers how many messages wait in all queues of ours.
    fn draw(&self, local: &Local, view: &mut View) -> Result<u64> {
        let queues = queue::all(local)?;
        let counts = figures::counts(local, &SINKS, &queues)?;
        let row = |sink: &Sink| {
            let of = |name| queue::of(&queues, sink.tenant, name);
            let (intake, own) = (of("intake"), of(sink.far.queue()));
            let endpoint = sink.endpoint();
            let count = |counts: &BTreeMap<String, u64>| counts.get(&endpoint).copied().unwrap_or_default();
            let arrived = count(&counts).saturating_sub(count(&self.before));
            let waiting = intake.waiting() + own.waiting();
            format!("{:<7} {:<10} {arrived:>8} {waiting:>11} {:>8}", sink.tenant, sink.id, own.dead())
        };
        view.draw(&SINKS.iter().map(row).collect::<Vec<_>>());
        Ok(queues.values().filter(|queue| queue.name != "out").map(Queue::waiting).sum())
    }
}

/// Reads the ledger: all that it has of each tenant's events accepted from that time on.
fn tallies(local: &Local, since: &str) -> Result<BTreeMap<&'static str, Tally>> {
    STACKS.iter().map(|stack| Ok((stack.tenant, Tally::read(local, stack.tenant, Some(since))?))).collect()
}

fn heading() -> String {
    format!(
        "{:<7} {:<10} {:>8} {:>9} {:>8} {:>8} {:>7}   {:>7} {:>7} {:>7}",
        "tenant", "sink", "accepted", "delivered", "filtered", "retrying", "in DLQ", "p50 ms", "p95 ms", "p99 ms"
    )
}

fn line(sink: &Sink, tallies: &BTreeMap<&'static str, Tally>) -> Option<String> {
    let events = tallies.get(sink.tenant)?.events;
    let tally = tallies.get(sink.tenant)?.sink(sink.id);
    Some(format!(
        "{:<7} {:<10} {events:>8} {:>9} {:>8} {:>8} {:>7}   {:>7} {:>7} {:>7}",
        sink.tenant,
        sink.id,
        tally.delivered,
        tally.filtered,
        tally.retrying + tally.in_progress,
        tally.quarantined,
        report::or_dash(tally.p50_ms),
        report::or_dash(tally.p95_ms),
        report::or_dash(tally.p99_ms),
    ))
}

/// Whether each sink has delivered or quarantined every event that it must take.
fn is_settled(sent: &BTreeMap<&'static str, Batch>, tallies: &BTreeMap<&'static str, Tally>) -> bool {
    SINKS.iter().all(|sink| {
        let expected = sent.get(sink.tenant).map_or(0, |batch| batch.events.iter().filter(|e| (sink.takes)(e)).count());
        let tally = tallies.get(sink.tenant).map(|tally| tally.sink(sink.id)).unwrap_or_default();
        tally.delivered + tally.quarantined >= expected as u64
    })
}
