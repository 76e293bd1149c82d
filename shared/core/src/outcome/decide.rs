//! What is done with a message: decided here, in pure functions, and carried out by the batch loops.

use std::time::Duration;

use crate::outcome::cause::{Cause, Outcome};
use crate::outcome::reason::Reason;
use crate::outcome::schedule::{RetryPolicy, Wait, back_off};
use crate::outcome::wait::{Stay, WaitKind};

/// What happens to the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is done with: SQS deletes it.
    Acknowledge,
    /// It comes back after this time: its visibility is set, then it is reported as failed.
    Hide(Duration),
    /// It leaves the queue and comes back when this time has passed ([`crate::delivery::delay`]); it is acknowledged
    /// once it is delayed.
    Delay(Duration),
    /// It goes to the dead-letter queue with this reason, and is acknowledged once it is there.
    Quarantine(Reason),
}

/// What a decision needs to know of a message beside its cause.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The schedule of its attempts.
    pub policy: &'a RetryPolicy,
    /// The number of the attempt just made, or not begun, 1-based. The router counts receives: only sinks have
    /// schedules.
    pub attempt: u32,
    /// How often it was received for this, 1-based: the longer ours is down, the longer a message waits for it.
    pub received: u32,
    /// After which time it has to come back at the latest, because its event expires.
    pub expires_in: Option<Duration>,
    /// Whether it holds a reservation at a rate.
    pub has_reservation: bool,
    /// What bounds its stay in its queue.
    pub stay: Stay,
}

impl Situation<'_> {
    /// How a message comes back after this wait: hidden in its queue, or delayed.
    fn comes_back(&self, wait: Duration, kind: WaitKind) -> Disposition {
        if !self.stay.leaves_for(wait, kind) {
            Disposition::Hide(wait)
        } else if self.stay.is_suspect {
            // What is known against it is known of this message, and not of the one that would come back.
            Disposition::Hide(self.stay.hidden_instead(wait, kind))
        } else {
            Disposition::Delay(wait)
        }
    }
}

/// What could not be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// Its dead-letter queue did not take it.
    Quarantine,
    /// It could not be delayed by this time.
    Delay(Duration),
}

/// Decides what is done with a message after this happened to it. `random`, in `[0, 1)`, spreads the waits.
pub fn decide(cause: &Cause, situation: &Situation<'_>, random: f64) -> Disposition {
    let disposition = cause.disposition(situation.policy, situation.attempt, situation.received, random);
    let Disposition::Hide(wait) = disposition else { return disposition };
    // What would be attempted after its expiry comes back once that is over for sure, to be recorded as expired.
    let latest = situation.expires_in.filter(|_| cause.spends_attempt()).unwrap_or(Duration::MAX);
    situation.comes_back(wait.min(latest), WaitKind::of(cause, situation.has_reservation))
}

/// Decides what is done with a message with which something could not be done: it is acknowledged by none of that, and
/// comes back.
pub fn fallback(undone: Undone, cause: &Cause, situation: &Situation<'_>, random: f64) -> Disposition {
    let kind = WaitKind::of(cause, situation.has_reservation);
    match undone {
        Undone::Quarantine => situation.comes_back(back_off(situation.stay.receive_count, random), kind),
        Undone::Delay(wait) => Disposition::Hide(situation.stay.hidden_instead(wait, kind)),
    }
}

/// What is done with a message that repeats another one of its batch, of which this was done.
pub fn of_follower(first: Disposition) -> Disposition {
    match first {
        // One copy in the dead-letter queue, or delayed, is enough, and it is there.
        Disposition::Acknowledge | Disposition::Quarantine(_) | Disposition::Delay(_) => Disposition::Acknowledge,
        Disposition::Hide(wait) => Disposition::Hide(wait),
    }
}

impl Cause {
    /// What is done with the message, as if it could wait in its queue for any time.
    fn disposition(&self, policy: &RetryPolicy, attempt: u32, received: u32, random: f64) -> Disposition {
        match self.outcome() {
            Outcome::Delivered | Outcome::Duplicate | Outcome::Filtered | Outcome::Expired | Outcome::Shadowed => {
                Disposition::Acknowledge
            }
            Outcome::Quarantine(reason) => Disposition::Quarantine(reason),
            Outcome::Disabled => Disposition::Quarantine(Reason::SinkDisabled),
            Outcome::RetryAfter(wait) => Disposition::Hide(wait.max(Duration::from_secs(1))),
            // What has not started goes back at once: another invocation has the time for it.
            Outcome::Retry if matches!(self, Self::NoTime | Self::GroupStopped) => Disposition::Hide(Duration::ZERO),
            Outcome::Retry | Outcome::Unknown if self.spends_attempt() => {
                match policy.wait(attempt, self.is_overload(), self.retry_after(), random) {
                    Wait::For(wait) => Disposition::Hide(wait),
                    Wait::Exhausted => Disposition::Quarantine(Reason::AttemptsExhausted),
                }
            }
            Outcome::Retry | Outcome::Unknown => Disposition::Hide(back_off(received, random)),
        }
    }
}

#[cfg(test)]
mod cases;
