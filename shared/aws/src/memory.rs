//! What the parameter store said, for a while: it allows 40 reads a second at no cost, to the whole account.
//!
//! A missing name is remembered too, for a shorter time: otherwise a tenant whose configuration names a secret that
//! does not exist would ask with every batch, and use up the reads of all others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acequia_core::time::after;
use jiff::Timestamp;

/// How long a value is used without asking again: a change takes effect within this time.
const FRESH: Duration = Duration::from_mins(1);
/// The same, for that there is no value.
const ABSENT: Duration = Duration::from_secs(10);
/// The most values that are remembered.
const MOST: usize = 500;

/// What is known of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known<T> {
    /// It has this value.
    Value(T),
    /// It has none.
    Absent,
}

/// What is known of paths, of each until it is too old.
pub(crate) struct Memory<T> {
    known: Mutex<HashMap<String, (Known<T>, Timestamp)>>,
}

impl<T: Clone> Memory<T> {
    /// Nothing is known.
    pub(crate) fn new() -> Self {
        Self { known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Known<T>, Timestamp)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a path still.
    pub(crate) fn recall(&self, path: &str, now: Timestamp) -> Option<Known<T>> {
        self.lock().get(path).filter(|(_, until)| *until > now).map(|(known, _)| known.clone())
    }

    /// Remembers what the store said.
    pub(crate) fn remember(&self, path: String, value: Option<T>, now: Timestamp) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, (_, until)| *until > now);
        }
        if known.len() >= MOST {
            known.clear();
        }
        let (value, age) = value.map_or((Known::Absent, ABSENT), |value| (Known::Value(value), FRESH));
        known.insert(path, (value, after(now, age)));
    }

    /// Forgets a path.
    pub(crate) fn forget(&self, path: &str) {
        self.lock().remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds))
    }

    #[test]
    fn a_value_is_known_for_a_minute_and_that_there_is_none_for_ten_seconds() {
        let memory = Memory::new();
        memory.remember("there".to_owned(), Some(7), at(0));
        memory.remember("absent".to_owned(), None, at(0));
        assert_eq!((memory.recall("there", at(59)), memory.recall("there", at(60))), (Some(Known::Value(7)), None));
        assert_eq!((memory.recall("absent", at(9)), memory.recall("absent", at(10))), (Some(Known::Absent), None));
        assert_eq!(memory.recall("other", at(0)), None);
        memory.forget("there");
        assert_eq!(memory.recall("there", at(1)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded_also_where_nobody_asks_for_the_same_again() {
        let memory = Memory::new();
        for number in 0..2 * MOST {
            memory.remember(number.to_string(), Some(number), at(0));
        }
        assert!(memory.lock().len() <= MOST);
    }
}
