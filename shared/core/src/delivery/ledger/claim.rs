//! Who may perform a delivery: the decision on a claim.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{DeliveryKey, DeliveryRecord, EARLY, Status};
use crate::kind::SinkKind;
use crate::outcome::Reason;
use crate::wire::{Redrive, Replayed};

/// What an invocation asks for before it performs a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Which delivery.
    pub key: DeliveryKey,
    /// The sink's kind.
    pub kind: SinkKind,
    /// The digest of the event's bytes.
    pub digest: String,
    /// The version of the configuration in use.
    pub config_version: u64,
    /// When the event was accepted.
    pub accepted_at: Timestamp,
    /// The id of the trace that the event belongs to, if it belongs to one.
    pub trace_id: Option<String>,
    /// How its event was routed, where the delivery carries that ([`crate::delivery::route`]).
    pub route: Option<Arc<str>>,
    /// The replay that makes it, where one does; the key has its id.
    pub replay: Option<Replayed>,
    /// The marks with which the message came out of the dead-letter queue, if it did ([`crate::wire::redrive_of`]), and
    /// those of other copies for which this request asks, too.
    pub redrives: Vec<Redrive>,
    /// The claimant: unique to this invocation.
    pub token: String,
    /// Whether the message comes back before its time because an operator wants it.
    pub expedited: bool,
    /// The time of the request.
    pub now: Timestamp,
    /// Until when the claim holds: beyond the end of the invocation.
    pub lease_until: Timestamp,
}

/// What a claim came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The delivery is the claimant's until the lease ends.
    Claimed {
        /// The record as it stands now, with the history of earlier attempts.
        record: Box<DeliveryRecord>,
        /// True where an earlier claimant died on the way, so that the effect may have happened already.
        ambiguous: bool,
    },
    /// It was delivered before.
    Done,
    /// Another invocation has it, for this long.
    InProgress(Duration),
    /// It came back before its time, by this much.
    NotDue(Duration),
    /// The same identity came with another content.
    Conflict,
    /// It lies in the dead-letter queue for this reason, and this is not the message that was moved back from there.
    Quarantined(Reason),
}

/// Decides on a claim, given what the ledger holds: the whole protocol in one pure function.
///
/// A [`Verdict::Claimed`] is what *would* hold: the store makes it true by writing the record on condition that nothing
/// changed in between ([`DeliveryRecord::claim`] is still what it was), and asks again where something did.
pub fn judge(existing: Option<&DeliveryRecord>, request: &ClaimRequest) -> Verdict {
    let Some(existing) = existing.filter(|record| record.expires_at > request.now) else {
        return Verdict::Claimed { record: Box::new(DeliveryRecord::begin(request)), ambiguous: false };
    };
    if existing.digest != request.digest {
        return Verdict::Conflict;
    }
    let redriven = existing.is_redriven_by(request);
    let ambiguous = match existing.status {
        Status::Delivered | Status::Expired | Status::Shadowed => return Verdict::Done,
        // A call whose answer was lost is repeated by the SDK and finds what it wrote the first time.
        Status::Claimed if existing.claim.as_deref() == Some(request.token.as_str()) => false,
        Status::Claimed => match remaining(existing.lease_until, request.now) {
            Some(remaining) => return Verdict::InProgress(remaining),
            // Who moves a dead letter back has decided that it is to be tried, whatever happened before.
            None => !redriven,
        },
        Status::Retry => match remaining(existing.due_at, request.now) {
            Some(remaining) if remaining > EARLY && !redriven && !request.expedited => {
                return Verdict::NotDue(remaining);
            }
            _ => false,
        },
        Status::Quarantined if redriven => false,
        Status::Quarantined => return Verdict::Quarantined(existing.reason.unwrap_or(Reason::Ambiguous)),
    };
    let record = if redriven { existing.begin_again(request) } else { existing.go_on(request) };
    Verdict::Claimed { record: Box::new(record), ambiguous }
}

/// Decides on a delivery that nobody claims: as [`judge`] does, but another content under the same id is a delivery of
/// its own.
///
/// The two have one record, that of the one written last, which tells the attempts of both. They share the count of
/// them and the time of the next while it says that one is to be tried again: else each would make the other forget how
/// often it was tried, and which place in a rate's line it has.
pub fn judge_unclaimed(existing: Option<&DeliveryRecord>, request: &ClaimRequest) -> Verdict {
    let Some(other) = existing.filter(|record| record.digest != request.digest && record.expires_at > request.now)
    else {
        return judge(existing, request);
    };
    let attempts = other.attempts_as_of(&request.digest);
    if other.status != Status::Retry {
        return Verdict::Claimed {
            record: Box::new(DeliveryRecord { attempts, ..DeliveryRecord::begin(request) }),
            ambiguous: false,
        };
    }
    let shared = DeliveryRecord { digest: request.digest.clone(), reason: None, attempts, ..other.clone() };
    judge(Some(&shared), request)
}

/// The time from `now` until `until`, where that lies ahead.
fn remaining(until: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let ahead = until?.duration_since(now);
    Duration::try_from(ahead).ok().filter(|ahead| !ahead.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::ledger::{AttemptNote, KEPT_ATTEMPTS, KEPT_REDRIVES, RETENTION};
    use crate::id::EventId;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_verdict_of_failure_outlives_the_next_claims_and_ends_with_the_quarantine() {
        let mut quarantined = record(Status::Retry);
        quarantined.reason = Some(Reason::Ambiguous);
        let Verdict::Claimed { record: again, .. } = judge(Some(&quarantined), &request(300)) else {
            panic!("it is due")
        };
        assert_eq!(again.reason, Some(Reason::Ambiguous));
        let Verdict::Claimed { record: later, .. } = judge(Some(&again), &request(900)) else {
            panic!("the lease is over")
        };
        assert_eq!(later.reason, Some(Reason::Ambiguous), "who was to quarantine it died");
        let dead = DeliveryRecord { status: Status::Quarantined, ..*later };
        let Verdict::Claimed { record: redriven, .. } = judge(Some(&dead), &redriven("a", 902)) else {
            panic!("it was redriven")
        };
        assert_eq!(redriven.reason, None);
    }

    #[test]
    fn unclaimed_another_content_of_the_id_is_a_delivery_of_its_own_and_shares_the_attempts_and_their_time() {
        for status in [Status::Delivered, Status::Expired, Status::Claimed, Status::Quarantined] {
            let other = DeliveryRecord { digest: "other".to_owned(), ..record(status) };
            assert_eq!(judge(Some(&other), &request(10)), Verdict::Conflict, "{status:?}");
            assert_eq!(spent_of(&judge_unclaimed(Some(&other), &request(10))), Some((0, false)), "{status:?}");
        }
        let other = DeliveryRecord { digest: "other".to_owned(), ..record(Status::Retry) };
        assert_eq!(judge_unclaimed(Some(&other), &request(10)), Verdict::NotDue(Duration::from_secs(290)));
        let verdict = judge_unclaimed(Some(&other), &request(300));
        assert_eq!(spent_of(&verdict), Some((2, false)));
        let Verdict::Claimed { record: shared, .. } = verdict else { panic!("it goes on") };
        assert_eq!(shared.digest, "d");
        for status in [Status::Delivered, Status::Retry, Status::Quarantined] {
            let own = record(status);
            assert_eq!(judge_unclaimed(Some(&own), &request(10)), judge(Some(&own), &request(10)), "{status:?}");
        }
    }

    #[test]
    fn the_one_record_of_two_contents_tells_whose_each_attempt_was() {
        let note = |number, content: Option<&str>| AttemptNote {
            number,
            at: at(i64::from(number)),
            outcome: "retry".to_owned(),
            duration_ms: 5,
            detail: String::new(),
            content: content.map(str::to_owned),
            stages: None,
            fault: None,
        };
        let told = |record: &DeliveryRecord| -> Vec<(u32, Option<String>)> {
            record.attempts.iter().map(|note| (note.number, note.content.clone())).collect()
        };
        for status in [Status::Retry, Status::Expired] {
            let attempts = vec![note(1, None), note(2, Some("d")), note(3, Some("third"))];
            let other = DeliveryRecord { digest: "other".to_owned(), attempts, ..record(status) };
            let Verdict::Claimed { record: own, .. } = judge_unclaimed(Some(&other), &request(300)) else {
                panic!("it goes on")
            };
            let expected = [(1, Some("other".to_owned())), (2, None), (3, Some("third".to_owned()))];
            assert_eq!(told(&own), expected, "{status:?}");
        }

        let now = at(9);
        let mut stays = DeliveryRecord { updated_at: now, attempts: vec![note(1, None)], ..record(Status::Retry) };
        stays.note(AttemptNote { at: now, ..note(2, None) });
        let mut gives_way = DeliveryRecord { digest: "other".to_owned(), updated_at: now, ..record(Status::Expired) };
        stays.note_other(&gives_way);
        assert_eq!(told(&stays), [(1, None), (2, None)], "nothing became of the other one");
        gives_way.note(AttemptNote { at: now, ..note(2, None) });
        stays.note_other(&gives_way);
        assert_eq!(told(&stays), [(1, None), (2, Some("other".to_owned())), (2, None)]);
    }

    fn request(now: i64) -> ClaimRequest {
        ClaimRequest {
            key: DeliveryKey { event: EventId::new("/a", "1").unwrap(), sink: "crm".parse().unwrap(), replay: None },
            replay: None,
            kind: SinkKind::Email,
            digest: "d".to_owned(),
            config_version: 1,
            accepted_at: at(0),
            trace_id: None,
            route: None,
            redrives: Vec::new(),
            token: "me".to_owned(),
            expedited: false,
            now: at(now),
            lease_until: at(now + 60),
        }
    }

    fn redrive(mark: &str, moved: i64) -> Redrive {
        Redrive { id: mark.to_owned(), at: at(moved) }
    }

    fn redriven(mark: &str, now: i64) -> ClaimRequest {
        ClaimRequest { redrives: vec![redrive(mark, now)], ..request(now) }
    }

    fn record(status: Status) -> DeliveryRecord {
        let mut record = DeliveryRecord::begin(&request(0));
        record.status = status;
        record.attempts_used = 2;
        record.due_at = Some(at(300));
        record
    }

    fn spent_of(verdict: &Verdict) -> Option<(u32, bool)> {
        match verdict {
            Verdict::Claimed { record, ambiguous } => Some((record.attempts_used, *ambiguous)),
            _ => None,
        }
    }

    #[test]
    fn a_first_claim_is_granted_with_nothing_spent() {
        assert_eq!(spent_of(&judge(None, &request(0))), Some((0, false)));
    }

    #[test]
    fn while_the_lease_runs_it_is_in_progress_and_afterwards_ambiguous() {
        let claimed = DeliveryRecord { claim: Some("another".to_owned()), ..record(Status::Claimed) };
        assert_eq!(judge(Some(&claimed), &request(59)), Verdict::InProgress(Duration::from_secs(1)));
        assert_eq!(spent_of(&judge(Some(&claimed), &request(60))), Some((2, true)));
    }

    #[test]
    fn a_claimant_that_asks_again_has_its_claim_still() {
        let mine = record(Status::Claimed);
        assert_eq!(spent_of(&judge(Some(&mine), &request(1))), Some((2, false)));
    }

    #[test]
    fn what_was_delivered_is_done() {
        assert_eq!(judge(Some(&record(Status::Delivered)), &request(10)), Verdict::Done);
    }

    #[test]
    fn a_retry_waits_for_its_time_give_or_take_two_seconds() {
        let retry = record(Status::Retry);
        assert_eq!(judge(Some(&retry), &request(100)), Verdict::NotDue(Duration::from_secs(200)));
        assert_eq!(spent_of(&judge(Some(&retry), &request(298))), Some((2, false)));
        let expedited = ClaimRequest { expedited: true, ..request(100) };
        assert_eq!(spent_of(&judge(Some(&retry), &expedited)), Some((2, false)), "an operator wants it now");
    }

    #[test]
    fn what_was_redriven_starts_over_with_its_history() {
        let mut quarantined = record(Status::Quarantined);
        let note = AttemptNote {
            number: 1,
            at: at(1),
            outcome: "retry".to_owned(),
            duration_ms: 5,
            detail: String::new(),
            content: None,
            stages: None,
            fault: None,
        };
        quarantined.note(note.clone());
        let Verdict::Claimed { record, .. } = judge(Some(&quarantined), &redriven("a", 10)) else {
            panic!("it was not granted")
        };
        assert_eq!((record.attempts_used, record.attempts_used_before, record.attempts), (0, 2, vec![note]));
        assert_eq!(record.redrives, [redrive("a", 10)], "when it was redriven is part of the history");
    }

    #[test]
    fn a_copy_of_what_is_quarantined_is_quarantined_too_unless_it_is_the_one_that_was_moved_back() {
        let dead = DeliveryRecord { reason: Some(Reason::HttpStatus), ..record(Status::Quarantined) };
        assert_eq!(judge(Some(&dead), &request(10)), Verdict::Quarantined(Reason::HttpStatus));
        let again = DeliveryRecord { redrives: vec![redrive("a", 1), redrive("b", 2)], ..dead };
        for old in ["a", "b"] {
            let verdict = judge(Some(&again), &redriven(old, 10));
            assert_eq!(verdict, Verdict::Quarantined(Reason::HttpStatus), "a copy of an earlier redrive, {old}");
        }
        assert_eq!(spent_of(&judge(Some(&again), &redriven("c", 10))), Some((0, false)));
    }

    #[test]
    fn what_was_redriven_is_not_ambiguous_and_waits_for_nothing_however_its_record_was_left() {
        let claimed = DeliveryRecord { claim: Some("another".to_owned()), ..record(Status::Claimed) };
        assert_eq!(spent_of(&judge(Some(&claimed), &redriven("a", 62))), Some((0, false)));
        assert!(matches!(judge(Some(&claimed), &redriven("a", 59)), Verdict::InProgress(_)), "a lease is a lease");
        assert_eq!(spent_of(&judge(Some(&record(Status::Retry)), &redriven("a", 10))), Some((0, false)));
        assert_eq!(judge(Some(&record(Status::Delivered)), &redriven("a", 10)), Verdict::Done);
    }

    #[test]
    fn a_redrive_from_before_the_record_decides_nothing() {
        let dead = |reason| DeliveryRecord { reason: Some(reason), updated_at: at(100), ..record(Status::Quarantined) };
        let early = ClaimRequest { now: at(200), ..redriven("a", 99) };
        let verdict = judge(Some(&dead(Reason::HttpStatus)), &early);
        assert_eq!(verdict, Verdict::Quarantined(Reason::HttpStatus), "another copy was tried since");
        let late = ClaimRequest { now: at(200), ..redriven("a", 101) };
        assert_eq!(spent_of(&judge(Some(&dead(Reason::HttpStatus)), &late)), Some((0, false)));
        let verdict = judge(Some(&dead(Reason::Ambiguous)), &late);
        assert_eq!(verdict, Verdict::Quarantined(Reason::Ambiguous), "clocks differ by as much");
        let claimed = DeliveryRecord { claim: Some("another".to_owned()), ..record(Status::Claimed) };
        let meanwhile = ClaimRequest { now: at(100), ..redriven("a", 30) };
        assert_eq!(spent_of(&judge(Some(&claimed), &meanwhile)), Some((2, true)));
    }

    #[test]
    fn what_comes_back_by_its_schedule_after_a_redrive_does_not_start_over() {
        let mut record = record(Status::Retry);
        record.redrives.push(redrive("a", 200));
        assert_eq!(spent_of(&judge(Some(&record), &redriven("a", 300))), Some((2, false)));
    }

    #[test]
    fn a_record_knows_the_last_redrives() {
        let mut known = record(Status::Quarantined);
        for turn in 0..25 {
            let Verdict::Claimed { record, .. } = judge(Some(&known), &redriven(&turn.to_string(), 900)) else {
                panic!("it was not granted")
            };
            known = DeliveryRecord { status: Status::Quarantined, attempts_used: 3, ..*record };
        }
        assert_eq!((known.redrives.len(), known.redrives.last()), (KEPT_REDRIVES, Some(&redrive("24", 900))));
        assert_eq!(known.attempts_used_before, 2 + 24 * 3, "no attempt is forgotten in the count");
    }

    #[test]
    fn another_content_under_the_same_identity_is_a_conflict() {
        let other = ClaimRequest { digest: "e".to_owned(), ..request(10) };
        assert_eq!(judge(Some(&record(Status::Delivered)), &other), Verdict::Conflict);
    }

    #[test]
    fn an_expired_record_counts_for_nothing_even_if_the_store_still_has_it() {
        let late = i64::try_from(RETENTION.as_secs()).unwrap() + 1;
        assert_eq!(spent_of(&judge(Some(&record(Status::Delivered)), &request(late))), Some((0, false)));
    }

    #[test]
    fn the_history_keeps_the_last_attempts() {
        let mut record = record(Status::Retry);
        for number in 1..=25 {
            record.note(AttemptNote {
                number,
                at: at(0),
                outcome: "retry".to_owned(),
                duration_ms: 1,
                detail: String::new(),
                content: None,
                stages: None,
                fault: None,
            });
        }
        assert_eq!(record.attempts.len(), KEPT_ATTEMPTS);
        assert_eq!(record.attempts.last().map(|note| note.number), Some(25));
    }
}
