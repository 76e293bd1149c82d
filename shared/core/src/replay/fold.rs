//! Folding: an event that stands in the archive more than once is chosen once.
//!
//! What was chosen is remembered by 128 bits of its identity's digest, for an hour of acceptance and for at most [`FOLD`]
//! events, so that memory does not grow with a replay. An event that was accepted again in another hour, or behind so many
//! others, is chosen again: its delivery has the same id and the same record of the ledger, so that claims and receivers
//! fold it.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};

use crate::id::EventId;

/// How many events are remembered: some five megabytes. A run that goes on reads as many again at the most.
pub const FOLD: usize = 100_000;

/// The events that were chosen lately.
#[derive(Debug, Default)]
pub struct Fold(HashSet<[u8; 16]>);

impl Fold {
    /// Whether an event is new; it is known from then on.
    pub fn is_new(&mut self, event: &EventId) -> bool {
        let digest: [u8; 32] = Sha256::digest(event.as_str().as_bytes()).into();
        let (half, _) = digest.split_at(16);
        let mut key = [0; 16];
        key.copy_from_slice(half);
        self.0.insert(key)
    }

    /// Whether it knows as many events as it may.
    pub fn is_full(&self) -> bool {
        self.0.len() >= FOLD
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_new_once_until_all_is_forgotten() {
        let (mut fold, event) = (Fold::default(), EventId::new("/a", "1").unwrap());
        assert_eq!([fold.is_new(&event), fold.is_new(&event)], [true, false]);
        assert!(fold.is_new(&EventId::new("/b", "1").unwrap()) && !fold.is_full());
        fold.clear();
        assert!(fold.is_new(&event));
    }
}
