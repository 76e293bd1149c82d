//! The decisions of the circuit breaker: what a batch may do, and what changes by what it saw.

use std::time::Duration;

use jiff::Timestamp;

use super::alert::{Alert, PendingAlert};
use super::failing;
use super::window::{Seen, Window};
use super::{Breaker, Circuit, Disabled, EndpointState};
use crate::outcome::DisabledBy;
use crate::time::after;

/// The longest time for which a circuit stays open before the next probe.
const LONGEST_OPEN: Duration = Duration::from_mins(15);
/// The same, once it has been open for a day: who waits that long does not mind an hour.
const LONGEST_OPEN_LATER: Duration = Duration::from_hours(1);
const LATER: Duration = Duration::from_hours(24);

/// How long a circuit is open before a probe that fails is worth an alert: a deployment of minutes is not.
const WORTH_A_NOTICE: Duration = Duration::from_mins(5);

/// How long a probe has: longer than any invocation.
const PROBE: Duration = Duration::from_mins(2);

/// What is known of this endpoint, if the row is about it.
fn about<'a>(known: Option<&'a EndpointState>, endpoint: &str) -> Option<&'a EndpointState> {
    known.filter(|known| known.endpoint == endpoint)
}

/// What a batch may do with an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Send.
    Go,
    /// Send nothing for this long.
    Hold(Duration),
    /// Send one delivery, if this change can be made; hold the others for the probe's time.
    Probe(Box<EndpointState>),
    /// Send nothing any more, for this reason.
    Disabled(DisabledBy),
}

/// Decides what a batch may do, given what is known. `by` names the invocation.
pub fn gate(
    known: Option<&EndpointState>,
    endpoint: &str,
    breaker: Option<&Breaker>,
    by: &str,
    now: Timestamp,
) -> Gate {
    let Some(known) = about(known, endpoint) else { return Gate::Go };
    if let Some(disabled) = &known.disabled {
        return Gate::Disabled(disabled.by);
    }
    if breaker.is_none() {
        return Gate::Go;
    }
    let (until, since, trips) = match &known.circuit {
        Circuit::Closed => return Gate::Go,
        Circuit::Open { until, since, trips } | Circuit::Probing { until, since, trips, .. } => (until, since, trips),
    };
    if let Some(wait) = ahead(*until, now) {
        return Gate::Hold(wait);
    }
    let circuit = Circuit::Probing { until: after(now, PROBE), since: *since, trips: *trips, by: by.to_owned() };
    Gate::Probe(Box::new(EndpointState { circuit, ..known.next() }))
}

fn ahead(until: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(until.duration_since(now)).ok().filter(|wait| !wait.is_zero())
}

/// How long those wait who may not probe now.
pub const WHILE_PROBED: Duration = Duration::from_secs(20);

/// What changes by what a batch saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What is to be written.
    pub state: EndpointState,
    /// What operators are to be told, once that is written: the state owes it.
    pub pending_alert: Option<PendingAlert>,
    /// Whether the circuit opens or closes by it.
    pub turns: bool,
}

/// Decides what changes by what a batch saw; `None` where nothing does.
///
/// `window` holds this batch already. `by` names the invocation, as in [`gate`].
pub fn observe(
    known: Option<&EndpointState>,
    endpoint: &str,
    breaker: Option<&Breaker>,
    (seen, window): (Seen, &Window),
    by: &str,
    now: Timestamp,
) -> Option<Observed> {
    let blank =
        EndpointState { revision: known.map_or(0, |known| known.revision), ..EndpointState::healthy(endpoint, None) };
    let old = about(known, endpoint).unwrap_or(&blank);
    let mut new = old.clone();
    let mut alert = None;
    if seen.gone {
        if old.disabled.is_none() {
            alert = Some(Alert::Gone);
            new.disabled = Some(Disabled { by: DisabledBy::Gone, since: now });
        }
    } else if seen.successes > 0 {
        let mixed = breaker.is_some_and(|breaker| seen.failures > 0 && window.is_bad(breaker));
        new.failing = None;
        // That it is disabled is told also where a request that was under way still succeeded.
        new.pending_alert = new.pending_alert.filter(|_| new.disabled.is_some());
        new.circuit = if mixed { open(&old.circuit, breaker, by, now) } else { closed(&old.circuit, by) };
    } else if seen.failures > 0
        && let Some(breaker) = breaker
    {
        let probed = matches!(&old.circuit, Circuit::Probing { by: prober, .. } if prober == by);
        if probed || window.is_bad(breaker) {
            new.circuit = open(&old.circuit, Some(breaker), by, now);
        }
        let stays_open = probed && is_open_for_long(&new.circuit, now);
        let trouble = failing::another(old.failing.as_ref(), breaker.disable_after, stays_open, now);
        alert = trouble.alert;
        if trouble.is_over_limit && old.disabled.is_none() {
            new.disabled = Some(Disabled { by: DisabledBy::Failing(breaker.disable_after), since: now });
        }
        new.failing = Some(trouble.failing);
    }
    let pending_alert = alert.map(|alert| PendingAlert::now(alert, now));
    new.pending_alert = pending_alert.or(new.pending_alert);
    // From closed to open, or back: a probe between the two is no turn.
    let turns = (new.circuit == Circuit::Closed) != (old.circuit == Circuit::Closed);
    (new != *old).then(|| Observed { state: new.next(), pending_alert, turns })
}

/// The circuit after a failure that opens it, or keeps it open.
fn open(old: &Circuit, breaker: Option<&Breaker>, by: &str, now: Timestamp) -> Circuit {
    let Some(breaker) = breaker else { return old.clone() };
    let (since, trips) = match old {
        Circuit::Closed => (now, 1),
        Circuit::Probing { since, trips, by: prober, .. } if prober == by => (*since, trips.saturating_add(1)),
        // It opened meanwhile: these attempts were under way.
        Circuit::Open { .. } | Circuit::Probing { .. } => return old.clone(),
    };
    let longest = if after(since, LATER) < now { LONGEST_OPEN_LATER } else { LONGEST_OPEN };
    let wait = breaker.cool_down.saturating_mul(1 << (trips - 1).min(12)).min(longest.max(breaker.cool_down));
    Circuit::Open { until: after(now, wait), since, trips }
}

/// Whether a circuit that a probe has just left open has been so for as long as an operator should know.
fn is_open_for_long(circuit: &Circuit, now: Timestamp) -> bool {
    matches!(circuit, Circuit::Open { since, .. } if after(*since, WORTH_A_NOTICE) <= now)
}

/// The circuit after a success.
fn closed(old: &Circuit, by: &str) -> Circuit {
    match old {
        Circuit::Probing { by: prober, .. } if prober != by => old.clone(),
        // A request that was under way when it opened proves little.
        Circuit::Open { .. } => old.clone(),
        Circuit::Closed | Circuit::Probing { .. } => Circuit::Closed,
    }
}

#[cfg(test)]
mod cases;
