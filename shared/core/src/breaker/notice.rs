//! What operators are told of an endpoint, and how a notice is owed until it is told.
//!
//! The change of the row that makes a notice due writes the notice into it too. Who made that change tells the operators, and takes the
//! notice out again. Where that fails, the notice stays owed, and the next batch for the sink tries again.
//!
//! Not guaranteed: that a notice is told once only. Who dies after telling, before the row says so, leaves it to be told again.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::EndpointState;
use crate::ledger::after;

/// How long somebody has to tell a notice before another one may try.
const TELLING: Duration = Duration::from_mins(2);

/// What operators are to be told of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "kebab-case")]
pub enum Notice {
    /// It fails.
    Fails {
        /// How much of the way to being disabled lies behind it, in per cent: one of [`super::WARNINGS`], or [`super::OPENED`].
        percent: u8,
        /// Since when it has been failing.
        #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
        since: Timestamp,
    },
    /// It said that it is gone for good, and is disabled.
    Gone,
}

/// A notice that is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// What is to be told.
    #[serde(flatten)]
    pub notice: Notice,
    /// Until when it is left to the one who tells it now.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub until: Timestamp,
}

impl Owed {
    /// A notice that whoever writes it tells at once.
    pub(super) fn now(notice: Notice, now: Timestamp) -> Self {
        Self { notice, until: after(now, TELLING) }
    }
}

/// What is to be written to get the right to tell what is owed; `None` where nothing is, or where somebody else is at it.
pub fn take_notice(known: &EndpointState, now: Timestamp) -> Option<EndpointState> {
    let owed = known.owed.filter(|owed| owed.until <= now)?;
    Some(EndpointState { owed: Some(Owed::now(owed.notice, now)), ..known.next() })
}

/// What is to be written once this is told; `None` where it is not owed any more.
pub fn told(known: &EndpointState, owed: Owed) -> Option<EndpointState> {
    (known.owed == Some(owed)).then(|| EndpointState { owed: None, ..known.next() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn owing(until: i64) -> EndpointState {
        let owed = Owed { notice: Notice::Fails { percent: 50, since: at(0) }, until: at(until) };
        EndpointState { owed: Some(owed), ..EndpointState::healthy("digest", None) }
    }

    #[test]
    fn what_is_owed_is_left_to_the_one_who_tells_it_until_its_time_is_over() {
        assert_eq!(take_notice(&owing(120), at(119)), None);
        let taken = take_notice(&owing(120), at(120)).unwrap();
        assert_eq!((taken.revision, taken.owed), (owing(0).revision + 1, owing(240).owed));
        assert_eq!(take_notice(&EndpointState::healthy("digest", None), at(120)), None);
    }

    #[test]
    fn what_is_told_is_owed_no_more_and_a_later_notice_stays() {
        let known = owing(120);
        let now = told(&known, known.owed.unwrap()).unwrap();
        assert_eq!((now.revision, now.owed), (known.revision + 1, None));
        assert_eq!(told(&owing(240), known.owed.unwrap()), None, "another one has taken it");
        assert_eq!(told(&now, known.owed.unwrap()), None);
    }
}
