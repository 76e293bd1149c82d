//! Which dead letters an operator means.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::letter::Letter;
use crate::id::{EventId, SinkId};
use crate::routing::TypeRule;

/// Which dead letters are meant: those that meet every condition that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Deliveries to this sink.
    pub sink: Option<SinkId>,
    /// This reason.
    pub reason: Option<String>,
    /// Events of these types.
    pub types: Option<TypeRule>,
    /// Quarantined (else sent) at this time or later.
    pub since: Option<Timestamp>,
    /// Quarantined (else sent) before this time.
    pub until: Option<Timestamp>,
    /// This event.
    pub event: Option<EventId>,
    /// These dead letters, by their `MessageId`s.
    pub letters: Option<BTreeSet<String>>,
}

impl Filter {
    /// Whether a dead letter is meant. One whose event, type or sink cannot be read meets no condition on it.
    pub fn takes(&self, letter: &Letter) -> bool {
        fn meets<T: PartialEq>(wanted: Option<&T>, has: Option<&T>) -> bool {
            wanted.is_none_or(|wanted| has == Some(wanted))
        }
        meets(self.sink.as_ref(), letter.sink.as_ref())
            && meets(self.reason.as_ref(), Some(&letter.reason))
            && meets(self.event.as_ref(), letter.event.as_ref())
            && self.types.as_ref().is_none_or(|rule| letter.event_type.as_deref().is_some_and(|kind| rule.takes(kind)))
            && self.letters.as_ref().is_none_or(|ids| ids.contains(&letter.id))
            && self.since.is_none_or(|since| letter.at >= since)
            && self.until.is_none_or(|until| letter.at < until)
    }

    /// Whether every dead letter is meant.
    pub fn takes_all(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn letter() -> Letter {
        Letter {
            id: "m-1".to_owned(),
            event: Some(EventId::new("/a", "1").unwrap()),
            event_type: Some("action.signed".to_owned()),
            sink: Some("crm".parse().unwrap()),
            reason: "http-status".to_owned(),
            detail: String::new(),
            attempts: None,
            quarantined_at: None,
            at: at(100),
            redriven_from: None,
        }
    }

    #[test]
    fn each_condition_takes_what_meets_it_and_no_other() {
        let none = Filter::default;
        let rows = [
            (none(), true),
            (Filter { sink: Some("crm".parse().unwrap()), ..none() }, true),
            (Filter { sink: Some("crm-b".parse().unwrap()), ..none() }, false),
            (Filter { reason: Some("http-status".to_owned()), ..none() }, true),
            (Filter { reason: Some("http".to_owned()), ..none() }, false),
            (Filter { types: Some("action.*".parse().unwrap()), ..none() }, true),
            (Filter { types: Some("action".parse().unwrap()), ..none() }, false),
            (Filter { since: Some(at(100)), until: Some(at(101)), ..none() }, true),
            (Filter { since: Some(at(101)), ..none() }, false),
            (Filter { until: Some(at(100)), ..none() }, false),
            (Filter { event: EventId::new("/a", "1").ok(), ..none() }, true),
            (Filter { event: EventId::new("/a", "2").ok(), ..none() }, false),
            (Filter { letters: Some(["m-1".to_owned()].into()), ..none() }, true),
            (Filter { letters: Some(["m-2".to_owned()].into()), ..none() }, false),
            (Filter { letters: Some(BTreeSet::new()), ..none() }, false),
        ];
        for (filter, takes) in rows {
            assert_eq!(filter.takes(&letter()), takes, "{filter:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_meets_no_condition_on_it() {
        let unreadable = Letter { event: None, event_type: None, sink: None, ..letter() };
        assert!(!Filter { types: Some("*".parse().unwrap()), ..Filter::default() }.takes(&unreadable));
        assert!(Filter::default().takes_all() && Filter::default().takes(&unreadable));
    }
}
