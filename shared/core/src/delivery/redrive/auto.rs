//! Whether a dead letter goes back by itself now: the decision, without I/O.
//!
//! How often a delivery was redriven stands in its ledger record: the marks of the redrives that it has seen, of which
//! a redrive by an operator is one too. So an operator's redrive counts towards the limit, and makes the next wait
//! longer.
//!
//! Invariants:
//! - What was delivered, is being delivered, or may have been, never goes back by itself.
//! - No delivery goes back by itself once it was redriven as often as the tenant says, nor before its wait is over.
//!
//! Not guaranteed: the count, where the ledger did not take the record of a redriven delivery. The wait holds all the
//! same, because the dead letter says itself when it was quarantined.

use std::time::Duration;

use jiff::Timestamp;

use super::letter::{Letter, Received, restored};
use crate::delivery::ledger::{DeliveryKey, DeliveryRecord, Status};
use crate::outcome::Reason;
use crate::time::after;
use crate::wire::{REDRIVEN, Replayed};

/// Which dead letters go back by themselves, when, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoRedrive {
    /// The reasons that are meant.
    pub reasons: Vec<Reason>,
    /// How long a dead letter waits the first time.
    pub after: Duration,
    /// How often a delivery is redriven at most.
    pub times: u32,
}

impl AutoRedrive {
    /// How long a dead letter waits that was redriven so often before: twice as long each time.
    pub fn wait(&self, redriven: u32) -> Duration {
        self.after.saturating_mul(2_u32.saturating_pow(redriven))
    }
}

/// Whether a dead letter goes back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoVerdict {
    /// Now.
    Due,
    /// At this time, as it looks now.
    NotYet(Timestamp),
    /// It was redriven as often as the tenant wants: a person has to look at it.
    UsedUp,
    /// Never by itself, as it stands.
    NotMeant,
}

/// The delivery of a dead letter that may be due, as far as the letter itself can tell: what is worth a look into the
/// ledger.
pub fn may_be_due(settings: &AutoRedrive, received: &Received, letter: &Letter, now: Timestamp) -> Option<DeliveryKey> {
    let (event, sink) = letter.event.clone().zip(letter.sink.clone())?;
    let due = is_meant(settings, letter) && after(letter.at, settings.wait(redriven(letter, None))) <= now;
    // Without its mark it would not start over, and nobody would count it.
    let replay = Replayed::of(&received.message.attributes).map(|replay| replay.id);
    (due && restored(received).attributes.contains_key(REDRIVEN)).then_some(DeliveryKey { event, sink, replay })
}

/// Decides by what the ledger knows of the delivery. `content` is the digest of the letter's body.
pub fn decide_auto(
    settings: &AutoRedrive,
    letter: &Letter,
    content: &str,
    record: Option<&DeliveryRecord>,
    now: Timestamp,
) -> AutoVerdict {
    let record = record.filter(|record| record.expires_at > now);
    if !is_meant(settings, letter) || record.is_some_and(|record| !is_failed(record, letter, content)) {
        return AutoVerdict::NotMeant;
    }
    let redriven = redriven(letter, record);
    if redriven >= settings.times {
        return AutoVerdict::UsedUp;
    }
    let due = after(letter.at, settings.wait(redriven));
    if due <= now { AutoVerdict::Due } else { AutoVerdict::NotYet(due) }
}

/// What has no sink or no event is no delivery, but something in an intake's dead-letter queue.
fn is_meant(settings: &AutoRedrive, letter: &Letter) -> bool {
    letter.event.is_some()
        && letter.sink.is_some()
        && settings.reasons.iter().any(|reason| reason.as_str() == letter.reason)
}

/// Whether the record says that this delivery failed, and for sure.
fn is_failed(record: &DeliveryRecord, letter: &Letter, content: &str) -> bool {
    let failed = match record.status {
        Status::Quarantined => true,
        // What was quarantined when it came back from its delay has no newer record; another copy's next attempt lies
        // ahead.
        Status::Retry => record.due_at.is_none_or(|due| due <= letter.at),
        // An invocation performs it, or died on the way: a person decides.
        Status::Claimed | Status::Delivered | Status::Expired | Status::Shadowed => false,
    };
    failed && record.reason != Some(Reason::Ambiguous) && record.digest == content
}

/// How often the delivery was redriven. A letter without a record knows at least whether it was.
fn redriven(letter: &Letter, record: Option<&DeliveryRecord>) -> u32 {
    let marks = record.map_or(0, |record| record.redrives.len());
    u32::try_from(marks).unwrap_or(u32::MAX).max(u32::from(letter.redriven_from.is_some()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::delivery::ledger::{ClaimRequest, Verdict, judge};
    use crate::id::EventId;
    use crate::kind::SinkKind;
    use crate::wire::Redrive;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + hours * 3600).unwrap()
    }

    fn settings() -> AutoRedrive {
        AutoRedrive { reasons: vec![Reason::AttemptsExhausted], after: Duration::from_hours(1), times: 3 }
    }

    fn letter() -> Letter {
        Letter {
            id: "m-1".to_owned(),
            event: EventId::new("/a", "1").ok(),
            event_type: Some("t".to_owned()),
            sink: "crm".parse().ok(),
            reason: "attempts-exhausted".to_owned(),
            detail: String::new(),
            attempts: Some(9),
            quarantined_at: Some(at(0)),
            at: at(0),
            redriven_from: None,
        }
    }

    fn record(status: Status, redrives: usize) -> DeliveryRecord {
        let request = ClaimRequest {
            key: DeliveryKey { event: EventId::new("/a", "1").unwrap(), sink: "crm".parse().unwrap(), replay: None },
            replay: None,
            kind: SinkKind::Webhook,
            digest: "d".to_owned(),
            config_version: 1,
            accepted_at: at(-100),
            trace_id: None,
            route: None,
            redrives: Vec::new(),
            token: "me".to_owned(),
            expedited: false,
            now: at(-1),
            lease_until: at(0),
        };
        let Verdict::Claimed { record, .. } = judge(None, &request) else { panic!("a first claim is granted") };
        let redrives = (0..redrives).map(|n| Redrive { id: format!("mark-{n}"), at: at(-1) }).collect();
        DeliveryRecord { status, redrives, reason: Some(Reason::AttemptsExhausted), ..*record }
    }

    fn decide(record: &DeliveryRecord, now: Timestamp) -> AutoVerdict {
        decide_auto(&settings(), &letter(), "d", Some(record), now)
    }

    #[test]
    fn each_wait_is_twice_the_one_before_and_at_its_end_it_is_due() {
        for (redriven, hours) in [(0, 1), (1, 2), (2, 4)] {
            let record = record(Status::Quarantined, redriven);
            let just_before = at(hours).checked_sub(Duration::from_millis(1)).unwrap();
            assert_eq!(decide(&record, just_before), AutoVerdict::NotYet(at(hours)), "{redriven}");
            assert_eq!(decide(&record, at(hours)), AutoVerdict::Due, "{redriven}");
        }
    }

    #[test]
    fn after_the_limit_it_is_used_up_whoever_redrove_it_and_however_long_it_waits() {
        // The record does not know who moved it: an operator's redrive is a mark like any other.
        assert_eq!(decide(&record(Status::Quarantined, 3), at(100)), AutoVerdict::UsedUp);
        assert_eq!(decide(&record(Status::Quarantined, 10), at(100)), AutoVerdict::UsedUp);
    }

    #[test]
    fn without_a_record_the_letter_says_whether_it_was_redriven_before() {
        let settings = settings();
        assert_eq!(decide_auto(&settings, &letter(), "d", None, at(1)), AutoVerdict::Due);
        let again = Letter { redriven_from: Some("m-0".to_owned()), ..letter() };
        assert_eq!(decide_auto(&settings, &again, "d", None, at(1)), AutoVerdict::NotYet(at(2)));
        let once = AutoRedrive { times: 1, ..settings };
        assert_eq!(decide_auto(&once, &again, "d", None, at(9)), AutoVerdict::UsedUp);
    }

    #[test]
    fn what_was_delivered_or_is_or_may_have_been_never_goes_back_by_itself() {
        for status in [Status::Claimed, Status::Delivered, Status::Expired, Status::Shadowed] {
            assert_eq!(decide(&record(status, 0), at(50)), AutoVerdict::NotMeant, "{status:?}");
        }
        let ambiguous = DeliveryRecord { reason: Some(Reason::Ambiguous), ..record(Status::Quarantined, 0) };
        assert_eq!(decide(&ambiguous, at(50)), AutoVerdict::NotMeant);
        let another = DeliveryRecord { digest: "another".to_owned(), ..record(Status::Quarantined, 0) };
        assert_eq!(decide(&another, at(50)), AutoVerdict::NotMeant);
    }

    #[test]
    fn a_letter_whose_other_copy_waits_for_its_next_attempt_stays() {
        let waits = |due| DeliveryRecord { due_at: Some(due), reason: None, ..record(Status::Retry, 0) };
        assert_eq!(decide(&waits(at(1)), at(50)), AutoVerdict::NotMeant);
        assert_eq!(decide(&waits(at(0)), at(50)), AutoVerdict::Due);
    }

    #[test]
    fn other_reasons_and_what_is_no_delivery_are_not_meant() {
        for other in [
            Letter { reason: "http-status".to_owned(), ..letter() },
            Letter { sink: None, ..letter() },
            Letter { event: None, ..letter() },
        ] {
            assert_eq!(decide_auto(&settings(), &other, "d", None, at(50)), AutoVerdict::NotMeant, "{other:?}");
        }
    }

    #[test]
    fn a_record_that_is_over_counts_as_none() {
        let forgotten = DeliveryRecord { expires_at: at(2), ..record(Status::Quarantined, 3) };
        assert_eq!(decide(&forgotten, at(2)), AutoVerdict::Due);
    }
}
