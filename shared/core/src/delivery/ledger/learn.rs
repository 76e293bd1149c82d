//! What is learned of a delivery after its attempt: the sink's own word that it took it.
//!
//! A mail whose call broke off, or whose process died, may or may not have been sent. SES tells of each mail that it
//! takes, and then it is known: [`learn`] says what the record becomes.

use std::time::Duration;

use jiff::Timestamp;

use super::{AttemptNote, DeliveryRecord, Receipt, Status};
use crate::outcome::Reason;

/// What the sink's word changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// Nothing: the record says so already, or says why it is over.
    Known,
    /// Nothing yet: an invocation is at it, and will record by itself what it knows. Look again after this time.
    Later(Duration),
    /// The record now says that it is delivered; it is to be written in place of the one that was read.
    Delivered(Box<DeliveryRecord>),
}

/// What becomes of a record when the sink says that it took the delivery.
pub fn learn(record: &DeliveryRecord, receipt: Receipt, now: Timestamp) -> Learned {
    let open = match (record.status, record.reason) {
        (Status::Claimed, _) => {
            let remaining = record.lease_until.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
            if let Some(remaining) = remaining.filter(|remaining| !remaining.is_zero()) {
                return Learned::Later(remaining);
            }
            true
        }
        (Status::Retry, _) | (Status::Quarantined, Some(Reason::Ambiguous)) => true,
        (Status::Delivered | Status::Quarantined | Status::Expired | Status::Shadowed, _) => false,
    };
    if !open {
        return Learned::Known;
    }
    let mut delivered = DeliveryRecord {
        status: Status::Delivered,
        updated_at: now,
        claim: None,
        lease_until: None,
        due_at: None,
        reason: None,
        reservation: None,
        receipt: Some(receipt),
        ..record.clone()
    };
    delivered.note(AttemptNote {
        number: record.attempts_used.max(1),
        at: now,
        outcome: "delivered".to_owned(),
        duration_ms: 0,
        detail: "the sink told of it afterwards".to_owned(),
        content: None,
        stages: None,
        fault: None,
    });
    Learned::Delivered(Box::new(delivered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(status: Status, reason: Option<Reason>, lease_s: Option<i64>) -> DeliveryRecord {
        DeliveryRecord {
            event: "/a|1".parse().unwrap(),
            replay: None,
            sink: "thanks".parse().unwrap(),
            kind: crate::kind::SinkKind::Email,
            status,
            attempts_used: 1,
            attempts: Vec::new(),
            digest: "d".to_owned(),
            config_version: 1,
            accepted_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
            claim: None,
            lease_until: lease_s.map(|second| Timestamp::from_second(second).unwrap()),
            due_at: Some(Timestamp::UNIX_EPOCH),
            reason,
            receipt: None,
            reservation: None,
            redrives: Vec::new(),
            attempts_used_before: 0,
            trace_id: None,
            route: None,
        }
    }

    fn learn_at_100(record: &DeliveryRecord) -> Learned {
        let receipt = Receipt { id: Some("ses-1".to_owned()), status: None };
        learn(record, receipt, Timestamp::from_second(100).unwrap())
    }

    #[test]
    fn a_delivery_of_unknown_fate_is_delivered_when_the_sink_says_so() {
        for (status, reason, lease) in [
            (Status::Claimed, None, Some(100)),
            (Status::Retry, None, None),
            (Status::Quarantined, Some(Reason::Ambiguous), None),
        ] {
            let Learned::Delivered(delivered) = learn_at_100(&record(status, reason, lease)) else {
                panic!("{status:?} stays")
            };
            assert_eq!((delivered.status, delivered.due_at, delivered.reason), (Status::Delivered, None, None));
            assert_eq!(delivered.receipt.unwrap().id.unwrap(), "ses-1");
            assert_eq!(delivered.attempts.len(), 1);
        }
    }

    #[test]
    fn while_an_invocation_is_at_it_nothing_is_learned() {
        assert_eq!(learn_at_100(&record(Status::Claimed, None, Some(107))), Learned::Later(Duration::from_secs(7)));
    }

    #[test]
    fn what_is_over_stays_as_it_is() {
        for (status, reason) in
            [(Status::Delivered, None), (Status::Expired, None), (Status::Quarantined, Some(Reason::AttemptsExhausted))]
        {
            assert_eq!(learn_at_100(&record(status, reason, None)), Learned::Known, "{status:?}");
        }
    }
}
