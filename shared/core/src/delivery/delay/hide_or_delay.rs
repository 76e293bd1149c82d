//! How a message comes back that has to wait: hidden in its queue, or delayed.

use std::time::Duration;

use crate::outcome::{Cause, Disposition, Hold};

/// The longest wait for which a message is hidden; for more it is delayed.
pub const LONGEST_HIDDEN: Duration = Duration::from_mins(15);

/// The longest time for which an open circuit keeps a message hidden.
const LONGEST_HELD: Duration = Duration::from_mins(1);

/// How many receives may be used up beyond the attempts before a message is delayed instead of hidden. A queue gives a message up after a
/// hundred receives, more than any schedule has attempts, and what is left between is for crashes.
pub const SPARE_RECEIVES: u32 = 5;

/// How long a message with few receives left is hidden besides, where it could not be delayed.
pub const EXTRA_HIDDEN: Duration = Duration::from_hours(1);

/// How a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// For its reservation at a rate, of which there are only so many ([`crate::delivery::rate::MOST_AHEAD`]).
    ForReservation,
    /// Perhaps with so many others that SQS could not hide them all: it leaves its queue at once.
    InCrowd,
    /// For a reason of its own.
    Alone,
}

impl WaitKind {
    /// How a message waits after this happened to it. `has_reservation` says whether it holds a reservation at a rate.
    pub fn of(cause: &Cause, has_reservation: bool) -> Self {
        match cause {
            Cause::Held { by: Hold::Rate, .. } if has_reservation => Self::ForReservation,
            Cause::Held { by: Hold::Rate, .. } => Self::InCrowd,
            Cause::Held { by: Hold::CircuitOpen, remaining } if *remaining >= LONGEST_HELD => Self::InCrowd,
            _ => Self::Alone,
        }
    }
}

/// How a message comes back that has to wait this long: hidden in its queue, or delayed.
///
/// `receive_count` is how often SQS has handed it out, and `attempts_used` how many attempts of its schedule it has used up.
pub fn hide_or_delay(
    wait: Duration,
    receive_count: u32,
    attempts_used: u32,
    waiting: WaitKind,
    fifo: bool,
) -> Disposition {
    if !fifo
        && (waiting == WaitKind::InCrowd
            || wait > LONGEST_HIDDEN
            || is_near_receive_limit(receive_count, attempts_used))
    {
        Disposition::Delay(wait)
    } else {
        Disposition::Hide(wait)
    }
}

/// How a message comes back that was to be delayed and could not be.
///
/// Messages that were to come back apart do so still: suspects that came back together would make way for one of them again and again.
/// One that has a place in a line comes in time for it, since a later one would have to find another, and never be attempted.
pub fn fallback(wait: Duration, receive_count: u32, attempts_used: u32, waiting: WaitKind) -> Disposition {
    let spares_receives = waiting != WaitKind::ForReservation && is_near_receive_limit(receive_count, attempts_used);
    Disposition::Hide(if spares_receives { wait.saturating_add(EXTRA_HIDDEN) } else { wait })
}

/// Whether its receives are nearly used up by what spent no attempt.
fn is_near_receive_limit(receive_count: u32, attempts_used: u32) -> bool {
    receive_count.saturating_sub(attempts_used) > SPARE_RECEIVES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wait_of_a_quarter_of_an_hour_is_hidden_and_a_longer_one_is_delayed() {
        let longer = LONGEST_HIDDEN + Duration::from_millis(1);
        assert_eq!(hide_or_delay(LONGEST_HIDDEN, 1, 1, WaitKind::Alone, false), Disposition::Hide(LONGEST_HIDDEN));
        assert_eq!(hide_or_delay(longer, 1, 1, WaitKind::Alone, false), Disposition::Delay(longer));
        assert_eq!(hide_or_delay(longer, 99, 0, WaitKind::InCrowd, true), Disposition::Hide(longer), "order is kept");
    }

    #[test]
    fn a_message_that_was_received_often_for_nothing_is_delayed_however_short_the_wait() {
        let wait = Duration::from_secs(1);
        let back =
            |receive_count, attempts_used| hide_or_delay(wait, receive_count, attempts_used, WaitKind::Alone, false);
        assert_eq!(back(5, 0), Disposition::Hide(wait));
        assert_eq!(back(6, 0), Disposition::Delay(wait));
        assert_eq!(back(6, 3), Disposition::Hide(wait), "attempts are what receives are for");
    }

    #[test]
    fn what_could_not_be_delayed_uses_up_few_receives_and_keeps_its_distance_and_its_place() {
        let wait = Duration::from_secs(7);
        assert_eq!(fallback(wait, 6, 0, WaitKind::Alone), Disposition::Hide(EXTRA_HIDDEN + wait));
        assert_eq!(fallback(wait, 6, 0, WaitKind::InCrowd), Disposition::Hide(EXTRA_HIDDEN + wait));
        assert_eq!(fallback(wait, 6, 0, WaitKind::ForReservation), Disposition::Hide(wait));
        assert_eq!(fallback(wait, 1, 0, WaitKind::InCrowd), Disposition::Hide(wait), "it has receives left");
    }

    #[test]
    fn who_has_no_place_and_whom_a_circuit_holds_for_a_minute_waits_in_a_crowd_and_is_delayed_but_from_fifo_queues() {
        let held = |by, seconds| Cause::Held { by, remaining: Duration::from_secs(seconds) };
        assert_eq!(WaitKind::of(&held(Hold::Rate, 1), false), WaitKind::InCrowd);
        assert_eq!(WaitKind::of(&held(Hold::Rate, 600), true), WaitKind::ForReservation);
        assert_eq!(WaitKind::of(&held(Hold::CircuitOpen, 60), true), WaitKind::InCrowd);
        assert_eq!(WaitKind::of(&held(Hold::CircuitOpen, 59), false), WaitKind::Alone);
        assert_eq!(WaitKind::of(&Cause::NotDue { remaining: Duration::from_mins(10) }, true), WaitKind::Alone);
        let wait = Duration::from_secs(1);
        assert_eq!(hide_or_delay(wait, 1, 0, WaitKind::InCrowd, false), Disposition::Delay(wait));
        assert_eq!(hide_or_delay(wait, 1, 0, WaitKind::InCrowd, true), Disposition::Hide(wait));
    }

    proptest! {
        /// A message's life in one queue: each receive spends an attempt of its schedule or not, and asks for some wait.
        #[test]
        fn no_message_uses_up_its_receives_without_spending_its_attempts(
            attempts in 1_u32..20,
            life in proptest::collection::vec((any::<bool>(), 0_u64..200_000), 1..200),
        ) {
            let (mut receive_count, mut attempts_used) = (0, 0);
            for (spends, wait) in life {
                receive_count += 1;
                // What is left of a hundred is for crashes, which decide nothing.
                prop_assert!(receive_count <= attempts + SPARE_RECEIVES + 1, "{receive_count} receives, {attempts_used} of {attempts} spent");
                attempts_used += u32::from(spends);
                if attempts_used == attempts {
                    break;
                }
                if matches!(hide_or_delay(Duration::from_secs(wait), receive_count, attempts_used, WaitKind::Alone, false), Disposition::Delay(_)) {
                    receive_count = 0;
                }
            }
        }
    }
}
