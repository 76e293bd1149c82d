//! Times.

use std::time::Duration;

use jiff::Timestamp;

/// A time later by `by`; the end of time where it would lie beyond.
pub fn after(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
