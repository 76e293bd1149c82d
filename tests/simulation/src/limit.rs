//! What holds attempts back: rates and circuits, as the simulator checks them.

use std::time::Duration;

use acequia_core::breaker::Circuit;
use acequia_core::ledger::after;
use jiff::Timestamp;

/// From the look at a rate or a circuit to the last attempt that goes by it: an invocation, and two clocks that differ.
const UNDER_WAY: Duration = Duration::from_secs(75);

/// How wrong clocks are, and how early a message may come.
const EARLY: Duration = Duration::from_secs(4);

/// A sink's rate: so many starts in a minute, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMinute(pub u32);

/// The span over which a rate is checked.
const SPAN: Duration = Duration::from_mins(3);

impl PerMinute {
    /// Checks the attempt that was made last against the ones before it; `attempts` are rising.
    ///
    /// Copies of one message, which SQS handed out at once, use its one place together: they count once.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check<D: PartialEq>(self, attempts: &[(D, Timestamp)]) -> Result<(), String> {
        let Some((_, last)) = attempts.last() else { return Ok(()) };
        let good = acequia_core::rate::LATE.saturating_add(EARLY);
        let is_copy = |earlier: &[(D, Timestamp)], delivery: &D, at: Timestamp| {
            earlier.iter().any(|(other, before)| other == delivery && after(*before, good) >= at)
        };
        let counts = |(index, (delivery, at)): (usize, &(D, Timestamp))| {
            after(*at, SPAN) >= *last && !is_copy(attempts.get(..index).unwrap_or_default(), delivery, *at)
        };
        let within = attempts.iter().enumerate().filter(|attempt| counts(*attempt)).count();
        // A start may be as late as its place is good and its invocation lasts, so that those of this much more time come together.
        let time = SPAN.saturating_add(UNDER_WAY).saturating_add(acequia_core::rate::LATE).saturating_add(EARLY);
        let most = 1.0 + f64::from(self.0) * time.as_secs_f64() / 60.0;
        #[expect(clippy::cast_precision_loss, reason = "a handful of attempts")]
        let too_many = within as f64 > most.ceil();
        if too_many {
            Err(format!("{within} attempts in {SPAN:?}, and the rate is {} a minute", self.0))
        } else {
            Ok(())
        }
    }
}

/// Checks an attempt against the circuit of its endpoint.
///
/// # Errors
/// What is wrong.
pub fn check_circuit(circuit: Option<&Circuit>, now: Timestamp) -> Result<(), String> {
    match circuit {
        Some(Circuit::Open { since, until, .. }) if after(*since, UNDER_WAY) < now && after(now, EARLY) < *until => {
            Err("an attempt while the circuit is open".to_owned())
        }
        _ => Ok(()),
    }
}
