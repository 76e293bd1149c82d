//! The attributes that messages of ours have beside a producer's own: what they are called, what is written into them,
//! and how it is read.
//!
//! A quarantined message keeps its body and attributes and gets the reason as further ones; redriving takes them off
//! again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use crate::id::ReplayId;
use crate::message::{Attribute, Attributes, Incoming, MAX_ATTRIBUTES, MAX_MESSAGE_BYTES, Outgoing};
use crate::outcome::Reason;

/// The attribute that names the sink of a delivery.
pub const SINK: &str = "acequia-sink";
/// The attribute with the time of acceptance, in milliseconds since 1970.
pub const ACCEPTED_AT: &str = "acequia-accepted-at";
/// The attribute with how the event of a delivery was routed ([`crate::delivery::route`]).
pub const ROUTE: &str = "acequia-route";
/// The attribute of an event in an intake that says how it came in, and by whom.
pub const VIA: &str = "acequia-via";
/// The attribute with the code of a quarantined message's [`Reason`].
pub const REASON: &str = "acequia-reason";
/// The attribute that says in words what was wrong.
pub const DETAIL: &str = "acequia-detail";
/// The attribute with the number of attempts that were made.
pub const ATTEMPTS: &str = "acequia-attempts";
/// The attribute with the time of quarantining, in milliseconds since 1970.
pub const QUARANTINED_AT: &str = "acequia-quarantined-at";
/// What quarantining adds; redriving takes it off again.
pub const QUARANTINE_ATTRIBUTES: [&str; 4] = [REASON, DETAIL, ATTEMPTS, QUARANTINED_AT];

/// The attribute of a redriven message: the `MessageId` that it had as a dead letter.
pub const REDRIVEN: &str = "acequia-redriven";
/// The attribute of a message that came back from its delay: its [`Returned`].
pub const RETURNED: &str = "acequia-returned";

/// The attribute of a delivery that a replay sends: its [`Replayed`].
pub const REPLAY: &str = "acequia-replay";
/// The header or attribute by which receivers are told which delivery it repeats, where it has an id of its own.
pub const REPLAY_OF: &str = "acequia-replay-of";

/// Which ids receivers see in a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayIds {
    /// Those of the first time: who has a delivery can drop it.
    Same,
    /// New ones, the same within one replay: who has a delivery takes it again.
    Fresh,
}

impl ReplayIds {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Fresh => "fresh",
        }
    }
}

/// That a delivery is of a replay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Replayed {
    /// Which replay.
    pub id: ReplayId,
    /// Which ids it gives.
    pub ids: ReplayIds,
    /// When it began: `expires_after` counts from here.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

impl Replayed {
    /// What a message's attributes say; `None` where they say nothing, or what no replay wrote.
    pub fn of(attributes: &Attributes) -> Option<Self> {
        let mut parts = attributes.get(REPLAY)?.as_text()?.split('/');
        let id = parts.next()?.parse().ok()?;
        let word = parts.next()?;
        let ids = [ReplayIds::Same, ReplayIds::Fresh].into_iter().find(|ids| ids.as_str() == word)?;
        let at = Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?;
        parts.next().is_none().then_some(Self { id, ids, at })
    }

    pub(crate) fn to_attribute(&self) -> Attribute {
        Attribute::text(format!("{}/{}/{}", self.id, self.ids.as_str(), self.at.as_millisecond()))
    }
}

/// The longest text about how an event came in, in characters.
const MAX_VIA: usize = 150;

/// How an event came in, and by whom: what a door of ours wrote beside it, else whoever SQS says has sent it.
///
/// A producer that may send to the intake itself can write what a door would: it names what the event says of its way,
/// and grants nothing.
pub fn via_of(message: &Incoming) -> Option<String> {
    let told = message.attributes.get(VIA).and_then(Attribute::as_text);
    // What waited in a table, or as a dead letter, was sent here by one of our own.
    let is_back = [RETURNED, REDRIVEN].iter().any(|mark| message.attributes.contains_key(*mark));
    let via = match (told, &message.sender) {
        (Some(told), _) => told.to_owned(),
        (None, Some(sender)) if !is_back => format!("sqs {sender}"),
        _ => return None,
    };
    Some(via.chars().filter(char::is_ascii).filter(|one| !one.is_ascii_control()).take(MAX_VIA).collect())
}

/// The trace that a message's attributes name.
pub fn trace_of(attributes: &Attributes) -> Option<TraceContext> {
    let text = |name: &str| attributes.get(name).and_then(Attribute::as_text);
    TraceContext::read(text(TRACEPARENT)?, text(TRACESTATE))
}

/// Adds a trace to a message's attributes.
pub fn add_trace(attributes: &mut Attributes, trace: &TraceContext) {
    attributes.insert(TRACEPARENT.to_owned(), Attribute::text(trace.parent()));
    if let Some(state) = trace.state() {
        attributes.insert(TRACESTATE.to_owned(), Attribute::text(state));
    }
}

/// The longest mark that is kept, in characters: SQS's ids have 36.
const MAX_REDRIVE_ID: usize = 100;
/// That a message was moved out of the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// What tells this move from every other one.
    pub id: String,
    /// When it was moved.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

/// What a message tells of its time before it was delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// How often it was received before, in all.
    pub receive_count: u32,
    /// When it first entered its queue.
    pub sent_at: Timestamp,
    /// Whether an operator brought it back before its time, so that the ledger's due time does not count.
    pub expedited: bool,
}

impl Returned {
    /// What a message says, where it came back from its delay.
    ///
    /// A producer that forges this mark on its own event changes that event's time of acceptance, to an earlier one,
    /// and nothing else.
    pub fn of(message: &Incoming) -> Option<Self> {
        let mut parts = message.attributes.get(RETURNED)?.as_text()?.split('/');
        let receive_count = parts.next()?.parse().ok()?;
        let sent_at = Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?;
        Some(Self {
            receive_count,
            sent_at: sent_at.min(message.sent_at),
            expedited: parts.next() == Some("expedited"),
        })
    }

    pub(crate) fn to_attribute(self) -> Attribute {
        let expedited = if self.expedited { "/expedited" } else { "" };
        Attribute::text(format!("{}/{}{expedited}", self.receive_count, self.sent_at.as_millisecond()))
    }
}

/// How often a message was received, the time before it was delayed included.
pub fn total_receive_count(message: &Incoming) -> u32 {
    message.receive_count.saturating_add(Returned::of(message).map_or(0, |returned| returned.receive_count))
}

/// When a message, or the one it was before it was delayed, entered its queue.
pub fn entered_at(message: &Incoming) -> Timestamp {
    Returned::of(message).map_or(message.sent_at, |returned| returned.sent_at)
}

/// Whether a message comes back before its time because an operator wants it. Only its first receive counts as that.
pub fn is_expedited(message: &Incoming) -> bool {
    message.receive_count <= 1 && Returned::of(message).is_some_and(|returned| returned.expedited)
}

/// The mark that a message has when it was moved out of a dead-letter queue, and when that was; `None` on a message
/// that never was in one.
///
/// `acequia dlq redrive` leaves the dead letter's id on it. A move by SQS itself (the console, `StartMessageMoveTask`)
/// leaves the time of quarantining, which our own redrive takes off. What SQS dead-lettered by itself and moved back by
/// itself has none.
pub fn redrive_of(message: &Incoming) -> Option<Redrive> {
    let text = |name: &str| message.attributes.get(name).and_then(Attribute::as_text);
    let moved_by_sqs = text(QUARANTINED_AT).map(|at| format!("{QUARANTINED_AT}={at}"));
    let mark = moved_by_sqs.or_else(|| text(REDRIVEN).map(str::to_owned))?;
    Some(Redrive { id: mark.chars().take(MAX_REDRIVE_ID).collect(), at: entered_at(message) })
}

/// The message that goes to the dead-letter queue in place of `message`: the same, with the reason beside it.
///
/// The reason comes first, then as much of the rest as there is room for; `None` where there is no room even for the
/// reason (ten attributes of the producer's own, or a body of the full 1 MiB). Such a message is left to the queue's
/// own redrive.
pub fn quarantined(message: &Incoming, reason: Reason, detail: &str, attempts: u32, at: Timestamp) -> Option<Outgoing> {
    // Its own, so that what goes back later waits for its own group alone.
    let group = message.queue.is_fifo().then(|| message.group.clone().unwrap_or_else(|| "quarantine".to_owned()));
    // Of this receive: a letter of an earlier one may have been redriven since, and SQS would take the new one for it
    // and drop it.
    let deduplication = message.queue.is_fifo().then(|| format!("{}/{}", message.message_id, message.receive_count));
    let mut outgoing =
        Outgoing { body: message.body.clone(), attributes: message.attributes.clone(), group, deduplication };
    for name in QUARANTINE_ATTRIBUTES.into_iter().chain([RETURNED]) {
        outgoing.attributes.remove(name);
    }
    let detail: String = detail.chars().filter(|c| !c.is_control()).take(500).collect();
    let additions = [
        (REASON, Attribute::text(reason.as_str())),
        (DETAIL, Attribute::text(if detail.is_empty() { reason.advice().to_owned() } else { detail })),
        (ATTEMPTS, Attribute::number(i64::from(attempts))),
        (QUARANTINED_AT, Attribute::number(at.as_millisecond())),
    ];
    for (name, attribute) in additions {
        let fits = outgoing.attributes.len() < MAX_ATTRIBUTES
            && outgoing.bytes() + name.len() + attribute.bytes() <= MAX_MESSAGE_BYTES;
        if fits {
            outgoing.attributes.insert(name.to_owned(), attribute);
        }
    }
    outgoing.attributes.contains_key(REASON).then_some(outgoing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Attributes;
    use crate::message::received;
    use crate::queue::QueueArn;

    fn message(attributes: Attributes, body: String) -> Incoming {
        received("webhook", body, attributes)
    }

    #[test]
    fn a_quarantined_message_keeps_what_it_had_and_names_the_reason() {
        let own: Attributes = [("colour".to_owned(), Attribute::text("red"))].into();
        let dead =
            quarantined(&message(own, "x".to_owned()), Reason::NotJson, "line 1", 3, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(dead.body, "x");
        assert_eq!(dead.attributes["colour"], Attribute::text("red"));
        assert_eq!(dead.attributes[REASON], Attribute::text("not-json"));
        assert_eq!(dead.attributes[ATTEMPTS], Attribute::number(3));
    }

    #[test]
    fn a_quarantined_message_of_a_fifo_queue_keeps_its_group_and_is_a_letter_of_its_own_each_time() {
        let queue = "arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_intake.fifo".parse().unwrap();
        let grouped = |group: Option<&str>| Incoming {
            queue: QueueArn::clone(&queue),
            group: group.map(str::to_owned),
            ..message(Attributes::new(), "x".to_owned())
        };
        let dead = |message: &Incoming| quarantined(message, Reason::NotJson, "", 1, Timestamp::UNIX_EPOCH).unwrap();
        let first = dead(&grouped(Some("g")));
        assert_eq!(first.group.as_deref(), Some("g"));
        assert_eq!(dead(&message(Attributes::new(), "x".to_owned())).group, None);
        let second = dead(&Incoming { receive_count: 2, ..grouped(Some("g")) });
        assert_ne!(
            first.deduplication, second.deduplication,
            "else SQS drops it where the first was redriven within five minutes"
        );
    }

    #[test]
    fn with_nine_attributes_the_reason_still_fits_and_with_ten_nothing_does() {
        let own = |n: usize| -> Attributes { (0..n).map(|i| (format!("a{i}"), Attribute::text("x"))).collect() };
        let quarantine =
            |n| quarantined(&message(own(n), "x".to_owned()), Reason::NotJson, "", 1, Timestamp::UNIX_EPOCH);
        assert_eq!(quarantine(9).unwrap().attributes.len(), 10);
        assert_eq!(quarantine(10), None);
    }

    #[test]
    fn a_body_of_the_full_size_leaves_no_room() {
        let full = message(Attributes::new(), "x".repeat(MAX_MESSAGE_BYTES));
        assert_eq!(quarantined(&full, Reason::TooLarge, "", 1, Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn the_mark_of_a_replay_reads_back_and_nothing_else_is_one() {
        let marks = |text: &str| Replayed::of(&[(REPLAY.to_owned(), Attribute::text(text))].into());
        let mark = Replayed {
            id: "r1".parse().unwrap(),
            ids: ReplayIds::Fresh,
            at: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
        };
        assert_eq!(mark.to_attribute(), Attribute::text("r1/fresh/1700000000123"));
        assert_eq!(marks("r1/fresh/1700000000123"), Some(mark));
        for other in ["", "r1", "r1/new/1", "r1/same/x", "R1/same/1", "r1/same/1/2"] {
            assert_eq!(marks(other), None, "{other}");
        }
    }

    #[test]
    fn a_message_that_was_moved_back_has_a_mark_whoever_moved_it() {
        let mark = |pairs: &[(&str, &str)]| {
            let attributes = pairs.iter().map(|(name, value)| ((*name).to_owned(), Attribute::text(*value))).collect();
            redrive_of(&message(attributes, String::new())).map(|redrive| redrive.id)
        };
        assert_eq!(mark(&[]), None);
        assert_eq!(mark(&[(REDRIVEN, "letter-1")]).as_deref(), Some("letter-1"));
        let by_sqs = mark(&[(REDRIVEN, "letter-1"), (QUARANTINED_AT, "17")]);
        assert_eq!(by_sqs.as_deref(), Some("acequia-quarantined-at=17"), "it was quarantined again since");
    }
}
