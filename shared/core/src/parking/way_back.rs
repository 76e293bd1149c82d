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

/// How long a message with few receives left is hidden besides, where it could not be parked.
pub const UNPARKED: Duration = Duration::from_hours(1);

/// How a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// For its place in the line of a rate, of which there are only so many ([`crate::rate::MOST_AHEAD`]).
    ForPlace,
    /// Perhaps with so many others that SQS could not hide them all: it leaves its queue at once.
    InCrowd,
    /// For a reason of its own.
    Alone,
}

impl WaitKind {
    /// How a message waits that this befell. `has_place` says whether it has a place in the line of a rate.
    pub fn of(cause: &Cause, has_place: bool) -> Self {
        match cause {
            Cause::Held { by: Hold::Rate, .. } if has_place => Self::ForPlace,
            Cause::Held { by: Hold::Rate, .. } => Self::InCrowd,
            Cause::Held { by: Hold::CircuitOpen, remaining } if *remaining >= LONGEST_HELD => Self::InCrowd,
            _ => Self::Alone,
        }
    }
}

/// How a message comes back that has to wait this long: hidden in its queue, or parked.
///
/// `receives` is how often SQS has handed it out, and `spent` how many attempts of its schedule it has used up.
pub fn way_back(wait: Duration, receives: u32, spent: u32, waiting: WaitKind, fifo: bool) -> Disposition {
    if !fifo && (waiting == WaitKind::InCrowd || wait > LONGEST_HIDDEN || is_worn(receives, spent)) {
        Disposition::Park(wait)
    } else {
        Disposition::Hide(wait)
    }
}

/// How a message comes back that was to be parked and could not be.
///
/// Messages that were to come back apart do so still: suspects that came back together would make way for one of them again and again.
/// One that has a place in a line comes in time for it, since a later one would have to find another, and never be attempted.
pub fn unparked(wait: Duration, receives: u32, spent: u32, waiting: WaitKind) -> Disposition {
    let is_spared = waiting != WaitKind::ForPlace && is_worn(receives, spent);
    Disposition::Hide(if is_spared { wait.saturating_add(UNPARKED) } else { wait })
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
        assert_eq!(way_back(LONGEST_HIDDEN, 1, 1, WaitKind::Alone, false), Disposition::Hide(LONGEST_HIDDEN));
        assert_eq!(way_back(longer, 1, 1, WaitKind::Alone, false), Disposition::Park(longer));
        assert_eq!(way_back(longer, 99, 0, WaitKind::InCrowd, true), Disposition::Hide(longer), "order is kept");
    }

    #[test]
    fn a_message_that_was_received_often_for_nothing_is_parked_however_short_the_wait() {
        let wait = Duration::from_secs(1);
        let back = |receives, spent| way_back(wait, receives, spent, WaitKind::Alone, false);
        assert_eq!(back(5, 0), Disposition::Hide(wait));
        assert_eq!(back(6, 0), Disposition::Park(wait));
        assert_eq!(back(6, 3), Disposition::Hide(wait), "attempts are what receives are for");
    }

    #[test]
    fn what_could_not_be_parked_uses_up_few_receives_and_keeps_its_distance_and_its_place() {
        let wait = Duration::from_secs(7);
        assert_eq!(unparked(wait, 6, 0, WaitKind::Alone), Disposition::Hide(UNPARKED + wait));
        assert_eq!(unparked(wait, 6, 0, WaitKind::InCrowd), Disposition::Hide(UNPARKED + wait));
        assert_eq!(unparked(wait, 6, 0, WaitKind::ForPlace), Disposition::Hide(wait));
        assert_eq!(unparked(wait, 1, 0, WaitKind::InCrowd), Disposition::Hide(wait), "it has receives left");
    }

    #[test]
    fn who_has_no_place_and_whom_a_circuit_holds_for_a_minute_waits_in_a_crowd_and_is_parked_but_from_fifo_queues() {
        let held = |by, seconds| Cause::Held { by, remaining: Duration::from_secs(seconds) };
        assert_eq!(WaitKind::of(&held(Hold::Rate, 1), false), WaitKind::InCrowd);
        assert_eq!(WaitKind::of(&held(Hold::Rate, 600), true), WaitKind::ForPlace);
        assert_eq!(WaitKind::of(&held(Hold::CircuitOpen, 60), true), WaitKind::InCrowd);
        assert_eq!(WaitKind::of(&held(Hold::CircuitOpen, 59), false), WaitKind::Alone);
        assert_eq!(WaitKind::of(&Cause::NotDue { remaining: Duration::from_mins(10) }, true), WaitKind::Alone);
        let wait = Duration::from_secs(1);
        assert_eq!(way_back(wait, 1, 0, WaitKind::InCrowd, false), Disposition::Park(wait));
        assert_eq!(way_back(wait, 1, 0, WaitKind::InCrowd, true), Disposition::Hide(wait));
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
                if matches!(way_back(Duration::from_secs(wait), receives, spent, WaitKind::Alone, false), Disposition::Park(_)) {
                    receives = 0;
                }
            }
        }
    }
}
