//! What holds attempts back: rates, circuits and pauses, as the simulator checks them.
//!
//! An invocation goes by what it read since it began, so that an attempt is judged by all that was true from then on.

use std::collections::HashMap;
use std::time::Duration;

use acequia_core::delivery::breaker::Circuit;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::time::after;
use jiff::Timestamp;

use crate::history::{History, SKEW, StoryKey};

/// How old a configuration may be when an invocation takes it from its instance's memory.
const REMEMBERED: Duration = Duration::from_secs(5);

/// How much before its time the ledger lets a delivery start.
const EARLY: Duration = Duration::from_secs(2);

/// A sink's rate: so many starts in a minute, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMinute(pub u32);

/// One start: its place in the line lies between these times.
#[derive(Debug, Clone, Copy)]
struct Start<D> {
    delivery: D,
    from: Timestamp,
    to: Timestamp,
}

/// The starts at one sink, rising.
#[derive(Debug, Clone)]
pub struct Starts<D>(Vec<Start<D>>);

impl<D> Default for Starts<D> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<D: PartialEq> Starts<D> {
    /// Adds an attempt of an invocation that began then, and checks it against the ones before.
    ///
    /// The invocation looked at its place at some time since it began. The place may have been so old then as places
    /// stay good, or so far ahead as the ledger lets a delivery start early; and the clock that said so goes wrong.
    ///
    /// Copies of one message, which SQS handed out at once, use its one place together: they count once.
    ///
    /// # Errors
    /// What is wrong.
    pub fn add(&mut self, rate: PerMinute, delivery: D, began: Timestamp, at: Timestamp) -> Result<(), String> {
        let good = acequia_core::delivery::rate::LATE.saturating_add(SKEW);
        let from = began.checked_sub(good).unwrap_or(began);
        let to = after(at, EARLY.saturating_add(SKEW));
        if self.0.iter().any(|start| start.delivery == delivery && start.to >= from) {
            return Ok(());
        }
        self.0.push(Start { delivery, from, to });
        let apart = Duration::from_mins(1) / rate.0.max(1);
        for first in &self.0 {
            // The last one's place may be the latest, so that all that came after `first` did come between the two.
            let within = self.0.iter().filter(|start| start.from >= first.from).count();
            let needed = apart.saturating_mul(u32::try_from(within.saturating_sub(1)).unwrap_or(u32::MAX));
            if after(first.from, needed) > to {
                let span = to.duration_since(first.from).as_secs_f64();
                return Err(format!("{within} attempts in places of {span:.1} s, and the rate is {} a minute", rate.0));
            }
        }
        Ok(())
    }
}

/// What was seen of the circuit of one endpoint.
#[derive(Debug)]
struct Line {
    circuit: Circuit,
    /// When it was closed last, where it is not.
    closed_at: Timestamp,
    /// The invocation that won the right to probe, and has not used it.
    prober: Option<u64>,
}

/// All circuits, as they were written.
#[derive(Debug, Default)]
pub struct Circuits(HashMap<(TenantId, SinkId), Line>);

impl Circuits {
    /// A change of a circuit landed in its row.
    ///
    /// # Errors
    /// That a probe was elected before its time.
    pub fn turned(
        &mut self,
        by: u64,
        endpoint: (TenantId, SinkId),
        circuit: &Circuit,
        now: Timestamp,
    ) -> Result<(), String> {
        let line = self.0.entry(endpoint).or_insert(Line { circuit: Circuit::Closed, closed_at: now, prober: None });
        let earlier = std::mem::replace(&mut line.circuit, circuit.clone());
        if earlier == Circuit::Closed {
            line.closed_at = now;
        }
        let Circuit::Probing { by: token, .. } = circuit else { return Ok(()) };
        let until = match earlier {
            // The row changed in another way, and the same one probes.
            Circuit::Probing { by: other, .. } if other == *token => return Ok(()),
            Circuit::Open { until, .. } | Circuit::Probing { until, .. } => until,
            Circuit::Closed => return Err("a circuit that is closed is probed".to_owned()),
        };
        line.prober = Some(by);
        if after(now, SKEW) < until { Err("a circuit is probed before its time".to_owned()) } else { Ok(()) }
    }

    /// Checks an attempt of an invocation that began then: while the circuit is not closed, the elected one makes one.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&mut self, by: u64, endpoint: &(TenantId, SinkId), began: Timestamp) -> Result<(), String> {
        let Some(line) = self.0.get_mut(endpoint) else { return Ok(()) };
        if line.circuit == Circuit::Closed || line.closed_at >= began || line.prober.take_if(|one| *one == by).is_some()
        {
            return Ok(());
        }
        let what = if matches!(line.circuit, Circuit::Open { .. }) {
            "an attempt while the circuit is open"
        } else {
            "an attempt beside the one probe"
        };
        Err(what.to_owned())
    }
}

/// Checks that an invocation, which began then, has business with a sink: some configuration that it may have gone by
/// lets it be served.
///
/// # Errors
/// That the sink is paused, or switched off.
pub fn check_pause(history: &History, key: StoryKey, began: Timestamp) -> Result<(), String> {
    let Some(event) = history.scenario.events.iter().find(|event| event.identity == key.0) else { return Ok(()) };
    let Some(tenant) = history.scenario.tenants.get(event.tenant) else { return Ok(()) };
    let published = history.published.get(event.tenant).map(Vec::as_slice).unwrap_or_default();
    let oldest = began.checked_sub(REMEMBERED).unwrap_or(began);
    let first = published.iter().rposition(|at| *at <= oldest).unwrap_or(0);
    let mut versions = tenant.versions.iter().skip(first).filter_map(|sinks| sinks.get(key.1));
    if versions.any(|sink| sink.enabled && !sink.paused) {
        Ok(())
    } else {
        Err("the sink is paused or off, and was since before the invocation began".to_owned())
    }
}
