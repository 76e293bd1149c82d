//! What is remembered of events and deliveries, and who may perform a delivery: the protocol of the ledger.
//!
//! A record is keyed by tenant, event and sink. A delivery that must not happen twice is *claimed* first: the claim is
//! a conditional write that only one invocation wins, with a lease that outlives the invocation. It is *settled* by an
//! unconditional write afterwards.
//!
//! Invariants:
//! - While a lease runs, nobody else performs the delivery; who finds it claimed comes back after the lease.
//! - A delivery recorded as delivered is not performed again while its record lives.
//! - A lease that ran out means that an invocation died on the way: nobody knows whether the effect happened.
//! - What is quarantined starts over only when its dead letter was moved back, which its message shows by a mark of its
//!   own ([`crate::wire::redrive_of`]). Any other copy of the message is quarantined too, and attempts nothing.
//!
//! Not guaranteed: exactly once. Between the effect and its record a crash leaves the claim to expire.
//! Records also expire (`expires_at`); the store deletes late, so [`judge`] compares the time itself.

mod claim;
mod learn;
mod stages;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::delivery::rate::Reservation;
use crate::id::{EventId, ReplayId, SinkId};
use crate::kind::SinkKind;
use crate::outcome::Reason;
use crate::outcome::fault::Fault;
use crate::time::after;
use crate::wire::{Redrive, Replayed};

pub use claim::{ClaimRequest, Verdict, judge, judge_unclaimed};
pub use learn::{Learned, learn};
pub use stages::{InvalidStages, Stages};

/// How long the ledger remembers: longer than SQS can hold a message and its dead-letter queue keep it (14 days each).
pub const RETENTION: Duration = Duration::from_hours(720);

/// How many of the last attempts a record keeps.
pub const KEPT_ATTEMPTS: usize = 10;

/// How many of the last redrives a record knows.
pub const KEPT_REDRIVES: usize = 10;

/// A message that comes back by its schedule may arrive this much early: clocks differ.
pub const EARLY: Duration = Duration::from_secs(2);

/// Which delivery: of which event to which sink. The tenant goes beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    /// The event.
    pub event: EventId,
    /// The sink.
    pub sink: SinkId,
    /// The replay that makes it, where one does: its deliveries have records of their own.
    pub replay: Option<ReplayId>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// An invocation is performing it, until the lease ends.
    Claimed,
    /// The sink has it.
    Delivered,
    /// It failed and will be tried again.
    Retry,
    /// It is in the dead-letter queue.
    Quarantined,
    /// Its time was over before it could be delivered: it was not, and is not any more.
    Expired,
    /// Its sink was in shadow mode: it was made, and not sent.
    Shadowed,
}

/// One attempt, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptNote {
    /// Its number since the delivery was made or redriven, 1-based.
    pub number: u32,
    /// When it ended, in milliseconds since 1970.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// The word of the outcome.
    pub outcome: String,
    /// How long it took.
    pub duration_ms: u64,
    /// What happened, in words without personal data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The digest of the content that was attempted, where that is another one than the record's: where nobody claims,
    /// two contents of one id have one record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What a request spent its time on, where the attempt was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Stages>,
    /// Where the cause of a failure is to be looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// The sink's proof.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// The sink's own id of what it took, where it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The status it answered with, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// What is remembered of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// The event.
    pub event: EventId,
    /// The sink.
    pub sink: SinkId,
    /// The replay that makes it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replayed>,
    /// The sink's kind.
    pub kind: SinkKind,
    /// Where it stands.
    pub status: Status,
    /// The attempts spent since the delivery was made or redriven.
    pub attempts_used: u32,
    /// The last attempts, oldest first, at most [`KEPT_ATTEMPTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptNote>,
    /// The digest of the event's bytes.
    pub digest: String,
    /// The version of the configuration that it was made with.
    pub config_version: u64,
    /// When the event was accepted.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub accepted_at: Timestamp,
    /// When this record was written.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
    /// When the record may be forgotten, in seconds since 1970 (as `DynamoDB`'s TTL wants it).
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub expires_at: Timestamp,
    /// Who holds the claim, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Until when, while there is one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub lease_until: Option<Timestamp>,
    /// When the next attempt is due, where one is.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub due_at: Option<Timestamp>,
    /// Why it is quarantined, where it is. On a record that is not quarantined: why it is to be, as soon as the
    /// dead-letter queue takes it, and is not attempted any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The sink's proof, where it is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The reservation that it holds at its sink's rate, where it waits for one ([`crate::delivery::rate`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
    /// Each time that it came out of the dead-letter queue, the last one last, at most [`KEPT_REDRIVES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redrives: Vec<Redrive>,
    /// The attempts spent before it was redriven last, in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts_used_before: u32,
    /// The id of the trace that the event belongs to, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// How the event was routed, where no row of its own says it ([`crate::delivery::route::Routed`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
}

impl DeliveryRecord {
    /// As [`Record::failed_at`].
    pub fn failed_at(&self) -> Option<Timestamp> {
        matches!(self.status, Status::Quarantined | Status::Expired).then_some(self.updated_at)
    }

    /// The key of the record.
    pub fn key(&self) -> DeliveryKey {
        let replay = self.replay.as_ref().map(|replay| replay.id.clone());
        DeliveryKey { event: self.event.clone(), sink: self.sink.clone(), replay }
    }

    /// Adds an attempt to the history, which forgets the oldest. What happens to an attempt again before it is used up
    /// takes the place of the first time.
    pub fn note(&mut self, attempt: AttemptNote) {
        let repeats = |last: &mut AttemptNote| {
            (last.number, &last.detail, &last.content) == (attempt.number, &attempt.detail, &attempt.content)
        };
        self.attempts.pop_if(repeats);
        self.attempts.push(attempt);
        self.forget_surplus();
    }

    /// Adds what became just now of another content of the same id, whose record gives way to this one. It stands
    /// before what this content came to at that time, so that the last attempt is this one's.
    pub fn note_other(&mut self, other: &Self) {
        let Some(last) = other.attempts.last().filter(|last| last.at == other.updated_at && last.content.is_none())
        else {
            return;
        };
        let place = self.attempts.partition_point(|own| own.at < last.at);
        self.attempts.insert(place, AttemptNote { content: Some(other.digest.clone()), ..last.clone() });
        self.forget_surplus();
    }

    fn forget_surplus(&mut self) {
        let surplus = self.attempts.len().saturating_sub(KEPT_ATTEMPTS);
        self.attempts.drain(..surplus);
    }

    /// The attempts as the record of this content tells them.
    fn attempts_as_of(&self, digest: &str) -> Vec<AttemptNote> {
        let tell = |note: &AttemptNote| {
            let of = note.content.as_ref().unwrap_or(&self.digest);
            AttemptNote { content: (of != digest).then(|| of.clone()), ..note.clone() }
        };
        self.attempts.iter().map(tell).collect()
    }

    /// The record that a delivery starts with, its claim included where `claim` has one.
    fn begin(request: &ClaimRequest) -> Self {
        Self {
            event: request.key.event.clone(),
            sink: request.key.sink.clone(),
            replay: request.replay.clone(),
            kind: request.kind,
            status: Status::Claimed,
            attempts_used: 0,
            attempts: Vec::new(),
            digest: request.digest.clone(),
            config_version: request.config_version,
            accepted_at: request.accepted_at,
            updated_at: request.now,
            expires_at: after(request.now, RETENTION),
            claim: Some(request.token.clone()),
            lease_until: Some(request.lease_until),
            due_at: None,
            reason: None,
            receipt: None,
            reservation: None,
            redrives: request.redrives.clone(),
            attempts_used_before: 0,
            trace_id: request.trace_id.clone(),
            route: request.route.clone(),
        }
    }

    /// The record that the delivery starts over with, because its dead letter was moved back: its history is kept.
    fn begin_again(&self, request: &ClaimRequest) -> Self {
        let mut redrives = self.redrives.clone();
        let is_new = |redrive: &&Redrive| !self.redrives.iter().any(|known| known.id == redrive.id);
        redrives.extend(request.redrives.iter().filter(is_new).cloned());
        let surplus = redrives.len().saturating_sub(KEPT_REDRIVES);
        redrives.drain(..surplus);
        let attempts_used_before = self.attempts_used_before.saturating_add(self.attempts_used);
        Self { redrives, attempts_used_before, attempts: self.attempts.clone(), ..Self::begin(request) }
    }

    /// The record that the delivery goes on with.
    fn go_on(&self, request: &ClaimRequest) -> Self {
        Self {
            attempts_used: self.attempts_used,
            reason: self.reason,
            attempts: self.attempts.clone(),
            reservation: self.reservation.clone(),
            redrives: self.redrives.clone(),
            attempts_used_before: self.attempts_used_before,
            ..Self::begin(request)
        }
    }

    /// Whether this message, or a copy for which it asks, was moved out of the dead-letter queue by somebody who could know how the record stands
    /// now.
    ///
    /// An older move is of another copy of the dead letter. Where a second effect is at stake, a move counts only if it
    /// came after the record for sure, though clocks differ.
    fn is_redriven_by(&self, request: &ClaimRequest) -> bool {
        let since = match (self.status, self.reason) {
            (Status::Claimed, _) => after(self.lease_until.unwrap_or(self.updated_at), EARLY),
            (_, Some(Reason::Ambiguous)) => after(self.updated_at, EARLY),
            _ => self.updated_at,
        };
        let is_known = |redrive: &Redrive| self.redrives.iter().any(|known| known.id == redrive.id);
        request.redrives.iter().any(|redrive| redrive.at >= since && !is_known(redrive))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What the routing of one event came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRecord {
    /// The event.
    pub event: EventId,
    /// Its type.
    pub event_type: String,
    /// The sinks that take it.
    pub taken: Vec<SinkId>,
    /// The sinks that do not.
    pub filtered: Vec<SinkId>,
    /// The clause of each one's rules that the event does not meet, in the order of `filtered`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<String>,
    /// How it came in, and by whom, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// True where no sink takes it.
    pub unmatched: bool,
    /// Why the event is quarantined, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The version of the configuration that it was routed with.
    pub config_version: u64,
    /// When the event was accepted.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub accepted_at: Timestamp,
    /// When it was routed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
    /// When the record may be forgotten, in seconds since 1970.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub expires_at: Timestamp,
    /// The id of the trace that the event belongs to, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Of an event: where it was routed.
    Route(Box<RouteRecord>),
    /// Of a delivery: what became of it.
    Delivery(Box<DeliveryRecord>),
}

impl Record {
    /// When it failed for good, where it did: it was quarantined, or its time was over. The ledger finds these rows by
    /// themselves; what is to be tried again is not among them, since each attempt would be a write more.
    pub fn failed_at(&self) -> Option<Timestamp> {
        match self {
            Self::Route(route) => route.reason.map(|_| route.updated_at),
            Self::Delivery(delivery) => delivery.failed_at(),
        }
    }

    /// The event that the row is about.
    pub fn event(&self) -> &EventId {
        match self {
            Self::Route(route) => &route.event,
            Self::Delivery(delivery) => &delivery.event,
        }
    }
}
