//! The proof: what was sent is accounted for, sink by sink, and one tenant's broken endpoint delays no other tenant.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::figures::{self, Arrived, Tally};
use super::memory::{self, Replayed};
use super::order::{self, Order};
use super::phase::Phase;
use super::tenant::{BROKEN, SINKS, STACKS, Sink};
use super::{Phases, Redrive, foretold, late};
use crate::local::Local;
use crate::report::Check;
use crate::{host, queue, report};

/// How many of a healthy tenant's deliveries must overtake the broken tenant's, in per cent: not all, since the broken
/// tenant's last deliveries end while the healthy tenant's last ones are still on their way.
const OVERTAKE_PERCENT: u64 = 90;

/// What became of all events of one sink, up to the mending.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    tenant: &'static str,
    sink: &'static str,
    /// Different events, and bodies that are none.
    sent: u64,
    /// Copies that were sent beside.
    sent_twice: u64,
    /// Arrived at the far end.
    delivered: u64,
    filtered: u64,
    /// Refused at the door, where the events come in over HTTP.
    refused: u64,
    /// In the sink's dead-letter queue, or in the intake's.
    quarantined: u64,
    waiting: u64,
    /// What its rule takes, counted by the demo itself.
    expected: u64,
    duplicates_received: u64,
    bad_signatures: u64,
    /// Whether the sink promises not to deliver twice what was sent twice.
    may_repeat: bool,
    p95_healthy_ms: Option<u64>,
    p95_slow_ms: Option<u64>,
    p95_broken_ms: Option<u64>,
    /// How many of its deliveries overtook the broken tenant's while that one's endpoint was slow, and while it failed.
    order_slow: Order,
    order: Order,
}

impl Line {
    fn adds_up(&self) -> bool {
        self.sent == self.delivered + self.filtered + self.refused + self.quarantined + self.waiting
    }
}

/// The account of all sinks.
#[derive(Debug)]
pub(super) struct Account {
    lines: Vec<Line>,
    unmatched: BTreeMap<&'static str, u64>,
}

impl Account {
    /// Takes it when the phases are over and before anything is mended.
    pub(super) fn take(local: &Local, phases: &Phases) -> Result<Self> {
        let arrived = figures::arrived(local, &SINKS)?;
        let queues = queue::all(local)?;
        let slow = orders(local, phases.slow.since..phases.broken.since)?;
        let broken = orders(local, phases.broken.since..u64::MAX)?;
        let mut unmatched = BTreeMap::new();
        let mut tallies = BTreeMap::new();
        for stack in STACKS {
            let tally = Tally::read(local, stack.tenant, None)?;
            unmatched.insert(stack.tenant, tally.unmatched);
            tallies.insert(stack.tenant, tally);
        }
        let line = |sink: &'static Sink| {
            let batches: Vec<_> = phases.all().iter().filter_map(|phase| phase.sent.get(sink.tenant)).collect();
            let malformed: u64 = batches.iter().map(|batch| batch.malformed).sum();
            let events = || batches.iter().flat_map(|batch| &batch.events);
            let tally = tallies.get(sink.tenant).map(|tally| tally.sink(sink.id)).unwrap_or_default();
            let arrived: Arrived = arrived.get(&sink.endpoint()).copied().unwrap_or_default();
            let intake = queue::of(&queues, sink.tenant, "intake");
            Line {
                tenant: sink.tenant,
                sink: sink.id,
                sent: events().count() as u64 + malformed,
                sent_twice: batches.iter().map(|batch| batch.repeated).sum(),
                delivered: arrived.distinct,
                filtered: tally.filtered,
                refused: batches.iter().map(|batch| batch.refused).sum(),
                quarantined: tally.quarantined + intake.dead(),
                waiting: tally.retrying + tally.in_progress + intake.waiting(),
                expected: events().filter(|event| (sink.takes)(event)).count() as u64,
                duplicates_received: arrived.duplicates,
                bad_signatures: arrived.bad_signatures,
                may_repeat: sink.may_repeat,
                p95_healthy_ms: phases.healthy.p95_ms(sink.tenant, sink.id),
                p95_slow_ms: phases.slow.p95_ms(sink.tenant, sink.id),
                p95_broken_ms: phases.broken.p95_ms(sink.tenant, sink.id),
                order_slow: slow.get(&sink.endpoint()).copied().unwrap_or_default(),
                order: broken.get(&sink.endpoint()).copied().unwrap_or_default(),
            }
        };
        Ok(Self { lines: SINKS.iter().map(line).collect(), unmatched })
    }

    /// The account as a table.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{:<7} {:<10} {:>6} = {:>9} + {:>8} + {:>7} + {:>11} + {:>7}   {:>10} {:>10}   {:>12} {:>12}\n",
            "tenant",
            "sink",
            "sent",
            "delivered",
            "filtered",
            "refused",
            "quarantined",
            "waiting",
            "sent twice",
            "got twice",
            "p95 healthy",
            "p95 broken"
        );
        for line in &self.lines {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:<7} {:<10} {:>6} = {:>9} + {:>8} + {:>7} + {:>11} + {:>7}   {:>10} {:>10}   {:>9} ms {:>9} ms",
                line.tenant,
                line.sink,
                line.sent,
                line.delivered,
                line.filtered,
                line.refused,
                line.quarantined,
                line.waiting,
                line.sent_twice,
                line.duplicates_received,
                report::or_dash(line.p95_healthy_ms),
                report::or_dash(line.p95_broken_ms),
            );
        }
        text
    }
}

/// How each sink's deliveries of events that were accepted within `time` stand to the broken tenant's.
fn orders(local: &Local, time: Range<u64>) -> Result<BTreeMap<String, Order>> {
    let mut orders = BTreeMap::new();
    let broken = order::read(local, BROKEN, time.clone())?;
    for stack in STACKS {
        let healthy = order::read(local, stack.tenant, time.clone())?;
        for sink in SINKS.iter().filter(|sink| sink.tenant == stack.tenant) {
            orders.insert(sink.endpoint(), order::compare(&healthy, sink.id, &broken));
        }
    }
    Ok(orders)
}

/// The whole proof.
#[derive(Debug)]
pub(super) struct Verdict(Vec<Check>);

/// Judges the account, and what mending came to.
pub(super) fn judge(
    local: &Local,
    account: &Account,
    phases: &Phases,
    (redrive, replayed, judged): (&Redrive, &Replayed, Vec<Check>),
) -> Result<Verdict> {
    let mut checks: Vec<Check> = account.lines.iter().map(sum_check).collect();
    checks.push(duplicate_check(&account.lines));
    checks.push(signature_check(&account.lines));
    let others = || account.lines.iter().filter(|line| line.tenant != BROKEN);
    checks
        .extend(others().map(|line| isolation_check(line, "answered after 3 s", (line.order_slow, line.p95_slow_ms))));
    checks.extend(others().map(|line| isolation_check(line, "failed", (line.order, line.p95_broken_ms))));
    let expected: u64 = account.lines.iter().filter(|line| line.tenant == BROKEN).map(|line| line.expected).sum();
    let arrived = wait_for_mended(local, expected)?;
    checks.push(Check {
        holds: redrive.before > 0 && redrive.after == 0 && arrived == expected,
        says: format!(
            "mended: {BROKEN}'s dead-letter queue went from {} to {}, and {arrived} of {expected} events have arrived",
            redrive.before, redrive.after
        ),
    });
    let arrived = figures::arrived(local, &SINKS)?;
    let distinct = |endpoint: &str| arrived.get(endpoint).map(|arrived| arrived.distinct).unwrap_or_default();
    checks.push(foretold::check(&foretold::count(local, phases)?, distinct));
    checks.push(memory::check(replayed));
    checks.extend(judged);
    let routed = |phase: &Phase| phase.tallies.values().map(|tally| tally.events).sum::<u64>();
    let unmatched: u64 = account.unmatched.values().sum();
    let seen = phases.all().into_iter().map(routed).sum::<u64>();
    let sent = phases.all().into_iter().flat_map(|phase| phase.sent.values());
    let different: u64 = sent.map(|batch| batch.events.len() as u64).sum();
    checks.push(Check {
        // Each goes to the archive at least.
        holds: seen == different && unmatched == 0,
        says: format!("seen: the ledger knows where {seen} events went, of {different} that were sent"),
    });
    Ok(Verdict(checks))
}

fn wait_for_mended(local: &Local, expected: u64) -> Result<u64> {
    let within = Duration::from_secs(20);
    let start = host::now();
    loop {
        let arrived = figures::arrived(local, &SINKS)?;
        let of_broken = SINKS.iter().filter(|sink| sink.tenant == BROKEN);
        let count: u64 = of_broken.filter_map(|sink| arrived.get(&sink.endpoint())).map(|a| a.distinct).sum();
        if count >= expected {
            return Ok(count);
        }
        if start.elapsed() > within {
            return late("the redriven events arrive", within);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn sum_check(line: &Line) -> Check {
    let Line { tenant, sink, sent, delivered, filtered, refused, quarantined, waiting, .. } = line;
    Check {
        holds: line.adds_up() && *delivered <= line.expected && (line.tenant == BROKEN || *delivered == line.expected),
        says: format!(
            "{tenant}/{sink}: {sent} sent = {delivered} delivered + {filtered} filtered + {refused} refused at the door + {quarantined} quarantined + {waiting} waiting"
        ),
    }
}

fn duplicate_check(lines: &[Line]) -> Check {
    let text = |line: &Line| format!("{}/{} {}", line.tenant, line.sink, line.duplicates_received);
    let holds = lines.iter().all(|line| {
        if line.may_repeat { line.duplicates_received <= line.sent_twice } else { line.duplicates_received == 0 }
    });
    let parts: Vec<String> = lines.iter().map(text).collect();
    Check {
        holds,
        says: format!(
            "duplicates received: {} (a webhook gets again, under the same id, what was sent twice; a mail and a strict queue do not)",
            parts.join(", ")
        ),
    }
}

fn signature_check(lines: &[Line]) -> Check {
    let bad: u64 = lines.iter().map(|line| line.bad_signatures).sum();
    Check { holds: bad == 0, says: format!("signatures: {bad} bad ones, by the standardwebhooks crate") }
}

fn isolation_check(line: &Line, meanwhile: &str, (order, p95_ms): (Order, Option<u64>)) -> Check {
    let Order { of, overtook, deliveries, repeated } = order;
    Check {
        holds: of > 0 && overtook * 100 >= of * OVERTAKE_PERCENT && repeated == 0,
        says: format!(
            "isolation: {}/{} overtook {BROKEN}'s waiting events with {overtook} of {of} deliveries (bound: {OVERTAKE_PERCENT} %), and \
             {repeated} of {deliveries} took a second attempt, while its endpoint {meanwhile}; p95 {} ms, {} ms without",
            line.tenant,
            line.sink,
            report::or_dash(p95_ms),
            report::or_dash(line.p95_healthy_ms),
        ),
    }
}

impl Verdict {
    /// Whether all of it holds.
    pub(super) fn holds(&self) -> bool {
        report::hold(&self.0)
    }

    /// One line each, and the conclusion.
    pub(super) fn text(&self) -> String {
        report::verdict(&self.0)
    }

    /// The figures for `--json`.
    pub(super) fn json(&self, account: &Account, seconds: f64, zip_bytes: &[(&str, u64)]) -> Json {
        json!({
            "holds": self.holds(),
            "seconds": seconds,
            "checks": self.0,
            "sinks": account.lines,
            "unmatched": account.unmatched,
            "zip_bytes": zip_bytes.iter().copied().collect::<BTreeMap<_, _>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            tenant: "acme",
            sink: "crm",
            sent: 100,
            sent_twice: 2,
            delivered: 90,
            filtered: 8,
            refused: 0,
            quarantined: 2,
            waiting: 0,
            expected: 90,
            duplicates_received: 2,
            bad_signatures: 0,
            may_repeat: true,
            p95_healthy_ms: Some(400),
            p95_slow_ms: Some(500),
            order_slow: Order::default(),
            p95_broken_ms: Some(800),
            order: Order { of: 90, overtook: 81, deliveries: 90, repeated: 0 },
        }
    }

    #[test]
    fn a_sum_that_misses_one_event_does_not_hold() {
        assert!(sum_check(&line()).holds);
        assert!(!sum_check(&Line { delivered: 89, ..line() }).holds);
        assert!(
            !sum_check(&Line { delivered: 89, filtered: 9, ..line() }).holds,
            "one was filtered that must be taken"
        );
    }

    #[test]
    fn a_sink_that_promises_no_duplicates_may_have_none() {
        assert!(duplicate_check(&[line()]).holds);
        assert!(!duplicate_check(&[Line { may_repeat: false, ..line() }]).holds);
        assert!(!duplicate_check(&[Line { duplicates_received: 3, ..line() }]).holds);
    }

    #[test]
    fn a_tenant_that_waits_for_the_broken_one_does_not_hold_and_neither_does_one_without_deliveries() {
        let with = |order| isolation_check(&line(), "failed", (order, None)).holds;
        let order = line().order;
        assert!(with(order));
        assert!(!with(Order { overtook: 80, ..order }));
        assert!(!with(Order { repeated: 1, ..order }), "a broken neighbour costs no other tenant an attempt");
        assert!(!with(Order::default()));
    }

    #[test]
    fn one_bad_signature_is_one_too_many() {
        assert!(!signature_check(&[line(), Line { bad_signatures: 1, ..line() }]).holds);
    }
}
