//! Crash markers: how a message that makes the process die is found, and kept from its neighbours.
//!
//! A process that dies (out of memory, out of stack, aborted) settles nothing: its whole batch comes back, and the
//! message at fault brings down the next one. So an invocation writes a crash marker against each message that it takes
//! on again, before it even reads it, and takes the crash marker back when it ends, whatever came of the message. A
//! crash marker that is still there says that an invocation died. Only an attempt takes that away again: where none was
//! begun, the earlier crash marker is put back.
//!
//! 1. *First receive*: nothing is written. Nearly every message ends here, and costs nothing. One that comes back from
//!    its delay is a new message to SQS, and not to us: the receives before count too.
//! 2. *Second*: in company, with a crash marker. If that is found later, the message was received twice with no
//!    recorded outcome: it is *suspect*.
//! 3. *Suspect*: one of them is handled alone in an invocation, with a crash marker that says so; the rest of the batch
//!    makes way, unattempted.
//! 4. [`DEATHS_ALONE`] crash markers from being alone are enough: it is quarantined without being read.
//!
//! Invariants:
//! - Nobody is quarantined who did not leave [`DEATHS_ALONE`] invocations without an orderly end while handled alone.
//! - A message that comes back for any other reason (a failure, a throttle, a hold) gets no crash marker: its
//!   invocation ended in order.
//! - A crash marker that an invocation may still take back counts for nothing yet: SQS may hand a message out twice.

use std::time::Duration;

use jiff::Timestamp;

use crate::message::Incoming;
use crate::outcome::Cause;
use crate::time::after;
use crate::wire::total_receive_count;

/// How many invocations must end without order, each alone with a message, until that is quarantined. A process dies
/// for other reasons too, now and then; one that dies twice while it has this message only, and before with it among
/// others, dies of it.
pub const DEATHS_ALONE: u32 = 2;

/// For how long an invocation may still take back its crash marker: longer than any of ours runs, shorter than a
/// message stays hidden after one died.
const HELD: Duration = Duration::from_mins(2);

/// How long a crash marker is kept: longer than SQS keeps the message.
const KEPT: Duration = Duration::from_hours(15 * 24);

/// For how long each further suspect of a batch makes way: they come back one by one, and use up few receives.
const APART: Duration = Duration::from_secs(2);

/// Against a message: an invocation took it on and has not ended in order, or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashMarker {
    /// SQS's id of the message.
    pub message_id: String,
    /// How many invocations took it on alone; 0 where it was one of several.
    pub alone: u32,
    /// Until when the invocation may still take it back.
    pub until: Timestamp,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl CrashMarker {
    /// The crash marker of an invocation that takes a message on now.
    pub fn of(message_id: &str, alone: u32, now: Timestamp) -> Self {
        Self { message_id: message_id.to_owned(), alone, until: after(now, HELD), expires_at: after(now, KEPT) }
    }
}

/// What an invocation does with a message of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// It is handled as ever, with the others; `marked` where a crash marker is written first.
    Company {
        /// Whether it was received before.
        marked: bool,
    },
    /// It is handled alone, for the time of this number.
    Alone(u32),
    /// It is not handled: it comes back, or is quarantined.
    Not(Cause),
}

/// Whether there can be a crash marker against a message that counts: the first one is written on the second receive in
/// all, and none of before it was delayed, when it had another id.
pub fn may_be_marked(message: &Incoming) -> bool {
    message.receive_count > 1 && total_receive_count(message) > 2
}

/// Says how each message of a batch is handled, by its receives in all and the crash marker that was found against it.
///
/// In a batch of a FIFO queue (`fifo`) nothing is handled that stands behind a suspect, which might be of its group.
pub fn isolate(batch: &[(u32, Option<&CrashMarker>)], fifo: bool, now: Timestamp) -> Vec<Isolation> {
    let mut places: Vec<Isolation> =
        batch.iter().map(|(receive_count, crash_marker)| place(*receive_count, *crash_marker, now)).collect();
    let Some(suspect) = places.iter().position(|place| matches!(place, Isolation::Alone(_))) else { return places };
    let before = places.iter().take(suspect).any(|place| matches!(place, Isolation::Company { .. }));
    // What is ahead of the suspect in a FIFO queue goes first, and the suspect comes back behind it.
    let company_goes = fifo && before;
    let mut apart = Duration::ZERO;
    for (index, place) in places.iter_mut().enumerate() {
        let goes = if company_goes { index < suspect } else { index == suspect };
        let yielded = match place {
            Isolation::Not(_) => false,
            _ => !goes,
        };
        if yielded {
            let is_suspect = matches!(place, Isolation::Alone(_));
            let wait = if is_suspect { apart } else { Duration::ZERO };
            apart = apart.saturating_add(if is_suspect { APART } else { Duration::ZERO });
            *place = Isolation::Not(Cause::Yielded { wait });
        }
    }
    places
}

fn place(receive_count: u32, crash_marker: Option<&CrashMarker>, now: Timestamp) -> Isolation {
    match crash_marker {
        None => Isolation::Company { marked: receive_count > 1 },
        Some(crash_marker) if crash_marker.until > now => {
            let remaining = Duration::try_from(crash_marker.until.duration_since(now)).unwrap_or_default();
            Isolation::Not(Cause::InProgress { remaining })
        }
        Some(crash_marker) if crash_marker.alone >= DEATHS_ALONE => Isolation::Not(Cause::CrashLoop),
        Some(crash_marker) => Isolation::Alone(crash_marker.alone.saturating_add(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPANY: Isolation = Isolation::Company { marked: true };

    fn now() -> Timestamp {
        Timestamp::from_second(1_000).unwrap()
    }

    /// The places in a batch of these messages: `None` without a crash marker, else how often it was alone. The crash
    /// markers are old.
    fn places_of(batch: &[Option<u32>], fifo: bool) -> Vec<Isolation> {
        let long_ago = Timestamp::UNIX_EPOCH;
        let crash_markers: Vec<_> =
            batch.iter().map(|alone| alone.map(|alone| CrashMarker::of("m", alone, long_ago))).collect();
        let batch: Vec<_> = crash_markers.iter().map(|crash_marker| (3, crash_marker.as_ref())).collect();
        isolate(&batch, fifo, now())
    }

    fn yielded(seconds: u64) -> Isolation {
        Isolation::Not(Cause::Yielded { wait: Duration::from_secs(seconds) })
    }

    #[test]
    fn a_message_without_a_crash_marker_is_handled_as_ever_however_often_it_was_received() {
        for receive_count in [1, 2, 3, 99] {
            let marked = receive_count > 1;
            assert_eq!(isolate(&[(receive_count, None)], false, now()), [Isolation::Company { marked }]);
        }
    }

    #[test]
    fn one_suspect_is_handled_alone_and_the_rest_of_the_batch_makes_way() {
        let places = places_of(&[None, Some(0), None, Some(1), Some(0)], false);
        assert_eq!(places, [yielded(0), Isolation::Alone(1), yielded(0), yielded(0), yielded(2)]);
    }

    #[test]
    fn who_was_alone_when_two_invocations_died_is_quarantined_and_hinders_nobody() {
        assert_eq!(places_of(&[Some(1)], false), [Isolation::Alone(2)]);
        assert_eq!(places_of(&[None, Some(2), None], false), [COMPANY, Isolation::Not(Cause::CrashLoop), COMPANY]);
    }

    #[test]
    fn a_crash_marker_that_may_still_be_taken_back_counts_for_nothing_yet() {
        let fresh = CrashMarker::of("m", 2, now());
        let places = isolate(&[(3, Some(&fresh))], false, now());
        assert_eq!(places, [Isolation::Not(Cause::InProgress { remaining: HELD })]);
    }

    #[test]
    fn in_a_fifo_batch_nothing_is_handled_before_what_stands_ahead_of_it() {
        assert_eq!(places_of(&[None, Some(0), None], true), [COMPANY, yielded(0), yielded(0)]);
        assert_eq!(places_of(&[Some(0), None, Some(0)], true), [Isolation::Alone(1), yielded(0), yielded(0)]);
        let suspects = places_of(&[Some(0), Some(0), Some(1)], true);
        assert_eq!(suspects, [Isolation::Alone(1), yielded(0), yielded(2)]);
    }
}
