//! The one place of the stub that reads the clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, for durations.
#[expect(clippy::disallowed_methods, reason = "the stub stands outside the system and reads the clock here alone")]
pub fn now() -> Instant {
    Instant::now()
}

/// Now, as the time since 1970.
#[expect(clippy::disallowed_methods, reason = "the stub stands outside the system and reads the clock here alone")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
