//! What the door took before: a request by its `Idempotency-Key`, or an event by its identity where the tenant wants
//! each once.
//!
//! Either is an entry that is *begun* by a conditional write before anything is sent, with a lease that outlives the
//! invocation, and *ended* by a write afterwards. So a door that dies on the way leaves an entry that the next one takes
//! over: what it was to send is sent again, and never forgotten.
//!
//! Invariants:
//! - Of two who begin an entry at once, one does.
//! - What is done is told again and not done again, while the entry lives.
//! - Another content under the same key is told apart from a repetition.
//!
//! Not guaranteed: once where an invocation died between sending and ending. Then the repetition sends again.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{self, EventId};

/// How long an entry of a request lives: 24 hours.
pub const REQUEST_KEPT: Duration = Duration::from_hours(24);

/// Which entry of a tenant's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKey {
    /// A request, by the digest of its `Idempotency-Key`.
    Request(String),
    /// An event, by the digest of its identity.
    Event(String),
}

impl EntryKey {
    /// The entry of a request with this key.
    pub fn request(key: &str) -> Self {
        Self::Request(id::digest(key.as_bytes()))
    }

    /// The entry of an event.
    pub fn event(event: &EventId) -> Self {
        Self::Event(id::digest(event.as_str().as_bytes()))
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(digest) => write!(f, "request#{digest}"),
            Self::Event(digest) => write!(f, "event#{digest}"),
        }
    }
}

/// How far an entry has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// An invocation is at it, until its lease ends.
    Running,
    /// A part of it was not taken, and is taken with the next request.
    Partial,
    /// All of it is done.
    Done,
}

/// An entry, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The digest of what came under the key.
    pub content: String,
    /// How far it has come.
    pub state: State,
    /// Who wrote it: another text with each write.
    pub claim: String,
    /// Until when its invocation may be at it.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub lease_until: Timestamp,
    /// The answer that it got, where it got one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When it may be forgotten, in seconds since 1970 (as `DynamoDB`'s TTL wants it).
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub expires_at: Timestamp,
}

/// What there is to be said of an entry that is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once {
    /// It is the asker's; with the answer of the last time, where a part of it was not taken then.
    Begun(Option<String>),
    /// It was done before, with this answer.
    Done(Option<String>),
    /// Another invocation is at it, for this long at most.
    Running(Duration),
    /// Another content came under this key.
    Conflict,
}

/// Decides whether `wanted`, an entry in [`State::Running`], may begin in place of what is stored.
///
/// [`Once::Begun`] is what *would* hold: the store makes it true by writing `wanted` on the condition that the stored
/// entry's `claim` is still the same.
pub fn judge(stored: Option<&Entry>, wanted: &Entry, now: Timestamp) -> Once {
    let Some(stored) = stored.filter(|stored| stored.expires_at > now) else { return Once::Begun(None) };
    if stored.content != wanted.content {
        return Once::Conflict;
    }
    match stored.state {
        State::Done => Once::Done(stored.answer.clone()),
        State::Partial => Once::Begun(stored.answer.clone()),
        // A call whose answer was lost is repeated by the SDK and finds what it wrote the first time.
        State::Running if stored.claim == wanted.claim => Once::Begun(None),
        State::Running => match Duration::try_from(stored.lease_until.duration_since(now)) {
            Ok(left) if !left.is_zero() => Once::Running(left),
            _ => Once::Begun(stored.answer.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn entry(state: State, claim: &str) -> Entry {
        Entry {
            content: "c".to_owned(),
            state,
            claim: claim.to_owned(),
            lease_until: at(30),
            answer: (state != State::Running).then(|| "answer".to_owned()),
            expires_at: at(100),
        }
    }

    #[test]
    fn what_is_stored_decides() {
        let answer = Some("answer".to_owned());
        for (stored, now, wanted) in [
            (None, 0, Once::Begun(None)),
            (Some(entry(State::Done, "other")), 0, Once::Done(answer.clone())),
            (Some(entry(State::Done, "other")), 100, Once::Begun(None)),
            (Some(entry(State::Partial, "other")), 0, Once::Begun(answer.clone())),
            (Some(entry(State::Running, "other")), 10, Once::Running(Duration::from_secs(20))),
            (Some(entry(State::Running, "other")), 30, Once::Begun(None)),
            (Some(entry(State::Running, "me")), 10, Once::Begun(None)),
            (Some(Entry { content: "d".to_owned(), ..entry(State::Done, "other") }), 0, Once::Conflict),
            (Some(Entry { content: "d".to_owned(), ..entry(State::Running, "other") }), 50, Once::Conflict),
            (Some(Entry { content: "d".to_owned(), ..entry(State::Done, "other") }), 100, Once::Begun(None)),
        ] {
            assert_eq!(judge(stored.as_ref(), &entry(State::Running, "me"), at(now)), wanted, "{stored:?} at {now}");
        }
    }

    #[test]
    fn the_key_of_a_request_is_none_of_an_event() {
        let event = EventId::new("/a", "1").unwrap();
        assert_ne!(EntryKey::request("/a|1").to_string(), EntryKey::event(&event).to_string());
        assert!(!EntryKey::event(&event).to_string().contains('|'));
    }
}
