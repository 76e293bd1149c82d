//! How a message comes back that has to wait: hidden in its queue, or parked.

use std::time::Duration;

use crate::outcome::{Cause, Disposition, Hold};

/// The longest wait for which a message is hidden; for more it is parked.
pub const LONGEST_HIDDEN: Duration = Duration::from_mins(15);

/// The longest time for which an open circuit keeps a message hidden.
const LONGEST_HELD: Duration = Duration::from_mins(1);

/// How many receives may be used up beyond the attempts before a message is parked instead of hidden. A queue gives a message up after a
/// hundred receives, more than any schedule has attempts, and what is left between is for crashes.
pub const SPARE_RECEIVES: u32 = 5;

/// How long a message with few receives left is hidden at least, where it could not be parked.
pub const UNPARKED: Duration = Duration::from_hours(1);

/// Whether a message that this befell may wait with so many others that SQS could not hide them all: it then leaves its queue at once.
///
/// `has_place` says whether it has a place in the line of a rate. Of those there are only so many ([`crate::rate::MOST_AHEAD`]).
pub fn waits_in_a_crowd(cause: &Cause, has_place: bool) -> bool {
    match cause {
        Cause::Held { by: Hold::Rate, .. } => !has_place,
        Cause::Held { by: Hold::CircuitOpen, remaining } => *remaining >= LONGEST_HELD,
        _ => false,
    }
}

/// How a message comes back that has to wait this long: hidden in its queue, or parked.
///
/// `receives` is how often SQS has handed it out, `spent` how many attempts of its schedule it has used up, and `crowd` whether it
/// [`waits_in_a_crowd`].
pub fn way_back(wait: Duration, receives: u32, spent: u32, crowd: bool, fifo: bool) -> Disposition {
    if !fifo && (crowd || wait > LONGEST_HIDDEN || is_worn(receives, spent)) {
        Disposition::Park(wait)
    } else {
        Disposition::Hide(wait)
    }
}

/// How a message comes back that was to be parked and could not be.
pub fn unparked(wait: Duration, receives: u32, spent: u32) -> Disposition {
    Disposition::Hide(if is_worn(receives, spent) { wait.max(UNPARKED) } else { wait })
}

/// Whether its receives are nearly used up by what spent no attempt.
fn is_worn(receives: u32, spent: u32) -> bool {
    receives.saturating_sub(spent) > SPARE_RECEIVES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wait_of_a_quarter_of_an_hour_is_hidden_and_a_longer_one_is_parked() {
        let longer = LONGEST_HIDDEN + Duration::from_millis(1);
        assert_eq!(way_back(LONGEST_HIDDEN, 1, 1, false, false), Disposition::Hide(LONGEST_HIDDEN));
        assert_eq!(way_back(longer, 1, 1, false, false), Disposition::Park(longer));
        assert_eq!(way_back(longer, 99, 0, true, true), Disposition::Hide(longer), "order is kept");
    }

    #[test]
    fn a_message_that_was_received_often_for_nothing_is_parked_however_short_the_wait() {
        let wait = Duration::from_secs(1);
        assert_eq!(way_back(wait, 5, 0, false, false), Disposition::Hide(wait));
        assert_eq!(way_back(wait, 6, 0, false, false), Disposition::Park(wait));
        assert_eq!(way_back(wait, 6, 3, false, false), Disposition::Hide(wait), "attempts are what receives are for");
        assert_eq!(unparked(wait, 6, 0), Disposition::Hide(UNPARKED));
    }

    #[test]
    fn who_has_no_place_and_whom_a_circuit_holds_for_a_minute_waits_in_a_crowd_and_is_parked_but_from_fifo_queues() {
        let held = |by, seconds| Cause::Held { by, remaining: Duration::from_secs(seconds) };
        assert!(waits_in_a_crowd(&held(Hold::Rate, 1), false) && !waits_in_a_crowd(&held(Hold::Rate, 600), true));
        assert!(waits_in_a_crowd(&held(Hold::CircuitOpen, 60), false));
        assert!(!waits_in_a_crowd(&held(Hold::CircuitOpen, 59), false));
        assert!(!waits_in_a_crowd(&Cause::NotDue { remaining: Duration::from_mins(10) }, false));
        let wait = Duration::from_secs(1);
        assert_eq!(way_back(wait, 1, 0, true, false), Disposition::Park(wait));
        assert_eq!(way_back(wait, 1, 0, true, true), Disposition::Hide(wait));
        assert_eq!(unparked(wait, 1, 0), Disposition::Hide(wait), "what could not be parked waits as long, hidden");
    }

    proptest! {
        /// A message's life in one queue: each receive spends an attempt of its schedule or not, and asks for some wait.
        #[test]
        fn no_message_uses_up_its_receives_without_spending_its_attempts(
            attempts in 1_u32..20,
            life in proptest::collection::vec((any::<bool>(), 0_u64..200_000), 1..200),
        ) {
            let (mut receives, mut spent) = (0, 0);
            for (spends, wait) in life {
                receives += 1;
                // What is left of a hundred is for crashes, which decide nothing.
                prop_assert!(receives <= attempts + SPARE_RECEIVES + 1, "{receives} receives, {spent} of {attempts} spent");
                spent += u32::from(spends);
                if spent == attempts {
                    break;
                }
                if matches!(way_back(Duration::from_secs(wait), receives, spent, false, false), Disposition::Park(_)) {
                    receives = 0;
                }
            }
        }
    }
}
