//! How a message comes back that has to wait: hidden in its queue, or delayed.

use std::time::Duration;

use crate::outcome::cause::Cause;
use crate::outcome::hold::Hold;

/// The longest wait for which a message is hidden; for more it is delayed.
pub const LONGEST_HIDDEN: Duration = Duration::from_mins(15);

/// The longest time for which an open circuit keeps a message hidden.
const LONGEST_HELD: Duration = Duration::from_mins(1);

/// How many receives may be used up beyond the attempts before a message is delayed instead of hidden. A queue gives a
/// message up after a hundred receives, more than any schedule has attempts, and what is left between is for crashes.
pub const SPARE_RECEIVES: u32 = 5;

/// How long a message with few receives left is hidden besides, where it could not be delayed.
pub const EXTRA_HIDDEN: Duration = Duration::from_hours(1);

/// How a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitKind {
    /// For its reservation at a rate, of which there are only so many ([`crate::delivery::rate::MOST_AHEAD`]).
    ForReservation,
    /// Perhaps with so many others that SQS could not hide them all: it leaves its queue at once.
    InCrowd,
    /// For a reason of its own.
    Alone,
}

impl WaitKind {
    /// How a message waits after this happened to it. `has_reservation` says whether it holds a reservation at a rate.
    pub(super) fn of(cause: &Cause, has_reservation: bool) -> Self {
        match cause {
            Cause::Held { by: Hold::Rate, .. } if has_reservation => Self::ForReservation,
            Cause::Held { by: Hold::Rate, .. } => Self::InCrowd,
            Cause::Held { by: Hold::CircuitOpen, remaining } if *remaining >= LONGEST_HELD => Self::InCrowd,
            _ => Self::Alone,
        }
    }
}

/// What bounds a message's stay in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// How often its queue has handed it out.
    pub receive_count: u32,
    /// How many attempts of its schedule it has used up, this one included.
    pub attempts_used: u32,
    /// Whether its queue keeps order: what leaves it would be overtaken.
    pub fifo: bool,
    /// Whether earlier invocations may have died of it ([`crate::delivery::crash`]).
    pub is_suspect: bool,
}

impl Stay {
    /// Whether a message should leave its queue for such a wait.
    pub(super) fn leaves_for(self, wait: Duration, kind: WaitKind) -> bool {
        !self.fifo && (kind == WaitKind::InCrowd || wait > LONGEST_HIDDEN || self.is_near_receive_limit())
    }

    /// For how long a message is hidden that was to leave its queue, and stays.
    ///
    /// Messages that were to come back apart do so still: suspects that came back together would make way for one of
    /// them again and again. One that holds a reservation comes in time for it, since a later one would have to find
    /// another, and never be attempted.
    pub(super) fn hidden_instead(self, wait: Duration, kind: WaitKind) -> Duration {
        let spares_receives = kind != WaitKind::ForReservation && self.is_near_receive_limit();
        if spares_receives { wait.saturating_add(EXTRA_HIDDEN) } else { wait }
    }

    /// Whether its receives are nearly used up by what spent no attempt.
    fn is_near_receive_limit(self) -> bool {
        self.receive_count.saturating_sub(self.attempts_used) > SPARE_RECEIVES
    }
}
