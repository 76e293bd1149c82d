//! The watch over all queues of a stage: what is remembered of a queue, when it is in trouble, and when operators hear
//! of it.
//!
//! An alarm per queue costs money though nothing happens. The watch looks at each queue in turn instead, and remembers
//! only those that are not empty ([`Finding`]). A dead-letter queue is in trouble by what it holds, any other by how
//! long its oldest message waits.
//!
//! Invariants:
//! - Trouble is told before it is remembered as told: an alert that nobody got is pending until a later look tells it.
//! - What cannot be remembered is not told, so that a store that takes nothing makes no alert every five minutes.
//! - Of one trouble operators hear once, again when it is ten times as large, and again after a day.
//!
//! Not guaranteed: that an alert is told once only. Who dies after telling, before it is remembered, leaves it to be
//! told again.

mod alert;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::queue::{QueueArn, QueueName, QueueRole};
use crate::time::after;

pub use alert::{Alert, MOST_NAMED, News, Why, alert};

/// How long it takes at most until each queue was looked at, if there is time enough in each look.
pub const ROUND: Duration = Duration::from_mins(15);
/// How many looks make a round.
pub const LOOKS: usize = 3;
/// For how long it is believed whose the alarms of a queue are.
const ASKED: Duration = Duration::from_hours(1);
/// After this time a trouble that lasts is told again.
const REMINDER: Duration = Duration::from_hours(24);
/// And so many times larger it is told at once.
const GROWN: u64 = 10;
/// The queue's tag that says whose its alarms are.
pub const ALARMS_TAG: &str = "alarms";

/// From when on a queue is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many messages in a dead-letter queue.
    pub dead_letters: u64,
    /// So old the oldest message of another queue.
    pub age: Duration,
}

/// Whose the alarms on a queue are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarms {
    /// The tenant's stack has alarms of its own: the watch tells nothing.
    Own,
    /// The watch's.
    Shared,
}

impl Alarms {
    /// What the tag says. A queue without one is watched: it is better to hear twice of trouble than never.
    pub fn of_tag(tag: Option<&str>) -> Self {
        if tag == Some("own") { Self::Own } else { Self::Shared }
    }
}

/// Whose the alarms are, and when that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Whose.
    pub alarms: Alarms,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

/// What operators were told of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How large the trouble was ([`Trouble::size`]).
    pub size: u64,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

/// What is remembered of a queue that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The first of the looks in a row at which it was not empty.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub since: Timestamp,
    /// Whose its alarms are, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// What operators were told, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

impl Finding {
    /// What is to be remembered after a look; nothing of an empty queue.
    pub fn after_look(known: Option<Self>, messages: u64, now: Timestamp) -> Option<Self> {
        (messages > 0).then(|| known.unwrap_or(Self { since: now, asked: None, told: None }))
    }

    /// Whether the oldest message may be too old: only then is it worth asking. A message that is as old as the limit
    /// has been there at each look since, the first of which was within a round.
    pub fn may_be_too_old(&self, limits: Limits, now: Timestamp) -> bool {
        self.since < now && after(self.since, limits.age) <= after(now, ROUND)
    }

    /// Whose the alarms are, where that was asked a short time ago.
    pub fn alarms(&self, now: Timestamp) -> Option<Alarms> {
        self.asked.filter(|asked| after(asked.at, ASKED) > now).map(|asked| asked.alarms)
    }

    /// Whether the operators do not know of this trouble, or not how large it has become, or may have forgotten it.
    pub fn is_news(&self, trouble: Trouble, now: Timestamp) -> bool {
        self.told.is_none_or(|told| {
            trouble.size() >= told.size.saturating_mul(GROWN).max(1) || after(told.at, REMINDER) <= now
        })
    }
}

/// What is wrong with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// So many dead letters lie in it.
    DeadLetters(u64),
    /// Its oldest message has been waiting for so long.
    Waits(Duration),
}

impl Trouble {
    /// Whether a queue is in trouble that holds so many messages, and whose oldest has this age if that is known.
    pub fn of(name: &QueueName, messages: u64, age: Option<Duration>, limits: Limits) -> Option<Self> {
        if name.dlq {
            (messages >= limits.dead_letters.max(1)).then_some(Self::DeadLetters(messages))
        } else {
            age.filter(|age| *age >= limits.age).map(Self::Waits)
        }
    }

    /// How large it is: dead letters, or seconds.
    pub fn size(self) -> u64 {
        match self {
            Self::DeadLetters(count) => count,
            Self::Waits(age) => age.as_secs(),
        }
    }
}

/// A queue of the stage, with what its name says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched {
    /// What its name says.
    pub name: QueueName,
    /// Its address.
    pub queue: QueueArn,
}

impl Watched {
    /// A queue; `None` where its name is none of ours.
    pub fn of(queue: QueueArn) -> Option<Self> {
        Some(Self { name: queue.name().parse().ok()?, queue })
    }

    /// Whether its dead letters say why they are there. What a tenant's own reader leaves was moved by SQS, which gives
    /// no reason.
    pub fn says_why(&self) -> bool {
        self.name.dlq && self.name.role != QueueRole::Out
    }
}

/// The queues that a look takes up beside those that are known to hold something: the next share of a round behind
/// `cursor`, from the beginning again after the last. `all` are sorted by name.
pub fn next_share(all: &[Watched], cursor: Option<&str>, looks: usize) -> Vec<Watched> {
    let behind = all.partition_point(|one| cursor.is_some_and(|cursor| one.queue.name() <= cursor));
    let (before, after) = all.split_at(behind);
    after.iter().chain(before).take(all.len().div_ceil(looks.max(1))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { dead_letters: 5, age: Duration::from_hours(1) };

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + 60 * minutes).unwrap()
    }

    fn watched(name: &str) -> Watched {
        Watched::of(format!("arn:aws:sqs:eu-west-1:123456789012:acequia_dev_{name}").parse().unwrap()).unwrap()
    }

    fn since(minutes: i64) -> Finding {
        Finding { since: at(minutes), asked: None, told: None }
    }

    #[test]
    fn what_is_not_empty_is_remembered_since_its_first_look_and_an_empty_queue_is_forgotten() {
        let first = Finding::after_look(None, 1, at(0)).unwrap();
        assert_eq!(first, since(0));
        let told = Finding { told: Some(Told { size: 1, at: at(1) }), ..first };
        assert_eq!(Finding::after_look(Some(told), 9, at(5)), Some(told));
        assert_eq!(Finding::after_look(Some(told), 0, at(10)), None);
    }

    #[test]
    fn a_dead_letter_queue_is_in_trouble_by_its_depth_and_any_other_by_its_age() {
        let (dead, work) = (watched("acme_webhook-dlq").name, watched("acme_webhook").name);
        let old = Some(Duration::from_hours(2));
        assert_eq!(Trouble::of(&dead, 4, old, LIMITS), None);
        assert_eq!(Trouble::of(&dead, 5, None, LIMITS), Some(Trouble::DeadLetters(5)));
        assert_eq!(Trouble::of(&work, 1_000, None, LIMITS), None);
        assert_eq!(Trouble::of(&work, 1_000, Some(Duration::from_mins(59)), LIMITS), None);
        assert_eq!(Trouble::of(&work, 1, old, LIMITS), Some(Trouble::Waits(Duration::from_hours(2))));
    }

    #[test]
    fn an_age_is_asked_for_only_where_a_message_may_be_too_old() {
        assert!(!since(0).may_be_too_old(LIMITS, at(44)));
        assert!(since(0).may_be_too_old(LIMITS, at(45)), "it may have come just after the look a round before");
        let short = Limits { age: Duration::from_mins(1), ..LIMITS };
        assert!(!since(0).may_be_too_old(short, at(0)), "at one look alone it is not known to wait");
        assert!(since(0).may_be_too_old(short, at(5)));
    }

    #[test]
    fn a_trouble_is_news_once_then_ten_times_as_large_then_after_a_day() {
        let told = Finding { told: Some(Told { size: 3, at: at(0) }), ..since(0) };
        assert!(since(0).is_news(Trouble::DeadLetters(1), at(0)));
        assert!(!told.is_news(Trouble::DeadLetters(3), at(5)) && !told.is_news(Trouble::DeadLetters(29), at(5)));
        assert!(told.is_news(Trouble::DeadLetters(30), at(5)));
        assert!(!told.is_news(Trouble::DeadLetters(3), at(24 * 60 - 1)));
        assert!(told.is_news(Trouble::DeadLetters(3), at(24 * 60)));
    }

    #[test]
    fn whose_the_alarms_are_is_believed_for_an_hour() {
        let asked = Finding { asked: Some(Asked { alarms: Alarms::Own, at: at(0) }), ..since(0) };
        assert_eq!(asked.alarms(at(59)), Some(Alarms::Own));
        assert_eq!((asked.alarms(at(60)), since(0).alarms(at(0))), (None, None));
        assert_eq!(
            [Some("own"), Some("shared"), Some("?"), None].map(Alarms::of_tag),
            [Alarms::Own, Alarms::Shared, Alarms::Shared, Alarms::Shared]
        );
    }

    #[test]
    fn three_looks_see_every_queue_once_and_the_next_begins_anew() {
        let all: Vec<Watched> = (0..10).map(|n| watched(&format!("t{n}_intake"))).collect();
        let mut cursor: Option<String> = None;
        let mut seen = Vec::new();
        for share in [4, 4, 4] {
            let next = next_share(&all, cursor.as_deref(), LOOKS);
            assert_eq!(next.len(), share);
            cursor = next.last().map(|one| one.queue.name().to_owned());
            seen.extend(next);
        }
        assert_eq!(seen.split_off(10), all[..2], "from the beginning again");
        assert_eq!(seen, all);
        assert_eq!(next_share(&all, Some("acequia_dev_t3_gone"), 10), all[3..4], "the queue at the cursor may be gone");
        assert_eq!(next_share(&all, None, 1), all);
        assert!(next_share(&[], None, LOOKS).is_empty());
    }
}
