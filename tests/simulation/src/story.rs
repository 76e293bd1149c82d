//! The story of one delivery, as the simulator saw it happen, and what must never happen in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acequia_core::delivery::ledger::{DeliveryRecord, Status};
use acequia_core::kind::SinkKind;
use acequia_core::time::after;
use jiff::Timestamp;

use crate::history::StoryKey;
use crate::scenario::{Scenario, SinkPlan};

/// An attempt may come this much before its due time: the clocks of two instances differ by up to 2 s, and the ledger
/// lets a delivery start 2 s early by the second of them.
const EARLY: Duration = Duration::from_secs(4);

/// One effect: the outside world took the event.
#[derive(Debug, Clone)]
pub struct Effect {
    /// When.
    pub at: Timestamp,
    /// By which invocation.
    pub by: u64,
    /// Of which event (its index in the scenario).
    pub event: usize,
    /// What the invocation wrote to the ledger afterwards, where it came to that.
    pub settled: Option<Status>,
}

/// What the simulator knows of one delivery: of one identity to one sink.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// Which events of this identity the router sent, and in how many messages.
    pub sent: BTreeMap<usize, u32>,
    /// The effects, in order.
    pub effects: Vec<Effect>,
    /// Which events came to lie in the dead-letter queue, and how often.
    pub dead: BTreeMap<usize, u32>,
    /// When an operator last redrove it.
    pub redriven_at: Option<Timestamp>,
    /// Whether SQS handed out a message of it twice.
    pub duplicated: bool,
    /// How many of its messages were delayed.
    pub delayed: u32,
    /// How many came back from there.
    pub returned: u32,
    /// The attempt that each invocation has made and not yet recorded: when it failed.
    failing: BTreeMap<u64, Timestamp>,
    /// The attempts that were recorded since the delivery began, or last came out of the dead-letter queue.
    recorded: u32,
    /// The redrives that its record knows.
    redrives: BTreeSet<String>,
    /// Before when no further attempt may be made.
    not_before: Option<Timestamp>,
    /// The digests of the events of which the ledger was told that they expired.
    pub expired: BTreeSet<String>,
    /// The status that was last written to the ledger.
    pub written: Option<Status>,
}

/// All schedules that a sink has had.
#[derive(Debug, Clone, Default)]
pub struct Schedules(pub Vec<&'static [u64]>);

impl Schedules {
    /// Those of the sink of a delivery.
    pub fn of(scenario: &Scenario, key: StoryKey) -> Self {
        let event = scenario.events.iter().find(|event| event.identity == key.0);
        let tenant = event.and_then(|event| scenario.tenants.get(event.tenant));
        let versions = tenant.map(|tenant| tenant.versions.as_slice()).unwrap_or_default();
        Self(versions.iter().filter_map(|sinks| sinks.get(key.1)).map(|sink| sink.waits).collect())
    }

    fn most_attempts(&self) -> u32 {
        self.0.iter().map(|waits| u32::try_from(waits.len()).unwrap_or(u32::MAX).saturating_add(1)).max().unwrap_or(1)
    }

    /// The shortest wait that any of them has after attempt `attempts_used`, with the jitter taken off.
    fn least_wait(&self, attempts_used: u32) -> Duration {
        let step = usize::try_from(attempts_used.saturating_sub(1)).unwrap_or(usize::MAX);
        let waits = self.0.iter().filter_map(|waits| waits.get(step)).min();
        waits.map_or(Duration::ZERO, |wait| Duration::from_secs(*wait).mul_f64(0.8))
    }
}

impl Story {
    /// Whether its attempts follow each other by its record: it claims, or there was never more than one message of it.
    fn is_serial(&self, plan: &SinkPlan) -> bool {
        plan.claims || (self.sent.values().sum::<u32>() <= 1 && !self.duplicated && self.redriven_at.is_none())
    }

    /// An attempt is made at the sink.
    ///
    /// # Errors
    /// What it breaks.
    pub fn attempt(&mut self, plan: &SinkPlan, at: Timestamp) -> Result<(), String> {
        match self.not_before {
            Some(due) if self.is_serial(plan) && after(at, EARLY) < due => {
                Err(format!("an attempt is made {:.1} s before its time", due.duration_since(at).as_secs_f64()))
            }
            _ => Ok(()),
        }
    }

    /// An attempt fails, or may fail, in a way that spends it; the last such time counts.
    pub fn fail(&mut self, by: u64, at: Timestamp) {
        self.failing.insert(by, at);
    }

    /// The attempt of this invocation did not fail, or spends nothing.
    pub fn spare(&mut self, by: u64) {
        self.failing.remove(&by);
    }

    /// The outside world takes the event.
    ///
    /// # Errors
    /// What it breaks: with a claim there is no second effect unless the first one's record is missing.
    pub fn effect(&mut self, plan: &SinkPlan, effect: Effect, running: &BTreeSet<u64>) -> Result<(), String> {
        let fault = self.effects.iter().find_map(|earlier| self.forbids(plan, earlier, &effect, running));
        self.effects.push(effect);
        fault.map_or(Ok(()), |fault| Err(fault.to_owned()))
    }

    fn forbids(
        &self,
        plan: &SinkPlan,
        earlier: &Effect,
        now: &Effect,
        running: &BTreeSet<u64>,
    ) -> Option<&'static str> {
        if plan.kind == SinkKind::Table {
            return Some("a second row of one delivery");
        }
        if !plan.claims {
            return None;
        }
        let redriven = self.redriven_at.is_some_and(|at| at >= earlier.at);
        match earlier.settled {
            Some(Status::Delivered) => Some("a second effect after the first was recorded as delivered"),
            None if running.contains(&earlier.by) || earlier.by == now.by => {
                Some("a second effect while the invocation that made the first still runs")
            }
            _ if plan.quarantines_ambiguous && !redriven => {
                Some("a second mail, though mails that may have been sent are to be quarantined")
            }
            _ => None,
        }
    }

    /// A record of it landed in the ledger, written by an invocation.
    ///
    /// # Errors
    /// What it breaks.
    pub fn write(
        &mut self,
        plan: &SinkPlan,
        by: u64,
        record: &DeliveryRecord,
        schedules: &Schedules,
    ) -> Result<(), String> {
        self.written = Some(record.status);
        self.expired.extend(expired(record).map(str::to_owned));
        for effect in self.effects.iter_mut().filter(|effect| effect.by == by && effect.settled.is_none()) {
            effect.settled = Some(record.status);
        }
        let failed_at = self.failing.remove(&by);
        // A record without an attempt, such as that of a hold, brings no attempt forward.
        if let (Status::Retry, Some(at)) = (record.status, failed_at) {
            self.not_before = Some(after(at, schedules.least_wait(record.attempts_used)));
        }
        self.recorded += u32::from(failed_at.is_some());
        // Another content under the same id goes on with the count of the first one where that one's quarantine was not
        // recorded, is attempted once all the same, and ends then: delivered or dead. Nothing else goes beyond.
        let ends = matches!(record.status, Status::Quarantined | Status::Delivered) && self.sent.len() > 1;
        let most = schedules.most_attempts() + u32::from(ends && !plan.claims);
        // Copies that are attempted at the same time each spend an attempt, and write over each other.
        let attempts_used = record.attempts_used.max(if self.is_serial(plan) { self.recorded } else { 0 });
        if attempts_used > most {
            return Err(format!("{attempts_used} attempts are spent, and the schedule has {most}"));
        }
        Ok(())
    }

    /// The claim of it was granted. It starts over where its record learns of a redrive.
    pub fn claimed(&mut self, record: &DeliveryRecord) {
        self.written = Some(Status::Claimed);
        if record.redrives.last().is_some_and(|redrive| self.redrives.insert(redrive.id.clone())) {
            self.recorded = 0;
            self.not_before = None;
        }
    }

    /// Whether a message of this event may be acknowledged: it had its effect, or lies in the dead-letter queue.
    ///
    /// A FIFO queue drops what comes under a known id, whatever its content, and so does an inbox: there any effect of
    /// the identity counts.
    pub fn is_safe(&self, plan: &SinkPlan, event: usize) -> bool {
        self.effects.iter().any(|effect| effect.event == event || plan.goes_by_id()) || self.dead.contains_key(&event)
    }
}

/// The digests of the contents of which a record says that they expired.
pub fn expired(record: &DeliveryRecord) -> impl Iterator<Item = &str> {
    let own = (record.status == Status::Expired).then_some(record.digest.as_str());
    let noted = record.attempts.iter().filter(|note| note.outcome == "expired");
    own.into_iter().chain(noted.filter_map(|note| note.content.as_deref()))
}
