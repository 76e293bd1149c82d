//! Strikes: how a message that makes the process die is found, and kept from its neighbours.
//!
//! A process that dies (out of memory, out of stack, aborted) settles nothing: its whole batch comes back, and the message at
//! fault brings down the next one. So an invocation writes a strike against each message that it takes on again, before it even reads it,
//! and takes the strike back when it ends, whatever came of the message. A strike that is still there says that an invocation died.
//! Only an attempt takes that away again: where none was begun, the earlier strike is put back.
//!
//! 1. *First receive*: nothing is written. Nearly every message ends here, and costs nothing. One that comes back from parking is a new
//!    message to SQS, and not to us: the receives before count too.
//! 2. *Second*: in company, with a strike. If that is found later, the message was received twice with no recorded outcome: it is *suspect*.
//! 3. *Suspect*: one of them is handled alone in an invocation, with a strike that says so; the rest of the batch makes way, unattempted.
//! 4. [`DEATHS_ALONE`] strikes from being alone condemn it: it is quarantined without being read.
//!
//! Invariants:
//! - Nobody is condemned who did not leave [`DEATHS_ALONE`] invocations without an orderly end while handled alone.
//! - A message that comes back for any other reason (a failure, a throttle, a hold) gets no strike: its invocation ended in order.
//! - A strike that an invocation may still take back counts for nothing yet: SQS may hand a message out twice.

use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::Incoming;
use crate::ledger::after;
use crate::outcome::Cause;
use crate::parking::receives_in_all;

/// How many invocations must end without order, each alone with a message, until that is condemned. A process dies for other reasons
/// too, now and then; one that dies twice while it has this message only, and before with it among others, dies of it.
pub const DEATHS_ALONE: u32 = 2;

/// For how long an invocation may still take back its strike: longer than any of ours runs, shorter than a message stays hidden after one died.
const HELD: Duration = Duration::from_mins(2);

/// How long a strike is kept: longer than SQS keeps the message.
const KEPT: Duration = Duration::from_hours(15 * 24);

/// For how long each further suspect of a batch makes way: they come back one by one, and use up few receives.
const APART: Duration = Duration::from_secs(2);

/// Against a message: an invocation took it on and has not ended in order, or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// SQS's id of the message.
    pub message_id: String,
    /// How many invocations took it on alone; 0 where it was one of several.
    pub alone: u32,
    /// Until when the invocation may still take it back.
    pub until: Timestamp,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl Strike {
    /// The strike of an invocation that takes a message on now.
    pub fn of(message_id: &str, alone: u32, now: Timestamp) -> Self {
        Self { message_id: message_id.to_owned(), alone, until: after(now, HELD), expires_at: after(now, KEPT) }
    }
}

/// What an invocation does with a message of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It is handled as ever, with the others; `struck` where a strike is written first.
    Company {
        /// Whether it was received before.
        struck: bool,
    },
    /// It is handled alone, for the time of this number.
    Alone(u32),
    /// It is not handled: it comes back, or is quarantined.
    Not(Cause),
}

/// Whether there can be a strike against a message that counts: the first one is written on the second receive in all, and none of
/// before it was parked, when it had another id.
pub fn may_be_struck(message: &Incoming) -> bool {
    message.receives > 1 && receives_in_all(message) > 2
}

/// Gives each message of a batch its place, by its receives in all and the strike that was found against it.
///
/// In a batch of a FIFO queue (`fifo`) nothing is handled that stands behind a suspect, which might be of its group.
pub fn places(batch: &[(u32, Option<&Strike>)], fifo: bool, now: Timestamp) -> Vec<Place> {
    let mut places: Vec<Place> = batch.iter().map(|(receives, strike)| place(*receives, *strike, now)).collect();
    let Some(suspect) = places.iter().position(|place| matches!(place, Place::Alone(_))) else { return places };
    let before = places.iter().take(suspect).any(|place| matches!(place, Place::Company { .. }));
    // What is ahead of the suspect in a FIFO queue goes first, and the suspect comes back behind it.
    let company_goes = fifo && before;
    let mut apart = Duration::ZERO;
    for (index, place) in places.iter_mut().enumerate() {
        let goes = if company_goes { index < suspect } else { index == suspect };
        let makes_way = match place {
            Place::Not(_) => false,
            _ => !goes,
        };
        if makes_way {
            let is_suspect = matches!(place, Place::Alone(_));
            let wait = if is_suspect { apart } else { Duration::ZERO };
            apart = apart.saturating_add(if is_suspect { APART } else { Duration::ZERO });
            *place = Place::Not(Cause::MakesWay { wait });
        }
    }
    places
}

fn place(receives: u32, strike: Option<&Strike>, now: Timestamp) -> Place {
    match strike {
        None => Place::Company { struck: receives > 1 },
        Some(strike) if strike.until > now => {
            let remaining = Duration::try_from(strike.until.duration_since(now)).unwrap_or_default();
            Place::Not(Cause::InProgress { remaining })
        }
        Some(strike) if strike.alone >= DEATHS_ALONE => Place::Not(Cause::CrashLoop),
        Some(strike) => Place::Alone(strike.alone.saturating_add(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPANY: Place = Place::Company { struck: true };

    fn now() -> Timestamp {
        Timestamp::from_second(1_000).unwrap()
    }

    /// The places in a batch of these messages: `None` without a strike, else how often it was alone. The strikes are old.
    fn places_of(batch: &[Option<u32>], fifo: bool) -> Vec<Place> {
        let long_ago = Timestamp::UNIX_EPOCH;
        let strikes: Vec<_> = batch.iter().map(|alone| alone.map(|alone| Strike::of("m", alone, long_ago))).collect();
        let batch: Vec<_> = strikes.iter().map(|strike| (3, strike.as_ref())).collect();
        places(&batch, fifo, now())
    }

    fn makes_way(seconds: u64) -> Place {
        Place::Not(Cause::MakesWay { wait: Duration::from_secs(seconds) })
    }

    #[test]
    fn a_message_without_a_strike_is_handled_as_ever_however_often_it_was_received() {
        for receives in [1, 2, 3, 99] {
            let struck = receives > 1;
            assert_eq!(places(&[(receives, None)], false, now()), [Place::Company { struck }]);
        }
    }

    #[test]
    fn one_suspect_is_handled_alone_and_the_rest_of_the_batch_makes_way() {
        let places = places_of(&[None, Some(0), None, Some(1), Some(0)], false);
        assert_eq!(places, [makes_way(0), Place::Alone(1), makes_way(0), makes_way(0), makes_way(2)]);
    }

    #[test]
    fn who_was_alone_when_two_invocations_died_is_condemned_and_hinders_nobody() {
        assert_eq!(places_of(&[Some(1)], false), [Place::Alone(2)]);
        assert_eq!(places_of(&[None, Some(2), None], false), [COMPANY, Place::Not(Cause::CrashLoop), COMPANY]);
    }

    #[test]
    fn a_strike_that_may_still_be_taken_back_counts_for_nothing_yet() {
        let fresh = Strike::of("m", 2, now());
        let places = places(&[(3, Some(&fresh))], false, now());
        assert_eq!(places, [Place::Not(Cause::InProgress { remaining: HELD })]);
    }

    #[test]
    fn in_a_fifo_batch_nothing_is_handled_before_what_stands_ahead_of_it() {
        assert_eq!(places_of(&[None, Some(0), None], true), [COMPANY, makes_way(0), makes_way(0)]);
        assert_eq!(places_of(&[Some(0), None, Some(0)], true), [Place::Alone(1), makes_way(0), makes_way(0)]);
        let suspects = places_of(&[Some(0), Some(0), Some(1)], true);
        assert_eq!(suspects, [Place::Alone(1), makes_way(0), makes_way(2)]);
    }
}
